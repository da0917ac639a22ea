"""Reads the policies of the services that Sight releases and rolls back from the settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from common.releases.models import Policy


def read(settings: Mapping[str, Mapping[str, Any]], *, dry_run: bool = False) -> dict[str, Policy]:
    """The policy of each service named, which says only what differs from the defaults. `dry_run` makes all of them
    dry. Raises ValueError naming the field."""
    return {service: _policy(service, overrides, dry_run) for service, overrides in settings.items()}


def _policy(service: str, overrides: Mapping[str, Any], dry_run: bool) -> Policy:
    policy = Policy(service)
    known = {field.name: getattr(policy, field.name) for field in fields(policy) if field.name != "service"}
    changes = {name: _checked(f"{service}.{name}", known, name, value) for name, value in overrides.items()}
    found = replace(policy, **changes)
    if not found.steps or list(found.steps) != sorted(set(found.steps)) or found.steps[-1] != 100 or found.steps[0] < 1:
        raise ValueError(f"{service}.steps must rise to 100, such as [10, 50, 100]")
    if not 0 < found.error_share <= 1:
        raise ValueError(f"{service}.error_share must be a share, such as 0.05")
    for name in ("window_seconds", "failed_health_checks", "max_holds"):
        if not getattr(found, name):
            raise ValueError(f"{service}.{name} must be more than 0")
    return replace(found, dry_run=True) if dry_run else found


def _checked(path: str, known: Mapping[str, Any], name: str, value: Any) -> Any:
    if name not in known:
        raise ValueError(f"{path} is no setting of a policy; there are {', '.join(known)}")
    default = known[name]
    if isinstance(default, tuple):
        kind, called = (int, "whole numbers") if isinstance(default[0], int) else (str, "paths")
        if not isinstance(value, list) or not all(type(each) is kind for each in value):
            raise ValueError(f"{path} must be a list of {called}")
        return tuple(value)
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise ValueError(f"{path} must be true or false")
        return value
    whole = isinstance(default, int)
    right = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if not right or not 0 <= value < float("inf"):
        raise ValueError(f"{path} must be a {'whole ' if whole else ''}number of at least 0")
    return value if whole else float(value)
