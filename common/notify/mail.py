"""E-mail over SMTP, by the standard library: a mail when something begins and one when it ends, in one thread.

Every provider takes SMTP, needs no library for it, and none of them has to be chosen here.
"""

from __future__ import annotations

import json
import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import formatdate, getaddresses, make_msgid, parseaddr
from urllib.parse import unquote, urlsplit

import structlog

from common.notify.models import Message
from common.notify.port import NotTold, Telling

CALL_SECONDS = 10.0
MAX_SUBJECT = 150
REFUSED_FOR_NOW = range(400, 500)
NOT_ASKED = 421
"""The server hung up on the way to somebody."""

THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})

log = structlog.get_logger()


class Mail:
    """Mails to the same people. `url` is `smtp://user:password@host:587`, which is encrypted by STARTTLS or not used
    at all (unless it is this machine's own server), or `smtps://user:password@host:465`."""

    def __init__(self, url: str, *, sender: str, recipients: Sequence[str]) -> None:
        self._url = urlsplit(url)
        self._sender = sender
        self._recipients = list(recipients)
        self._addresses = list(dict.fromkeys(address for _, address in getaddresses(self._recipients)))

    def deliver(self, telling: Telling) -> str:
        """Mails the message to everybody, unless the thread only goes on as it was or as it should: that is for those
        who look at Slack or the timeline, and for whom the server refused the last mail for now.

        The handle is `status <id of the thread's first mail>`, and behind it, as JSON, who is still to have the last.
        """
        status = telling.message.status
        before, first, waiting = _read(telling.handle)
        turn = not first or status not in (before, "working")
        to = self._addresses if turn else [address for address in self._addresses if address in waiting]
        if not turn and not to:
            return f"{status} {first}"
        mail = self._mail(telling, first)
        refused = self._send(mail, to)
        if turn and len(refused) == len(to):
            raise NotTold(f"the mail server did not take the mail: all {len(to)} recipients were refused")
        handle = f"{status} {first or mail['Message-ID']}"
        waiting = [address for address, code in refused.items() if code in REFUSED_FOR_NOW]
        if len(refused) > len(waiting):
            log.warning("recipients_refused", count=len(refused) - len(waiting), title=telling.message.title)
        if waiting:
            raise NotTold(
                f"the mail server did not take the mail for {len(waiting)} of {len(self._addresses)} recipients yet",
                handle=f"{handle} {json.dumps(waiting)}",
            )
        return handle

    def _send(self, mail: EmailMessage, to: Sequence[str]) -> dict[str, int]:
        """Has the mail taken and returns for whom it was not, with the server's code. Raises `NotTold`."""
        try:
            with self._server() as server:
                refused = server.send_message(mail, to_addrs=to)
        except smtplib.SMTPRecipientsRefused as error:
            return {address: error.recipients.get(address, (NOT_ASKED, b""))[0] for address in to}
        except (OSError, smtplib.SMTPException) as error:
            raise NotTold(f"the mail server did not take the mail: {_said(error)}") from error
        return {address: code for address, (code, _) in refused.items()}

    def _mail(self, telling: Telling, first: str) -> EmailMessage:
        domain = parseaddr(self._sender)[1].rpartition("@")[2] or "localhost"
        title = " ".join(telling.message.title.split())
        mail = EmailMessage()
        mail["Subject"] = f"[Sight] {title}"[:MAX_SUBJECT]
        mail["From"] = self._sender
        mail["To"] = ", ".join(self._recipients)
        mail["Date"] = formatdate()
        # The same each time it is tried, so that a mail sent twice is recognised as one.
        known = f"<{telling.key}.{telling.version}@{domain}>"
        mail["Message-ID"] = known if telling.key else make_msgid(domain=domain)
        mail["Auto-Submitted"] = "auto-generated"
        if first:
            mail["In-Reply-To"] = mail["References"] = first
        mail.set_content(body(telling.message))
        return mail

    def _server(self) -> smtplib.SMTP:
        host, context = self._url.hostname or "localhost", ssl.create_default_context()
        if self._url.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, self._url.port or 465, timeout=CALL_SECONDS, context=context)
        else:
            server = smtplib.SMTP(host, self._url.port or 587, timeout=CALL_SECONDS)
        try:
            if self._url.scheme != "smtps":
                server.ehlo()
                if server.has_extn("starttls") or host not in THIS_MACHINE:
                    server.starttls(context=context)  # raises where it is not offered
            if self._url.username:
                server.login(unquote(self._url.username), unquote(self._url.password or ""))
        except BaseException:
            server.close()
            raise
        return server


def body(message: Message) -> str:
    """The message as plain text."""
    parts = (
        message.text,
        "\n".join(f"{name}: {value}" for name, value in message.facts),
        "\n".join(message.lines),
        "\n".join(f"    {command}" for command in message.commands),
        message.url,
    )
    return "\n\n".join(part for part in parts if part) + "\n"


def _read(handle: str | None) -> tuple[str, str, list[str]]:
    """The status of the thread's last mail, the id of its first, and who is still to have the last."""
    status, _, rest = (handle or "").partition(" ")
    first, _, waiting = rest.partition(" ")
    return status, first, json.loads(waiting or "[]")


def _said(error: Exception) -> str:
    """What the server said, or how it went wrong."""
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        words = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
        return f"{error.smtp_code} {' '.join(words.split())[:200]}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return "it offers no STARTTLS, and a mail is not sent in the open"
    return type(error).__name__
