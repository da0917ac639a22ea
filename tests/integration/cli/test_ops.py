"""Tests of `sight ops` against a fake of the function it talks to."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.main import main
from tests.integration.cli.fake_api import FakeApi, Say

Sight = Callable[..., tuple[int, str, str]]

RELEASE = {
    "service": "api",
    "region": "europe-central2",
    "revision": "api-2",
    "state": "walking",
    "percent": 10,
    "reason": "10 % for 5 minutes",
    "created_at": "2026-11-24T10:00:00+00:00",
    "promoted_at": None,
    "finished_at": None,
    "due_at": "2026-11-24T10:05:00+00:00",
}
LINE = {"at": "2026-11-24T10:00:02+00:00", "type": "shifted", "text": "api-1 has all the traffic"}
MOVED = {
    "service": "api",
    "region": "europe-central2",
    "source": "api-2",
    "target": "api-1",
    "state": "verified",
    "detail": "",
    "lines": [LINE],
}
DECISION = {
    "action": "notify",
    "code": "too_little_traffic",
    "reason": "3 requests are too few to judge",
    "source": "api-2",
    "target": None,
    "dry_run": True,
}


@pytest.fixture
def sight(api: FakeApi, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Sight:
    """Runs a command of `sight ops` against the fake and returns its exit code, output and messages."""
    monkeypatch.setattr("cli.client.time.sleep", lambda seconds: None)
    monkeypatch.setenv("SIGHT_URL", api.url)
    monkeypatch.setenv("SIGHT_API_KEY", "secret")
    monkeypatch.setattr("getpass.getuser", lambda: "ann")
    for name in ("SIGHT_OPS_URL", "SIGHT_OPS_BY", "SIGHT_REGION", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(["ops", *arguments])
        return code, *capsys.readouterr()

    return run


def on(api: FakeApi, method: str, path: str, *answers: Say) -> None:
    """Has the fake answer requests for a path under /ops with these in turn."""
    api.on(method, path, *answers)
    api.handlers[method, f"/ops{path}"] = api.handlers.pop((method, f"/api/v1{path}"))


def test_releases_are_listed(api: FakeApi, sight: Sight) -> None:
    """How far each is on its way, with the key of the server, of the service that is named."""
    on(api, "GET", "/releases", Say({"items": [RELEASE]}))
    code, out, _ = sight("releases", "api")
    assert code == 0
    assert "api-2" in out
    assert "walking" in out
    assert api.asked[0].headers["Authorization"] == "Bearer secret"
    assert api.asked[0].query == {"service": "api", "limit": "20"}
    assert json.loads(sight("releases", "--json")[1]) == [RELEASE]


def test_a_list_that_was_cut_says_so(api: FakeApi, sight: Sight) -> None:
    """There may be more than was asked for."""
    on(api, "GET", "/releases", Say({"items": [RELEASE] * 2}))
    assert "--limit shows more" in sight("releases", "-n", "2")[2]


def test_a_timeline_is_shown_to_the_second(api: FakeApi, sight: Sight, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order it happened."""
    on(api, "GET", "/timeline", Say({"items": [LINE | {"incident_id": "0.abc", "revision": None}]}))
    code, out, _ = sight("timeline", "api", "--region", "us-east1")
    assert code == 0
    assert "shifted" in out
    assert "0.abc" in out
    assert ":02 " in out
    assert api.asked[0].query == {"service": "api", "region": "us-east1", "limit": "50"}
    on(api, "GET", "/timeline", Say({"items": []}))
    assert "Nothing is recorded" in sight("timeline", "api")[2]


def test_a_rollback_says_what_it_did(api: FakeApi, sight: Sight) -> None:
    """Where the traffic is now, and each step on the way."""
    on(api, "POST", "/rollback", Say(MOVED))
    code, out, err = sight("rollback", "api", "--reason", "checkout is broken")
    assert (code, out) == (0, "api: all traffic is at api-1\n")
    assert "shifted: api-1 has all the traffic" in err
    assert api.asked[0].body == {
        "service": "api",
        "by": "ann",
        "to": None,
        "reason": "checkout is broken",
        "force": False,
    }
    assert json.loads(sight("rollback", "api", "--json")[1]) == MOVED


def test_a_rollback_may_name_all_there_is(api: FakeApi, sight: Sight) -> None:
    """The revision, the region, who it is, and that it is meant."""
    on(api, "POST", "/rollback", Say(MOVED))
    sight("rollback", "api", "--to", "api-1", "--region", "us-east1", "--by", "bob", "--force", "-m", "x")
    assert api.asked[0].body == {
        "service": "api",
        "region": "us-east1",
        "by": "bob",
        "to": "api-1",
        "reason": "x",
        "force": True,
    }


def test_traffic_that_did_not_go_there_is_a_failure(api: FakeApi, sight: Sight) -> None:
    """The command fails with what the server found."""
    on(
        api,
        "POST",
        "/rollback",
        Say(MOVED | {"state": "failed", "detail": "the traffic of api is 100 % to api-2"}, 502),
    )
    code, _, err = sight("rollback", "api")
    assert code == 1
    assert "the traffic of api is 100 % to api-2" in err


