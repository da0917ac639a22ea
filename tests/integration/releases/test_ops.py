"""What engineers ask the function `rollback` for, as it is served."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask.testing import FlaskClient
from pydantic import SecretStr
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from common import bootstrap
from common.bootstrap import Services
from common.bus.envelope import to_push
from common.bus.port import Delivery
from common.releases import store
from tests.fakes.cloud_run.world import NAMED
from tests.fixtures.api import serve, services_on
from tests.integration.releases.conftest import BAD, GOOD, REGION, RELEASED, Watch, notification


@dataclass
class Ops:
    """A client of the function, and the watch behind it."""

    watch: Watch
    services: Services
    client: FlaskClient

    def post(self, path: str, body: Any = None, **headers: str) -> TestResponse:
        """Posts JSON under /ops."""
        return self.client.post(f"/ops{path}", json=body if body is not None else {}, headers=headers)

    def get(self, path: str, **query: Any) -> Any:
        """The JSON at a path under /ops."""
        response = self.client.get(f"/ops{path}", query_string=query)
        assert response.status_code == 200, response.text
        return response.json

    def alert(self, data: bytes) -> int:
        """Delivers an alert as a push and returns the status."""
        body = to_push(Delivery("1", "sight-alerts-rollback", data, {}))
        return self.client.post("/", data=body).status_code


def ask(**fields: Any) -> dict[str, Any]:
    """What an engineer asks, with what is always said."""
    return {"service": "api", "reason": "checkout is broken", "by": "ada", **fields}


def make(watch: Watch, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> Ops:
    """The function with these settings."""
    services = services_on(
        watch.engine,
        watch.bus,
        cloud_run_endpoint=watch.server.url,
        monitoring_endpoint=watch.server.url,
        release_policies={"api": {}},
        **settings,
    )
    services.__dict__.update(_hasty_engine=watch.engine, _hasty_bus=watch.bus)
    monkeypatch.setattr(bootstrap, "services", lambda: services)
    return Ops(watch, services, serve("rollback").test_client())


@pytest.fixture
def ops(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ops]:
    """The function in development, without a key."""
    watch.world.set_traffic("api", RELEASED)
    found = make(watch, monkeypatch)
    yield found
    found.services.close()


def test_an_engineer_rolls_back(ops: Ops) -> None:
    """To what automation would choose; the record says who and why, and automation leaves the service alone."""
    response = ops.post("/rollback", ask())
    assert response.status_code == 200, response.text
    moved: Any = response.json
    assert (moved["source"], moved["target"], moved["state"]) == (BAD, GOOD, "verified")
    assert [line["type"] for line in moved["lines"]] == ["by_hand", "decided", "shifting", "shifted"]
    assert ops.watch.serving() == {GOOD: 100}
    assert ops.watch.sql("SELECT actor, state FROM traffic_changes") == [("ada", "verified")]
    assert ops.watch.sql("SELECT revision FROM releases WHERE state = 'failed'") == [(BAD,)]
    ops.watch.requests(GOOD)
    assert ops.watch.answer(notification(revision=GOOD)).code == "moved_by_hand"
    assert [line["type"] for line in ops.get("/timeline", service="api")["items"]][:4] == [
        "by_hand",
        "decided",
        "shifting",
        "shifted",
    ]


def test_an_engineer_who_comes_second_is_asked_where_to(ops: Ops) -> None:
    """The traffic has just moved: another step back is hardly what was meant, unless it is said."""
    ops.watch.world.deploy("api", "api-0", created=1_700_000_000, no_traffic=True)
    with ops.watch.engine.begin() as connection:
        store.mark_promoted(connection, "api", REGION, "api-0", "test")
    assert ops.alert(notification()) == 204
    response = ops.post("/rollback", ask())
    assert response.status_code == 422
    problem: Any = response.json
    assert problem["errors"][0]["field"] == "to"
    assert GOOD in problem["detail"]
    assert ops.post("/rollback", ask(to="api-0")).status_code == 200
    assert ops.watch.serving() == {"api-0": 100}


def test_an_engineer_promotes(ops: Ops) -> None:
    """All traffic goes there, the tags remember it, and it is one to go back to from then on."""
    ops.watch.world.deploy("api", "api-3", no_traffic=True)
    response = ops.post("/promote", ask(revision="api-3"))
    assert response.status_code == 200, response.text
    assert ops.watch.serving() == {"api-3": 100}
    tags = {target["tag"]: target["revision"] for target in ops.watch.world.patches[-1]["traffic"] if "tag" in target}
    assert tags == {"stable": "api-3", "previous": BAD}
    states = {row.revision: row.state for row in ops.watch.sql("SELECT revision, state FROM releases")}
    assert states == {GOOD: "promoted", BAD: "promoted", "api-3": "promoted"}


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("/rollback", {}, "service"),
    ("/rollback", ask(service="../x"), "service"),
    ("/rollback", ask(region="a/b"), "region"),
    ("/rollback", ask(reason=""), "reason"),
    ("/rollback", ask(reason="x" * 501), "reason"),
    ("/rollback", ask(reason="\x00"), "reason"),
    ("/rollback", ask(by=""), "by"),
    ("/rollback", ask(by="rollback"), "by"),
    ("/rollback", ask(to="api-99"), "to"),
    ("/rollback", ask(to=BAD), "to"),
    ("/rollback", ask(to="api-ill"), "to"),
    ("/rollback", ask(force="yes"), "force"),
    ("/promote", ask(), "revision"),
    ("/promote", ask(revision="api-ill"), "revision"),
    ("/pause", ask(reason=None), "reason"),
    ("/release", ask(), "revision"),
    ("/release", ask(revision="api-1", tag="x"), "revision"),
    ("/abort", ask(reason=None), "reason"),
    ("/replay", {}, "incident_id"),
]
"""What is asked for at a path, and the field that is wrong with it."""


def test_what_is_wrong_is_named(ops: Ops) -> None:
    """Nothing is moved, and the problem says which field and why."""
    ops.watch.world.deploy("api", "api-ill", created=1_700_000_000, ready=False, message="no image", no_traffic=True)
    for path, body, field in WRONG:
        response = ops.post(path, body)
        assert (response.status_code, response.mimetype) == (422, "application/problem+json"), (path, body)
        problem: Any = response.json
        assert [error["field"] for error in problem["errors"]] == [field], (path, body)
        assert problem["code"] == "invalid_input"
    assert ops.watch.world.patches == []


def test_a_failed_revision_takes_force(ops: Ops) -> None:
    """An engineer may know better than the mark, and has to say so."""
    ops.post("/rollback", ask())
    refused: Any = ops.post("/promote", ask(revision=BAD)).json
    assert "marked failed" in refused["detail"]
    assert ops.post("/promote", ask(revision=BAD, force=True)).status_code == 200
    assert ops.watch.serving() == {BAD: 100}
    assert ops.watch.sql("SELECT state FROM releases WHERE revision = :r", r=BAD) == [("failed",)]


def test_there_may_be_nothing_to_roll_back_to(ops: Ops) -> None:
    """A conflict, in words."""
    ops.watch.world.set_traffic("api", [{"type": NAMED, "revision": GOOD, "percent": 100}])
    response = ops.post("/rollback", ask())
    problem: Any = response.json
    assert (response.status_code, problem["code"]) == (409, "nothing_to_roll_back_to")
    assert ops.post("/rollback", ask(service="nowhere")).status_code == 404


def test_traffic_that_does_not_go_there_is_said(ops: Ops) -> None:
    """502, with where it is instead."""
    ops.watch.world.faults.failed_operations = 1
    response = ops.post("/rollback", ask())
    moved: Any = response.json
    assert (response.status_code, moved["state"]) == (502, "failed")
    assert "100 % to api-2" in moved["detail"]


def test_paused_automation_tells_and_does_nothing(ops: Ops) -> None:
    """Until it is resumed; both are in the timeline."""
    assert ops.post("/pause", ask()).json == {"service": "api", "region": REGION, "paused": True}
    ops.alert(notification())
    assert ops.watch.serving() == {BAD: 100}
    assert ops.watch.sql("SELECT code FROM incidents") == [("paused",)]
    ops.post("/resume", ask())
    ops.alert(notification())
    assert ops.watch.serving() == {GOOD: 100}
    types = [line["type"] for line in ops.get("/timeline", service="api")["items"]]
    assert types == ["paused", "alert", "decided", "resumed", "decided", "shifting", "shifted"]


def test_releases_are_listed(ops: Ops) -> None:
    """Of all services or of one, the latest first, as many as asked for."""
    items = ops.get("/releases")["items"]
    assert {item["revision"]: item["state"] for item in items} == {GOOD: "promoted", BAD: "promoted"}
    assert ops.get("/releases", service="web")["items"] == []
    assert len(ops.get("/releases", service="api", region=REGION, limit=1)["items"]) == 1
    assert ops.client.get("/ops/releases?limit=0").status_code == 422


def test_an_alert_is_replayed(ops: Ops) -> None:
    """From a file or from what was recorded; nothing is done either way."""
    decision: Any = ops.post("/replay", {"notification": json.loads(notification())}).json
    assert (decision["action"], decision["target"], decision["dry_run"]) == ("roll_back", GOOD, True)
    assert ops.post("/replay", {"incident_id": "i1"}).status_code == 404
    ops.post("/pause", ask())
    ops.alert(notification())
    paused: Any = ops.post("/replay", {"incident_id": "i1"}).json
    assert paused["code"] == "paused"
    assert ops.watch.world.patches == []
    assert len(ops.watch.sql("SELECT 1 FROM incidents")) == 1


def test_a_release_is_begun(ops: Ops) -> None:
    """A revision without traffic, by name or by tag; one that has it already is refused."""
    ops.watch.world.deploy("api", "api-3", no_traffic=True, tag="candidate")
    response = ops.post("/release", {"service": "api", "by": "ada", "tag": "candidate"})
    assert response.status_code == 202, response.text
    begun: Any = response.json
    assert (begun["revision"], begun["state"]) == ("api-3", "smoke")
    assert ops.post("/release", {"service": "api", "by": "ada", "revision": BAD}).status_code == 409


def test_a_release_is_aborted(ops: Ops) -> None:
    """Its revision is not marked failed; where none is under way that is said."""
    assert ops.post("/abort", ask(reason="wrong branch")).status_code == 409
    ops.watch.world.deploy("api", "api-3", no_traffic=True, tag="candidate")
    ops.post("/release", {"service": "api", "by": "ada", "tag": "candidate"})
    response = ops.post("/abort", ask(reason="wrong branch"))
    assert response.status_code == 200, response.text
    ended: Any = response.json
    assert (ended["revision"], ended["state"], ended["reason"]) == ("api-3", "replaced", "ada ended it: wrong branch")


def test_what_is_not_there_is_said_and_what_cannot_be_read_as_well(ops: Ops) -> None:
    """Problems all the same."""
    for method, path, body, status in (
        ("GET", "/ops/nothing", b"", 404),
        ("POST", "/ops/rollback", b"{", 400),
        ("POST", "/ops/rollback", b"[]", 400),
        ("POST", "/ops/rollback", b"[" * 100_000, 400),
        ("POST", "/ops/rollback", b" " * 1_000_001, 400),
        ("GET", "/ops/rollback", b"", 404),
    ):
        response = ops.client.open(path, method=method, data=body)
        assert (response.status_code, response.mimetype) == (status, "application/problem+json"), path


def test_without_the_key_nothing_is_told_or_done(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is a key it has to be sent, for what is not there as well."""
    guarded = make(watch, monkeypatch, api_key=SecretStr("secret"))
    for path in ("/ops/rollback", "/ops/nothing"):
        for header in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic c2VjcmV0"}):
            response = guarded.client.post(path, json=ask(), headers=header)
            assert response.status_code == 401
            assert response.headers["WWW-Authenticate"] == 'Bearer realm="sight"'
    assert watch.world.patches == []
    assert guarded.post("/rollback", ask(), Authorization="Bearer secret").status_code == 200
    guarded.services.close()


def test_without_the_database_traffic_is_moved_and_the_rest_has_to_wait(
    watch: Watch, no_database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What only the database knows is not to be had; the engineer is told so, and the rollback works."""
    watch.world.set_traffic("api", RELEASED)
    ops = make(watch, monkeypatch)
    ops.services.__dict__.update(_hasty_engine=no_database)
    watch.bus.broken = True
    for path in ("/ops/releases", "/ops/timeline?service=api"):
        response = ops.client.get(path)
        assert response.status_code == 503
        assert response.headers["Retry-After"] == "2"
    assert ops.post("/pause", ask()).status_code == 503
    assert ops.post("/rollback", ask()).status_code == 200
    assert watch.serving() == {GOOD: 100}
    ops.services.close()
