"""Tests of who may do what, and of what every answer carries."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fixtures.api import Api, bare_app
from tests.fixtures.eventually import eventually

HEALTH = {"/health", "/health/live", "/health/ready", "/startup"}


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
    for path in set(paths) - {*HEALTH, "/favicon.ico"}:
        for method in ("GET", "POST", "DELETE"):
            with subtests.test(f"{method} {path}"):
                assert guarded.client.open(path, method=method).status_code == 401
    for path in HEALTH:
        assert guarded.ask("GET", path).status_code in (200, 503)
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


def test_no_answer_may_be_sniffed_framed_or_kept(api: Api) -> None:
    """Answers are data for whoever asked, and nothing else."""
    headers = api.get("/projects").headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


def test_the_root_says_where_everything_is(api: Api) -> None:
    """Whoever opens the address finds the documentation."""
    found: Any = api.client.get("/").json
    for name in ("documentation", "openapi"):
        response = api.client.get(found[name])
        assert response.status_code == 200
        response.close()
    eventually(lambda: api.client.get(found["health"]).status_code == 200)