@pytest.mark.parametrize("answer", [Say(drop=True), Say({"detail": "busy"}, 503, {"Retry-After": "1"})])
def test_a_rollback_is_never_sent_twice(api: FakeApi, sight: Sight, answer: Say) -> None:
    """What became of it is not known, and a second one might go back further."""
    on(api, "POST", "/rollback", answer, Say(MOVED))
    assert sight("rollback", "api")[0] in (1, 4)
    assert len(api.asked) == 1


def test_a_revision_is_promoted(api: FakeApi, sight: Sight) -> None:
    """All at once, by name."""
    on(api, "POST", "/promote", Say(MOVED | {"source": None}))
    code, out, _ = sight("promote", "api", "api-1")
    assert (code, out) == (0, "api: all traffic is at api-1\n")
    assert api.asked[0].body["revision"] == "api-1"


def test_a_release_is_aborted(api: FakeApi, sight: Sight) -> None:
    """With a reason and a name."""
    on(api, "POST", "/abort", Say(RELEASE | {"state": "replaced", "reason": "ann ended it: wrong branch"}))
    code, out, _ = sight("abort", "api", "--reason", "wrong branch")
    assert (code, "replaced" in out, "wrong branch" in out) == (0, True, True)
    assert api.asked[-1].body == {"service": "api", "by": "ann", "reason": "wrong branch"}
    assert json.loads(sight("abort", "api", "--reason", "wrong branch", "--json")[1])["state"] == "replaced"
    assert sight("abort", "api")[0] == 2


def test_a_release_is_started(api: FakeApi, sight: Sight) -> None:
    """By the revision's name or by its tag, and not by both."""
    on(api, "POST", "/release", Say(RELEASE, 202))
    code, out, err = sight("release", "api", "api-2")
    assert code == 0
    assert "walking" in out
    assert "sight ops timeline api" in err
    sight("release", "api", "--tag", "candidate")
    assert [{k: v for k, v in asked.body.items() if k in ("revision", "tag")} for asked in api.asked] == [
        {"revision": "api-2"},
        {"tag": "candidate"},
    ]
    for wrong in ((), ("api-2", "--tag", "candidate")):
        assert sight("release", "api", *wrong)[0] == 2
    assert len(api.asked) == 2


@pytest.mark.parametrize(("command", "paused"), [("pause", True), ("resume", False)])
def test_automation_is_paused_and_resumed_for_a_reason(api: FakeApi, sight: Sight, command: str, paused: bool) -> None:
    """Without one the command is not sent."""
    on(api, "POST", f"/{command}", Say({"service": "api", "region": "r", "paused": paused}))
    assert sight(command, "api")[0] == 2
    code, _, err = sight(command, "api", "--reason", "we look into it")
    assert code == 0
    assert ("is paused" in err) == paused
    assert [asked.body for asked in api.asked] == [{"service": "api", "by": "ann", "reason": "we look into it"}]


def test_an_alert_is_replayed_from_a_file_or_by_its_incident(api: FakeApi, sight: Sight, tmp_path: Path) -> None:
    """What it would have Sight do, and why; the file is sent as it is."""
    notification: dict[str, Any] = {"version": "1.2", "incident": {"incident_id": "0.abc", "started_at": 1764000000}}
    path = tmp_path / "alert.json"
    path.write_text(json.dumps(notification))
    on(api, "POST", "/replay", Say(DECISION))
    code, out, _ = sight("replay", str(path))
    assert code == 0
    assert "leave the traffic, and tell people (too_little_traffic)" in out
    assert "3 requests are too few to judge" in out
    sight("replay", "0.abc")
    assert [asked.body for asked in api.asked] == [{"notification": notification}, {"incident_id": "0.abc"}]
    assert json.loads(sight("replay", "0.abc", "--json")[1]) == DECISION


def test_it_is_asked_where_it_is_said_to_be(
    api: FakeApi, sight: Sight, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """At its own address when that is known: the API may be what is broken."""
    on(api, "GET", "/releases", Say({"items": []}))
    monkeypatch.setenv("SIGHT_URL", "http://127.0.0.1:9")
    code, _, err = sight("releases")
    assert code == 4
    assert "SIGHT_OPS_URL" in err
    assert sight("--url", api.url, "releases")[0] == 0
    monkeypatch.setenv("SIGHT_OPS_URL", api.url)
    assert sight("releases")[0] == 0


def test_known_troubles_come_with_what_to_do(api: FakeApi, sight: Sight) -> None:
    """The server's problem is shown, and a hint."""
    problem = {"code": "nothing_to_roll_back_to", "detail": "no older revision than api-1 is ready"}
    on(api, "POST", "/rollback", Say(problem, 409))
    code, _, err = sight("rollback", "api")
    assert code == 1
    assert "no older revision than api-1 is ready" in err
    assert "--to REVISION" in err


def test_somebody_without_a_name_says_who_they_are(sight: Sight, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container may run as a user who has none."""

    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr("getpass.getuser", nobody)
    code, _, err = sight("rollback", "api")
    assert code == 2
    assert "--by NAME" in err
