"""E-mail over SMTP, by the standard library: a mail when something begins and one when it takes another turn, in one
thread. Every provider takes SMTP, and an API of one of them would bind the on-call engineer to it."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import unquote, urlsplit

from common.notify.models import Message
from common.notify.port import NotTold

CALL_SECONDS = 10.0


class Mail:
    """Mails to the same people. `url` is `smtp://user:password@host:587` (with STARTTLS where the server offers it;
    a password is never sent without), or `smtps://...:465`."""

    def __init__(self, url: str, *, sender: str, recipients: Sequence[str]) -> None:
        self._url = urlsplit(url)
        self._sender = sender
        self._recipients = list(recipients)

    def deliver(self, message: Message, handle: str | None) -> str:
        """Mails the message, unless the thread's last mail had the same status. The handle is `status <message id>`."""
        status, _, first = (handle or "").partition(" ")
        if status == message.status and first:
            return f"{status} {first}"
        mail = EmailMessage()
        mail["Subject"] = f"[Sight] {message.title}".replace("\n", " ").replace("\r", " ")
        mail["From"] = self._sender
        mail["To"] = ", ".join(self._recipients)
        mail["Date"] = formatdate()
        mail["Message-ID"] = make_msgid(domain=self._sender.rpartition("@")[2] or None)
        if first:
            mail["In-Reply-To"] = mail["References"] = first
        mail.set_content(body(message))
        try:
            with self._server() as server:
                server.send_message(mail)
        except (OSError, smtplib.SMTPException) as error:
            raise NotTold(f"the mail server did not take the mail: {type(error).__name__}") from error
        return f"{message.status} {first or mail['Message-ID']}"

    def _server(self) -> smtplib.SMTP:
        host, context = self._url.hostname or "localhost", ssl.create_default_context()
        if self._url.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, self._url.port or 465, timeout=CALL_SECONDS, context=context)
        else:
            server = smtplib.SMTP(host, self._url.port or 587, timeout=CALL_SECONDS)
            server.ehlo()
            if server.has_extn("starttls"):
                server.starttls(context=context)
                server.ehlo()
            elif self._url.password:
                server.close()
                raise smtplib.SMTPNotSupportedError("a password is not sent without STARTTLS")
        if self._url.username:
            server.login(unquote(self._url.username), unquote(self._url.password or ""))
        return server


def body(message: Message) -> str:
    """The message as plain text."""
    parts = [message.text]
    parts.append("\n".join(f"{name}: {value}" for name, value in message.facts))
    parts.append("\n".join(message.lines))
    parts.append("\n".join(f"    {command}" for command in message.commands))
    parts.append(message.url)
    return "\n\n".join(part for part in parts if part) + "\n"
