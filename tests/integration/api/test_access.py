"""Tests of who may do what, of health, and of what every answer carries."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine

from common.database.engine import connect
from tests.fakes.bus import ListBus
from tests.fixtures.api import Api, bare_app, serve, services_on


def test_every_route_but_health_and_the_icon_asks_for_the_key(guarded: Api, subtests: pytest.Subtests) -> None:
    """Whatever route is added later is closed as well, and so is what does not exist."""
    some = {"slug": "poland-adults", "name": "docs.js"}
    paths = ["/api/v1/nowhere"]
    for rule in bare_app().url_map.iter_rules():
        values = {name: some.get(name, "00000000-0000-7000-8000-000000000001") for name in rule.arguments}
        path = rule.rule
        for name, value in values.items():
            path = path.replace(f"<uuid:{name}>", value).replace(f"<string:{name}>", value)
        paths.append(path)
    for path in set(paths) - {"/health", "/favicon.ico"}:
        for method in ("GET", "POST", "DELETE"):
            with subtests.test(f"{method} {path}"):
                assert guarded.client.open(path, method=method).status_code == 401
    assert guarded.ask("GET", "/health").status_code == 200
    with guarded.client.get("/favicon.ico") as icon:
        assert icon.status_code == 200


def test_only_the_key_itself_opens(guarded: Api, subtests: pytest.Subtests) -> None:
    """Anything but the bearer of exactly this key is refused."""
    for sent in (
        "",
        "Bearer",
        "Bearer ",
        "Bearer secre",
        "Bearer secret2",
        "bearer SECRET",
        "Basic OnNlY3JldA==",
        "secret",
    ):
        with subtests.test(sent):
            assert guarded.get("/projects", Authorization=sent).status_code == 401
    assert guarded.get("/projects", Authorization="Bearer secret").status_code == 200


def test_a_browser_may_read_the_documentation_with_the_key_as_password(guarded: Api) -> None:
    """A browser asks its user for the key, and gets the documentation and nothing else for it."""
    basic = {"Authorization": "Basic OnNlY3JldA=="}
    assert 'Basic realm="sight"' in guarded.client.get("/docs").headers.getlist("WWW-Authenticate")
    assert guarded.client.get("/openapi.json", headers=basic).status_code == 200
    assert guarded.client.get("/api/v1/projects", headers=basic).status_code == 401


def test_health_tells_what_answers(api: Api) -> None:
    """Everything answers."""
    found: Any = api.ask("GET", "/health").json
    assert found == {"status": "ok", "revision": "local", "database": "ok", "cache": "ok"}


def test_health_without_a_database_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """503 says what is down and when to look again."""
    nowhere = connect("postgresql://nobody@127.0.0.1:9/none")
    services = services_on(nowhere, ListBus())
    monkeypatch.setattr("common.bootstrap.services", lambda: services)
    api = Api(serve("api").test_client(), services, ListBus())
    response = api.ask("GET", "/health")
    found: Any = response.get_json(force=True)
    assert (response.status_code, found["database"], found["cache"]) == (503, "down", "ok")
    assert response.headers["Retry-After"]
    assert api.get("/projects").status_code == 503


def test_health_without_redis_is_degraded(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache may be lost: the API works on, and says so."""
    services = services_on(engine, ListBus(), REDIS_URL="redis://127.0.0.1:9")
    monkeypatch.setattr("common.bootstrap.services", lambda: services)
    api = Api(serve("api").test_client(), services, ListBus())
    found: Any = api.ask("GET", "/health").json
    assert (found["status"], found["cache"]) == ("degraded", "down")


def test_no_answer_may_be_sniffed_framed_or_kept(api: Api) -> None:
    """Answers are data for whoever asked, and nothing else."""
    headers = api.get("/projects").headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


def test_the_root_says_where_everything_is(api: Api) -> None:
    """Whoever opens the address finds the documentation."""
    found: Any = api.client.get("/").json
    for name in ("documentation", "openapi", "health"):
        response = api.client.get(found[name])
        assert response.status_code == 200
        response.close()
