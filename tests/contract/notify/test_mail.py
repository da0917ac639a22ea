"""Telling people by mail, on the wire."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from structlog.testing import capture_logs

from common.notify.mail import Mail
from common.notify.models import Message
from common.notify.port import NotTold, Telling
from tests.fakes.smtp.server import PASSWORD, USER, SmtpServer

WORKING = Message("api: sending all traffic to api-1", "working", "Zażółć: 5xx", commands=("sight ops timeline api",))
DONE = replace(WORKING, title="api: rolled back to api-1", status="done")
ANN, BOB, CAT = "ann@example.com", "bob@example.com", "cat@example.com"
TO = (ANN, BOB)


def mail_through(server: SmtpServer, *, scheme: str = "smtp", password: str = PASSWORD, to: Sequence[str] = TO) -> Mail:
    """The adapter on a server."""
    url = f"{scheme}://{USER}:{quote(password, safe='')}@127.0.0.1:{server.port}"
    return Mail(url, sender="Sight <sight@example.com>", recipients=to)


def not_told(mail: Mail, telling: Telling) -> str | None:
    """The handle of what was taken of a mail that was not taken for everybody."""
    with pytest.raises(NotTold) as raised:
        mail.deliver(telling)
    return raised.value.handle


@contextmanager
def serving(certificate: Path | None, *, implicit: bool = False) -> Iterator[SmtpServer]:
    """Another server."""
    server = SmtpServer(certificate, implicit=implicit)
    try:
        yield server
    finally:
        server.close()


def test_a_mail_is_sent_encrypted_and_signed_in(smtp_server: SmtpServer) -> None:
    """The password only after STARTTLS, the text in any language."""
    mail_through(smtp_server).deliver(Telling(WORKING, key="n1"))
    box = smtp_server.mailbox
    (mail,) = box.mails
    assert (box.encrypted, box.authenticated) == ([True], [True])
    assert mail["Subject"] == "[Sight] api: sending all traffic to api-1"
    assert (mail["From"], mail["To"]) == ("Sight <sight@example.com>", "ann@example.com, bob@example.com")
    assert mail["Message-ID"] == "<n1.1@example.com>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content().splitlines() == ["Zażółć: 5xx", "", "    sight ops timeline api"]


def test_a_thread_is_a_mail_at_its_beginning_and_one_at_its_end(smtp_server: SmtpServer) -> None:
    """What goes on in between mails nobody, and the second is a reply to the first."""
    mail = mail_through(smtp_server)
    handle = mail.deliver(Telling(WORKING, key="n1"))
    handle = mail.deliver(Telling(replace(WORKING, text="more"), handle, key="n1", version=2))
    handle = mail.deliver(Telling(DONE, handle, key="n1", version=3))
    mail.deliver(Telling(replace(DONE, text="more"), handle, key="n1", version=4))
    first, last = smtp_server.mailbox.mails
    assert (first["In-Reply-To"], last["In-Reply-To"]) == (None, "<n1.1@example.com>")
    assert last["References"] == "<n1.1@example.com>"
    assert last["Message-ID"] == "<n1.3@example.com>"


def test_each_turn_is_mailed(smtp_server: SmtpServer) -> None:
    """For better or worse, however often; only what goes on as it was, or as it should, is not."""
    mail, handle = mail_through(smtp_server), ""
    statuses = ("trouble", "trouble", "working", "trouble", "done", "done", "working", "information")
    for version, status in enumerate(statuses, start=1):
        told = Telling(replace(DONE, title=status, status=status), handle or None, key="n1", version=version)  # type: ignore[arg-type]
        handle = mail.deliver(told)
    assert [found["Subject"] for found in smtp_server.mailbox.mails] == [
        "[Sight] trouble",
        "[Sight] trouble",
        "[Sight] done",
        "[Sight] information",
    ]


def test_a_title_with_a_line_end_adds_no_header(smtp_server: SmtpServer) -> None:
    """What others wrote stays in the subject."""
    mail_through(smtp_server).deliver(Telling(replace(WORKING, title="a\r\nBcc: eve@example.com\n" + "x" * 300)))
    (mail,) = smtp_server.mailbox.mails
    assert mail["Bcc"] is None
    assert mail["Subject"].startswith("[Sight] a Bcc: eve@example.com xxx")
    assert len(mail["Subject"]) == 150


def test_a_mail_tried_again_has_the_same_id(smtp_server: SmtpServer) -> None:
    """The one whose answer got lost is recognised as the same by whoever receives both."""
    smtp_server.mailbox.faults.append("lost")
    mail = mail_through(smtp_server)
    with pytest.raises(NotTold):
        mail.deliver(Telling(WORKING, key="n1"))
    mail.deliver(Telling(WORKING, key="n1", doubtful=True))
    first, second = smtp_server.mailbox.mails
    assert first["Message-ID"] == second["Message-ID"]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("busy", "421 busy"),
        ("drop", "SMTPServerDisconnected"),
        ("refuse", "all 2 recipients were refused"),
        ("full", "452 the mailbox is full"),
    ],
)
def test_whatever_goes_wrong_is_said(smtp_server: SmtpServer, fault: str, words: str) -> None:
    """No failure passes for a mail sent."""
    smtp_server.mailbox.faults.append(fault)
    with pytest.raises(NotTold, match=words):
        mail_through(smtp_server).deliver(Telling(WORKING))
    assert smtp_server.mailbox.mails == []


def test_whoever_is_refused_for_now_is_tried_again_alone(smtp_server: SmtpServer) -> None:
    """Greylisting takes a while: the others got the mail and do not get it again, and then nobody waits any more."""
    mail, box = mail_through(smtp_server), smtp_server.mailbox
    box.refusals[BOB] = 450
    with pytest.raises(NotTold, match="did not take the mail for 1 of 2 recipients yet") as raised:
        mail.deliver(Telling(WORKING, key="n1"))
    handle = not_told(mail, Telling(WORKING, raised.value.handle, key="n1"))
    box.refusals.clear()
    handle = mail.deliver(Telling(WORKING, handle, key="n1"))
    assert mail.deliver(Telling(WORKING, handle, key="n1")) == handle == "working <n1.1@example.com>"
    assert box.recipients == [[ANN], [BOB]]
    first, second = box.mails
    assert first["Message-ID"] == second["Message-ID"]
    assert (second["To"], second["In-Reply-To"]) == ("ann@example.com, bob@example.com", "<n1.1@example.com>")


def test_whoever_is_refused_for_good_is_logged_and_not_waited_for(smtp_server: SmtpServer) -> None:
    """At once or later: an address that is wrong stays wrong, and the others were told."""
    mail, box = mail_through(smtp_server), smtp_server.mailbox
    box.refusals[BOB] = 550
    with capture_logs() as logs:
        assert mail.deliver(Telling(WORKING, key="n1")) == "working <n1.1@example.com>"
    box.refusals[BOB] = 450
    handle = not_told(mail, Telling(DONE, "working <n1.1@example.com>", key="n1", version=2))
    box.refusals[BOB] = 550
    with capture_logs() as more:
        assert mail.deliver(Telling(DONE, handle, key="n1", version=2)) == "done <n1.1@example.com>"
    assert [(entry["event"], entry["count"]) for entry in logs + more] == [("recipients_refused", 1)] * 2
    assert box.recipients == [[ANN], [ANN]]


def test_whoever_waits_is_told_the_newest(smtp_server: SmtpServer) -> None:
    """What goes on is mailed to whom has heard nothing yet, and a turn to everybody."""
    mail, box = mail_through(smtp_server), smtp_server.mailbox
    box.refusals[BOB] = 450
    handle = not_told(mail, Telling(WORKING, key="n1"))
    box.refusals.clear()
    handle = mail.deliver(Telling(replace(WORKING, title="more"), handle, key="n1", version=2))
    mail.deliver(Telling(DONE, handle, key="n1", version=3))
    assert box.recipients == [[ANN], [BOB], [ANN, BOB]]
    assert box.mails[1]["Subject"] == "[Sight] more"
    box.refusals[BOB] = 450
    handle = not_told(mail, Telling(WORKING, key="n2"))
    box.refusals.clear()
    mail.deliver(Telling(DONE, handle, key="n2", version=2))
    assert box.recipients[3:] == [[ANN], [ANN, BOB]]


def test_a_server_that_hangs_up_in_between_leaves_nobody_out(smtp_server: SmtpServer) -> None:
    """Whom it was not asked for waits with the one it hung up on; what it took for nobody is tried for everybody."""
    mail, box = mail_through(smtp_server, to=("Ann <ann@example.com>", BOB, CAT)), smtp_server.mailbox
    box.refusals[BOB] = 421
    assert not_told(mail, Telling(WORKING, key="n1")) is None
    box.refusals |= {BOB: 450, CAT: 450}
    handle = not_told(mail, Telling(WORKING, key="n1"))
    box.refusals[BOB] = 421
    handle = not_told(mail, Telling(WORKING, handle, key="n1"))
    box.faults.append("drop")
    assert not_told(mail, Telling(WORKING, handle, key="n1")) is None
    box.refusals.clear()
    mail.deliver(Telling(WORKING, handle, key="n1"))
    assert box.recipients == [[ANN], [BOB, CAT]]


def test_whoever_is_not_to_be_mailed_any_more_is_not_waited_for(smtp_server: SmtpServer) -> None:
    """The settings say who is mailed, also to whom has been waiting."""
    smtp_server.mailbox.refusals[BOB] = 450
    handle = not_told(mail_through(smtp_server), Telling(WORKING, key="n1"))
    mail_through(smtp_server, to=(ANN, CAT)).deliver(Telling(WORKING, handle, key="n1"))
    assert smtp_server.mailbox.recipients == [[ANN]]


def test_a_wrong_password_is_said_and_not_shown(smtp_server: SmtpServer) -> None:
    """The server's words are passed on, the secret is not."""
    with pytest.raises(NotTold, match="535 wrong user or password") as raised:
        mail_through(smtp_server, password="hunter2").deliver(Telling(WORKING))
    assert "hunter2" not in raised.value.detail


