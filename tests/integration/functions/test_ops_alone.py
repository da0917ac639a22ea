"""Tests of `/ops/` on a machine that has no Cloud Run."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine

from common import bootstrap
from tests.fakes.bus import ListBus
from tests.fixtures.api import serve, services_on


@pytest.mark.parametrize("path", ["rollback", "promote"])
def test_what_needs_cloud_run_says_how_to_have_one(
    engine: Engine, bus: ListBus, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """A problem like any other, with what to set; what needs none is answered."""
    services = services_on(engine, bus)
    services.__dict__.update(_hasty_engine=engine, _hasty_bus=bus)
    monkeypatch.setattr(bootstrap, "services", lambda: services)
    client = serve("rollback").test_client()
    body = {"service": "api", "revision": "api-1", "reason": "x", "by": "ann"}
    response: Any = client.post(f"/ops/{path}", json=body)
    assert (response.status_code, response.json["code"]) == (501, "no_cloud_run")
    assert response.content_type == "application/problem+json"
    assert "GOOGLE_CLOUD_PROJECT" in response.json["detail"]
    assert "SIGHT_CLOUD_RUN_ENDPOINT" in response.json["detail"]
    assert client.get("/ops/releases").json == {"items": []}
