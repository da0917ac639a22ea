"""What people are told of releases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from common.cloud_run.port import Target
from common.releases.events import ReleaseDeployed
from common.releases.models import ReleaseState
from common.releases.record import Change
from common.releases.walk_message import message, refusal
from tests.unit.releases.test_steps import RELEASE

BACK = Change((), (Target("api-1", 100), Target("api-2", 0, "failed-1")))
SHIFT = Change((), (Target("api-1", 90), Target("api-2", 10)))


@pytest.mark.parametrize(
    ("state", "title", "status"),
    [
        ("smoke", "api: api-2 is being tried", "working"),
        ("walking", "api: api-2 has 10 % of the traffic", "working"),
        ("promoted", "api: api-2 is promoted", "done"),
        ("failed", "api: api-2 failed", "trouble"),
        ("replaced", "api: api-2 is no longer released", "information"),
        ("waiting", "api: api-2 waits for you at 10 %", "trouble"),
    ],
)
def test_every_state_has_its_title(state: ReleaseState, title: str, status: str) -> None:
    """And says whether somebody has to do something."""
    found = message(replace(RELEASE, state=state), ["12:00 deployed"], None)
    assert (found.title, found.status, found.lines) == (title, status, ("12:00 deployed",))


@pytest.mark.parametrize(
    ("change", "title"),
    [
        (SHIFT, "api: api-2 failed"),
        (BACK, "api: api-2 failed and is being taken back"),
        (replace(BACK, state="verified"), "api: api-2 failed and was taken back"),
        (replace(BACK, state="failed"), "api: api-2 failed: it is NOT taken back"),
    ],
)
def test_a_failed_release_says_whether_its_users_are_safe(change: Change, title: str) -> None:
    """By the change that takes it back, and by no earlier one."""
    assert message(replace(RELEASE, state="failed", percent=0), [], change).title == title


def test_who_has_to_decide_is_told_how() -> None:
    """With the commands to type."""
    commands = message(replace(RELEASE, state="waiting"), [], None).commands
    assert [command.split()[2] for command in commands] == ["timeline", "promote", "rollback"]


def test_what_is_alarming_is_trouble_though_it_goes_on() -> None:
    """A dependency that is down cannot wait for the end of the release."""
    assert message(RELEASE, [], None, alarming=True).status == "trouble"


def test_a_refusal_names_the_revision_and_the_reason() -> None:
    """Whoever deployed it finds out why nothing happens."""
    found = refusal(ReleaseDeployed(service="api", region="here", tag="candidate"), "it is older than api-3")
    assert found.title == "api: candidate is not released"
    assert found.text == "it is older than api-3"
