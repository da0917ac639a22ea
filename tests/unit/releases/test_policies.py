"""Tests of reading the policies of services."""

from __future__ import annotations

from typing import Any

import pytest

from common.releases import policies
from common.releases.models import Policy


def test_a_policy_says_what_differs() -> None:
    """All else is as it is by default, and a service that is not named has none."""
    found = policies.read({"api": {"min_requests": 5, "cooldown_seconds": 60, "steps": [5, 100]}, "web": {}})
    assert found == {"api": Policy("api", min_requests=5, cooldown_seconds=60.0, steps=(5, 100)), "web": Policy("web")}


def test_a_dry_installation_makes_every_policy_dry() -> None:
    """Whatever the policies say themselves."""
    found = policies.read({"api": {"dry_run": False}, "web": {"dry_run": True}}, dry_run=True)
    assert all(policy.dry_run for policy in found.values())


@pytest.mark.parametrize(
    ("overrides", "names"),
    [
        ({"threshold": 1}, "api.threshold"),
        ({"service": "web"}, "api.service"),
        ({"min_requests": 1.5}, "api.min_requests"),
        ({"min_requests": -1}, "api.min_requests"),
        ({"min_requests": True}, "api.min_requests"),
        ({"min_requests": "20"}, "api.min_requests"),
        ({"cooldown_seconds": float("nan")}, "api.cooldown_seconds"),
        ({"cooldown_seconds": float("inf")}, "api.cooldown_seconds"),
        ({"automatic": "yes"}, "api.automatic"),
        ({"error_share": 5}, "api.error_share"),
        ({"error_share": 0}, "api.error_share"),
        ({"window_seconds": 0}, "api.window_seconds"),
        ({"failed_health_checks": 0}, "api.failed_health_checks"),
        ({"max_holds": 0}, "api.max_holds"),
        ({"steps": []}, "api.steps"),
        ({"steps": [10, 50]}, "api.steps"),
        ({"steps": [50, 10, 100]}, "api.steps"),
        ({"steps": [0, 100]}, "api.steps"),
        ({"steps": [10.5, 100]}, "api.steps"),
        ({"steps": "all"}, "api.steps"),
    ],
)
def test_what_makes_no_sense_is_named(overrides: dict[str, Any], names: str) -> None:
    """Nothing starts with a policy that somebody mistyped."""
    with pytest.raises(ValueError, match=names):
        policies.read({"api": overrides})
