"""A small mail server on loopback that keeps what it is sent, with STARTTLS and passwords, and with faults."""

from __future__ import annotations

import base64
import email
import email.policy
import socketserver
import ssl
import threading
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

USER, PASSWORD = "sight", "p@ss/word"


@dataclass
class Mailbox:
    """What arrived. `faults` are taken one for each connection: `busy` (421 at once), `drop` (hangs up at once),
    `refuse` (550 to every recipient), `full` (452 to the mail) or `lost` (taken, but the answer gets lost). `refusals`
    are the codes that single recipients are refused with, and `recipients` those each mail was taken for."""

    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    refusals: dict[str, int] = field(default_factory=dict)
    encrypted: list[bool] = field(default_factory=list)
    authenticated: list[bool] = field(default_factory=list)


class SmtpServer:
    """Serves on 127.0.0.1 from its making until `close`. `certificate` is a file with the key and the certificate,
    None for a server without STARTTLS; `implicit` speaks TLS from the first byte."""

    def __init__(self, certificate: Path | None = None, *, implicit: bool = False) -> None:
        self.mailbox = Mailbox()
        context = None
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
        self._server = socketserver.ThreadingTCPServer(
            ("127.0.0.1", 0), _session(self.mailbox, context, implicit=implicit)
        )
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stops serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _session(
    mailbox: Mailbox, context: ssl.SSLContext | None, *, implicit: bool
) -> type[socketserver.BaseRequestHandler]:
    class Session(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.encrypted, self.authenticated = False, False
            self.recipients: list[str] = []
            self.fault = mailbox.faults.pop(0) if mailbox.faults else ""
            if implicit:
                self._encrypt()
            self.file = self.request.makefile("rb")
            if self.fault == "drop":
                return
            self._say("421 busy" if self.fault == "busy" else "220 fake ESMTP")
            try:
                while self.fault != "busy" and self._command(self.file.readline().decode().rstrip("\r\n")):
                    pass
            except (OSError, ssl.SSLError):
                return
            finally:
                self.file.close()
                self.request.close()

        def _command(self, line: str) -> bool:
            """Answers a command and returns whether the session goes on."""
            verb = line.split(" ")[0].upper()
            if verb in ("EHLO", "HELO"):
                self._greet()
            elif verb == "STARTTLS" and context is not None:
                self._say("220 go ahead")
                self.file.close()
                self._encrypt()
                self.file = self.request.makefile("rb")
            elif verb == "AUTH":
                self._authenticate(line)
            elif verb == "RCPT":
                self._add(line.partition("<")[2].partition(">")[0])
            elif verb == "DATA":
                return self._take()
            elif verb in ("MAIL", "RSET", "NOOP"):
                self._say("250 ok")
            else:
                self._say("221 bye" if verb == "QUIT" else "502 not known")
                return bool(line) and verb != "QUIT"
            return True

        def _greet(self) -> None:
            offers = ["AUTH PLAIN LOGIN"]
            if context is not None and not self.encrypted:
                offers.append("STARTTLS")
            self._say("\r\n".join(["250-fake", *(f"250-{offer}" for offer in offers[:-1]), f"250 {offers[-1]}"]))

        def _encrypt(self) -> None:
            assert context is not None
            self.request = context.wrap_socket(self.request, server_side=True)
            self.encrypted = True

        def _authenticate(self, line: str) -> None:
            given = base64.b64decode(line.split(" ")[-1]).split(b"\x00")[1:]
            self.authenticated = given == [USER.encode(), PASSWORD.encode()]
            self._say("235 ok" if self.authenticated else "535 wrong user or password")

        def _add(self, recipient: str) -> None:
            code = 550 if self.fault == "refuse" else mailbox.refusals.get(recipient, 250)
            if code == 250:
                self.recipients.append(recipient)
            self._say(f"{code} {'ok' if code == 250 else 'not this one'}")

        def _take(self) -> bool:
            self._say("354 go on")
            lines = []
            while (line := self.file.readline()) not in (b".\r\n", b""):
                lines.append(line[1:] if line.startswith(b".") else line)
            if self.fault == "full":
                self._say("452 the mailbox is full")
                return True
            parsed = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
            mailbox.encrypted.append(self.encrypted)
            mailbox.authenticated.append(self.authenticated)
            mailbox.recipients.append(self.recipients)
            mailbox.mails.append(parsed)
            if self.fault == "lost":
                return False
            self._say("250 taken")
            return True

        def _say(self, words: str) -> None:
            self.request.sendall(f"{words}\r\n".encode())

        def finish(self) -> None:
            self.request.close()

    return Session


def make_certificate(path: Path) -> Path:
    """Writes a key and a certificate for 127.0.0.1 and localhost, signed by itself, into one file."""
    from datetime import UTC, datetime, timedelta
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names: Any = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path
