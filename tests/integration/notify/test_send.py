"""Tests that people are told, once, whatever happens on the way."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from common.notify import store
from common.notify.log import Log
from common.notify.mail import Mail
from common.notify.port import Channel, NotTold, Telling
from common.notify.send import FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS, pause, send
from tests.fakes.slack.server import CHANNEL
from tests.fakes.smtp.server import SmtpServer
from tests.integration.notify.conftest import Desk, message

ANN, BOB = "ann@example.com", "bob@example.com"


def test_people_are_told_on_every_channel(desk: Desk) -> None:
    """Each channel has a notification of its own, and knows afterwards what it sent."""
    desk.tell(message("begun"), channels=("slack", "email"))
    assert desk.send() == 2
    assert (desk.shown(), desk.mailed()) == (["begun"], ["[Sight] begun"])
    rows = desk.sql("SELECT channel, version, sent_version, attempts, lease, error FROM notifications ORDER BY channel")
    assert rows == [("email", 1, 1, 0, None, ""), ("slack", 1, 1, 0, None, "")]


def test_what_goes_on_updates_what_was_said(desk: Desk) -> None:
    """One message on Slack all along, and a mail at the beginning and the end."""
    for told in (message("begun"), message("going on"), message("ended", "done")):
        desk.tell(told, channels=("slack", "email"))
        desk.send()
    assert (desk.shown(), desk.mailed()) == (["ended"], ["[Sight] begun", "[Sight] ended"])
    assert {row.external_id for row in desk.sql("SELECT * FROM notifications WHERE channel = 'slack'")} == {
        f"{CHANNEL}:{desk.workspace.messages[0]['ts']}"
    }


def test_to_tell_the_same_again_changes_nothing(desk: Desk) -> None:
    """A record written twice is told once."""
    assert len(desk.tell(message("begun"))) == 1
    assert desk.tell(message("begun")) == []
    assert desk.row().version == 1


def test_what_cannot_be_stored_is_told_without_it(desk: Desk) -> None:
    """An alert may hold a NUL, which Postgres refuses."""
    desk.tell(message("be\x00gun"))
    desk.send()
    assert desk.shown() == ["be\ufffdgun"]


def test_a_request_that_comes_again_is_no_second_message(desk: Desk) -> None:
    """The bus may deliver twice, and late."""
    (id_,) = desk.tell(message("begun"))
    for _ in range(3):
        send(desk.engine, desk.bus, desk.channels, id_)
    assert len(desk.workspace.calls) == 1


def test_a_notification_that_is_not_there_is_nobodys_fault(desk: Desk) -> None:
    """Nothing is sent and nothing fails."""
    send(desk.engine, desk.bus, desk.channels, uuid4())
    assert desk.workspace.calls == []


@dataclass
class Gate:
    """A channel that waits in the middle of telling, and another behind it."""

    channel: Channel
    reached: threading.Event
    open: threading.Event

    def deliver(self, telling: Telling) -> str:
        """Tells once the gate is open."""
        self.reached.set()
        assert self.open.wait(30)
        return self.channel.deliver(telling)


def test_two_senders_racing_post_once_and_leave_nothing_out(desk: Desk) -> None:
    """Whoever comes second leaves it to the first, who tells what came up meanwhile as well."""
    gate = Gate(desk.channels["slack"], threading.Event(), threading.Event())
    (id_,) = desk.tell(message("begun"))
    first = threading.Thread(target=send, args=(desk.engine, desk.bus, {"slack": gate}, id_))
    first.start()
    assert gate.reached.wait(30)
    desk.tell(message("ended", "done"))
    send(desk.engine, desk.bus, desk.channels, id_)
    assert desk.workspace.calls == []
    gate.open.set()
    first.join()
    assert [method for method, _ in desk.workspace.calls] == ["chat.postMessage", "chat.update"]
    assert desk.shown() == ["ended"]


def test_many_senders_at_once_post_once(desk: Desk) -> None:
    """However many deliveries there are at the same moment."""
    (id_,) = desk.tell(message("begun"))
    threads = [threading.Thread(target=send, args=(desk.engine, desk.bus, desk.channels, id_)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(desk.workspace.messages) == 1


def test_slack_is_given_the_time_it_asks_for(desk: Desk) -> None:
    """After a 429 nobody tries before Retry-After is over, and somebody does then."""
    desk.workspace.faults.append("429")
    desk.workspace.retry_after = 30
    (id_,) = desk.tell(message("begun"))
    desk.send()
    assert (desk.row().error, desk.row().attempts) == ("Slack asks to wait", 1)
    assert 30 <= desk.bus.delays[-1] < 31
    assert desk.asked() == [id_]
    send(desk.engine, desk.bus, desk.channels, id_)
    assert len(desk.workspace.calls) == 1
    desk.later(31)
    send(desk.engine, desk.bus, desk.channels, id_)
    assert desk.shown() == ["begun"]
    assert (desk.row().error, desk.row().attempts) == ("", 0)


def test_a_channel_that_is_down_for_long_is_tried_until_it_is_back(desk: Desk) -> None:
    """Each failure is recorded with its reason and asked for again, ever later."""
    desk.workspace.faults += ["token_revoked", "500", "drop", "html", "500", "500"]
    desk.tell(message("begun"))
    attempts = 0
    while desk.send():
        attempts += 1
        desk.later()
    assert attempts == 7
    assert desk.shown() == ["begun"]
    assert desk.bus.delays[1:] == sorted(desk.bus.delays[1:])


@pytest.fixture
def two(desk: Desk, smtp_server: SmtpServer) -> Desk:
    """A desk that mails two people, one of whom is refused for now."""
    url = f"smtp://127.0.0.1:{smtp_server.port}"
    desk.channels["email"] = Mail(url, sender="sight@example.com", recipients=[ANN, BOB])
    desk.mailbox.refusals[BOB] = 450
    return desk


def test_a_mail_that_was_not_taken_for_everybody_is_tried_for_the_rest(two: Desk) -> None:
    """Until everybody was told the notification is not sent, and nobody is told twice."""
    two.tell(message("begun"), channels=("email",))
    for _ in range(3):
        assert two.send() == 1
        assert (two.row().sent_version, two.row().error != "") == (0, True)
        two.later()
    two.mailbox.refusals.clear()
    two.send()
    assert (two.row().sent_version, two.row().error, two.row().attempts) == (1, "", 0)
    assert two.mailbox.recipients == [[ANN], [BOB]]
    two.tell(message("ended", "done"), channels=("email",))
    two.send()
    assert two.mailbox.recipients[2:] == [[ANN, BOB]]


def test_a_sender_killed_after_it_mailed_some_leaves_nobody_out(two: Desk) -> None:
    """Whoever follows cannot know who has the mail: all get it, and those who had it recognise it."""
    (id_,) = two.tell(message("begun"), channels=("email",))
    with two.engine.begin() as connection:
        held = store.hold(connection, id_)
    assert held is not None
    with pytest.raises(NotTold):
        two.channels["email"].deliver(Telling(held.message, key=str(id_), version=held.version))
    two.mailbox.refusals.clear()
    two.later()
    two.send()
    assert two.mailbox.recipients == [[ANN], [ANN, BOB]]
    assert len({mail["Message-ID"] for mail in two.mailbox.mails}) == 1


def test_news_do_not_wait_for_a_channel_that_was_down(desk: Desk) -> None:
    """What comes up after a failure is tried at once."""
    desk.workspace.faults.append("500")
    desk.tell(message("begun"))
    desk.send()
    desk.asked()
    desk.tell(message("ended", "done"))
    desk.send()
    assert desk.shown() == ["ended"]


def test_a_sender_killed_before_it_told_is_followed_by_another(desk: Desk) -> None:
    """Its lease ends, and the sweep asks again."""
    (id_,) = desk.tell(message("begun"))
    with desk.engine.begin() as connection:
        assert store.hold(connection, id_) is not None
    assert desk.send() == 1
    desk.later(60)
    assert (desk.shown(), desk.sweep()) == ([], 0)
    desk.later()
    assert desk.sweep() == 1
    desk.send()
    assert desk.shown() == ["begun"]


def test_a_sender_killed_after_it_told_is_not_repeated(desk: Desk) -> None:
    """Whoever follows finds the message by its key, and brings it up to date."""
    (id_,) = desk.tell(message("begun"))
    with desk.engine.begin() as connection:
        held = store.hold(connection, id_)
    assert held is not None
    desk.channels["slack"].deliver(Telling(held.message, key=str(id_), version=held.version))
    desk.tell(message("ended", "done"))
    desk.later()
    desk.send()
    assert desk.shown() == ["ended"]
    assert desk.row().external_id == f"{CHANNEL}:{desk.workspace.messages[0]['ts']}"


def test_whoever_lost_the_lease_records_nothing(desk: Desk) -> None:
    """A sender that took too long leaves the row to the one that took over."""
    (id_,) = desk.tell(message("begun"))
    with desk.engine.begin() as connection:
        slow = store.hold(connection, id_)
    assert slow is not None
    desk.later()
    desk.send()
    before = desk.row()
    with desk.engine.begin() as connection:
        assert store.sent(connection, slow, "C0:other") is None
        store.failed(connection, slow, "late", 60)
    assert desk.row() == before


def test_a_bus_that_is_down_costs_time_and_no_notification(desk: Desk) -> None:
    """Neither the first request nor the one after a failure is needed: the sweep asks for what is due."""
    desk.bus.broken = True
    desk.workspace.faults.append("500")
    (id_,) = desk.tell(message("begun"))
    send(desk.engine, desk.bus, desk.channels, id_)
    assert desk.row().sent_version == 0
    desk.bus.broken = False
    assert desk.sweep() == 0
    desk.later()
    assert (desk.sweep(), desk.send()) == (1, 1)
    assert desk.shown() == ["begun"]
    desk.later()
    assert desk.sweep() == 0


def test_a_bug_in_a_channel_loses_nothing_either(desk: Desk) -> None:
    """What nobody thought of is logged with its traceback, recorded and tried again."""

    class Broken:
        def deliver(self, telling: Telling) -> str:
            raise RuntimeError("bug")

    (id_,) = desk.tell(message("begun"))
    with capture_logs() as logs:
        send(desk.engine, desk.bus, {"slack": Broken()}, id_)
    assert [entry["log_level"] for entry in logs] == ["error"]
    assert desk.row().error == "unexpected: RuntimeError"
    desk.later()
    send(desk.engine, desk.bus, desk.channels, id_)
    assert desk.shown() == ["begun"]


def test_a_channel_that_was_taken_down_does_not_pretend(desk: Desk) -> None:
    """Its row says why nobody was told, and stays unsent."""
    (id_,) = desk.tell(message("begun"))
    send(desk.engine, desk.bus, {}, id_)
    assert (desk.row().sent_version, desk.row().error) == (0, "the channel slack is not set up any more")


def test_where_no_channel_is_set_up_the_log_says_so(desk: Desk) -> None:
    """At WARNING, and the row names the log as its channel."""
    (id_,) = desk.tell(message("begun", "trouble"), channels=("log",))
    with capture_logs() as logs:
        send(desk.engine, desk.bus, {"log": Log()}, id_)
    (entry,) = logs
    assert (entry["event"], entry["log_level"], entry["title"]) == ("nobody_told", "warning", "begun")
    assert (desk.row().channel, desk.row().sent_version) == ("log", 1)


@pytest.mark.parametrize(("attempts", "least", "most"), [(1, 1, 2), (3, 4, 8), (50, 150, LONGEST_WAIT_SECONDS)])
def test_waits_double_with_jitter_up_to_a_limit(attempts: int, least: float, most: float) -> None:
    """Senders that failed together do not all come back together."""
    waits = [pause(attempts) for _ in range(200)]
    assert least * FIRST_WAIT_SECONDS <= min(waits) < max(waits) <= most
    assert pause(attempts, 7.0) == 7.0