def test_a_server_nobody_vouches_for_gets_nothing(smtp_server: SmtpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that is not trusted is not waved through."""
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(NotTold, match="its certificate is not trusted"):
        mail_through(smtp_server).deliver(Telling(WORKING))
    assert smtp_server.mailbox.mails == []


def test_a_server_that_encrypts_nothing_is_used_on_this_machine_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A relay on this machine may; what leaves it is encrypted or not sent."""
    with serving(None) as server:
        url = f"smtp://127.0.0.1:{server.port}"
        Mail(url, sender="sight@example.com", recipients=TO).deliver(Telling(WORKING))
        assert server.mailbox.encrypted == [False]
        monkeypatch.setattr("common.notify.mail.THIS_MACHINE", frozenset())
        with pytest.raises(NotTold, match="it offers no STARTTLS"):
            Mail(url, sender="sight@example.com", recipients=TO).deliver(Telling(WORKING))
        assert len(server.mailbox.mails) == 1


def test_a_server_may_be_encrypted_from_the_start(certificate: Path) -> None:
    """`smtps://` needs no STARTTLS."""
    with serving(certificate, implicit=True) as server:
        mail_through(server, scheme="smtps").deliver(Telling(WORKING))
        assert (server.mailbox.encrypted, server.mailbox.authenticated) == ([True], [True])


def test_nobody_there(smtp_server: SmtpServer) -> None:
    """A server that cannot be reached is a failure like another."""
    smtp_server.close()
    with pytest.raises(NotTold, match="ConnectionRefusedError"):
        mail_through(smtp_server).deliver(Telling(WORKING))
