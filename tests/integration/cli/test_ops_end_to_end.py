"""Tests of `sight ops` against the function it talks to, on a fake Cloud Run and real Postgres."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine
from structlog.testing import capture_logs
from werkzeug.serving import make_server

from cli.main import main
from common import bootstrap
from common.cloud_run.rest import CloudRunRest
from tests.fakes.bus import ListBus
from tests.fakes.cloud_run.server import CloudRunServer
from tests.fakes.cloud_run.world import NAMED, World
from tests.fixtures.api import serve, services_on

REGION = "europe-central2"
GOOD, BAD = "api-1", "api-2"
Sight = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def address(
    engine: Engine, bus: ListBus, cloud_run_server: CloudRunServer, world: World, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Where the function is, on a Cloud Run whose second revision was released after the first."""
    now = time.time()
    world.deploy("api", GOOD, created=now - 7200)
    world.deploy("api", BAD, created=now - 3600, no_traffic=True)
    world.set_traffic(
        "api",
        [
            {"type": NAMED, "revision": BAD, "percent": 100},
            {"type": NAMED, "revision": BAD, "tag": "stable"},
            {"type": NAMED, "revision": GOOD, "tag": "previous"},
        ],
    )
    services = services_on(
        engine,
        bus,
        api_key=SecretStr("secret"),
        cloud_run_endpoint=cloud_run_server.url,
        monitoring_endpoint=cloud_run_server.url,
        release_policies={"api": {}},
    )
    services.__dict__.update(_hasty_engine=engine, _hasty_bus=bus)
    monkeypatch.setattr(bootstrap, "services", lambda: services)
    server = make_server("127.0.0.1", 0, serve("rollback"), threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def sight(address: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Sight:
    """Runs a command and returns its exit code, its JSON and its messages."""
    monkeypatch.setenv("SIGHT_OPS_URL", address)
    monkeypatch.setenv("SIGHT_API_KEY", "secret")
    monkeypatch.setenv("SIGHT_OPS_BY", "ann")
    monkeypatch.delenv("SIGHT_REGION", raising=False)

    def run(*arguments: str) -> tuple[int, Any, str]:
        capsys.readouterr()
        with capture_logs():  # the function's, which would go to the same place here
            code = main(["ops", *arguments, "--json"])
        out, err = capsys.readouterr()
        return code, json.loads(out) if out else None, err

    return run


@pytest.fixture
def serving(cloud_run_server: CloudRunServer) -> Callable[[], dict[str, int]]:
    """Tells where the traffic is."""
    return lambda: dict(CloudRunRest("sight-local", endpoint=cloud_run_server.url).service("api", REGION).serving)


def test_an_engineer_goes_back_and_forth(sight: Sight, serving: Callable[[], dict[str, int]]) -> None:
    """The traffic goes where the command says, and the timeline and the list of releases tell of it."""
    code, moved, err = sight("rollback", "api", "--reason", "checkout is broken")
    assert (code, moved["target"], moved["state"]) == (0, GOOD, "verified"), err
    assert serving() == {GOOD: 100}
    states = {each["revision"]: each["state"] for each in sight("releases", "api")[1]}
    assert states[BAD] == "failed"
    lines = sight("timeline", "api")[1]
    assert any("ann" in line["text"] and "checkout is broken" in line["text"] for line in lines)

    code, _, err = sight("rollback", "api")
    assert (code, serving()) == (1, {GOOD: 100})
    assert "to" in err
    code, _, err = sight("promote", "api", BAD)
    assert code == 1
    assert "failed" in err
    assert sight("promote", "api", BAD, "--force", "--reason", "the alert was wrong")[0] == 0
    assert serving() == {BAD: 100}


def test_an_engineer_pauses_and_resumes(sight: Sight) -> None:
    """What is said is in the timeline."""
    for command, paused in (("pause", True), ("resume", False)):
        code, found, err = sight(command, "api", "--reason", "we look into it")
        assert (code, found) == (0, {"service": "api", "region": REGION, "paused": paused}), err
    assert [line["type"] for line in sight("timeline", "api")[1]] == ["paused", "resumed"]


def test_an_alert_is_tried_without_doing_anything(
    sight: Sight, tmp_path: Path, serving: Callable[[], dict[str, int]]
) -> None:
    """What it would do comes with its reason, also where it is nothing."""
    incident: dict[str, Any] = {
        "incident_id": "0.abc",
        "state": "open",
        "started_at": int(time.time()) - 60,
        "policy_user_labels": {"sight_rollback": "true", "sight_kind": "crashes"},
        "resource": {"labels": {"service_name": "api", "location": REGION, "revision_name": BAD}},
    }
    path = tmp_path / "alert.json"
    path.write_text(json.dumps({"version": "1.2", "incident": incident}))
    code, decision, err = sight("replay", str(path))
    assert (code, decision["action"], decision["target"]) == (0, "roll_back", GOOD), err
    assert serving() == {BAD: 100}
    assert sight("timeline", "api")[1] == []
    code, _, err = sight("replay", "0.unknown")
    assert code == 1
    assert "0.unknown" in err


def test_an_engineer_starts_a_release(sight: Sight, world: World) -> None:
    """Of the revision that has a tag; the same twice is refused with the reason."""
    world.deploy("api", "api-3", no_traffic=True, tag="candidate")
    code, release, err = sight("release", "api", "--tag", "candidate")
    assert (code, release["revision"], release["state"]) == (0, "api-3", "smoke"), err
    assert "api-3" in [each["revision"] for each in sight("releases")[1]]
    assert sight("release", "api", "api-3")[0] == 1


def test_a_wrong_key_is_refused(sight: Sight, monkeypatch: pytest.MonkeyPatch) -> None:
    """As everywhere."""
    monkeypatch.setenv("SIGHT_API_KEY", "wrong")
    code, _, err = sight("releases")
    assert code == 1
    assert "SIGHT_API_KEY" in err
