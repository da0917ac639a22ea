"""Reads the notifications that Cloud Monitoring publishes on Pub/Sub, whatever is missing from them.

The schema is that of notification channels, version 1.2
(https://cloud.google.com/monitoring/support/notification-options#schema-pubsub). Values are strings, and prose once
an incident closes; conditions in MQL, PromQL or on logs have no threshold; what a policy does not have is left out.
Resources of several series have no labels, and uptime checks those of a host: the service and its region are then
the policy's labels `service` and `region`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from common.releases.models import Alert, AlertKind

VERSION = "1.2"
"""The only version that is acted on."""

UNREADABLE = "unreadable"
"""The version of what is no notification at all."""

KINDS: Mapping[str, AlertKind] = {"errors": "errors", "latency": "latency", "crashes": "crashes", "health": "health"}
METRICS: Mapping[str, AlertKind] = {
    "run.googleapis.com/request_count": "errors",
    "run.googleapis.com/request_latencies": "latency",
    "logging.googleapis.com/user/sight_instance_crashes": "crashes",
    "monitoring.googleapis.com/uptime_check/check_passed": "health",
}
METRIC_IN_FILTER = re.compile(r'metric\.type\s*=\s*"([^"]+)"')
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""What Cloud Run lets services, revisions and regions be called (RFC 1035). Anything else is the name of none."""

MAX_TEXT = 2000
MAX_ID = 200
FURTHEST_SECONDS = 4_102_444_800
"""The year 2100: what claims to begin later has no time at all."""


def read(data: bytes) -> tuple[Alert, dict[str, Any]]:
    """The alert in a message and the message as JSON. Never raises: what cannot be read is an alert of the version
    `unreadable`, recognised again by its content."""
    try:
        document = _storable(json.loads(data))
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        return _unreadable(data), {"unreadable": data[:MAX_TEXT].decode(errors="replace").replace("\x00", "�")}
    incident = _mapping(document.get("incident"))
    incident_id = _text(incident.get("incident_id"))
    if not incident_id or len(incident_id) > MAX_ID:
        return _unreadable(data), document
    return _alert(_text(document.get("version")), incident_id, incident), document


def _alert(version: str, incident_id: str, incident: Mapping[str, Any]) -> Alert:
    labels = {name: _text(value) for name, value in _mapping(incident.get("policy_user_labels")).items()}
    resource = {k: _text(v) for k, v in _mapping(_mapping(incident.get("resource")).get("labels")).items()}
    metric = _text(_mapping(incident.get("metric")).get("type")) or _metric_in(_mapping(incident.get("condition")))
    return Alert(
        incident_id=incident_id,
        version=version,
        state="closed" if _text(incident.get("state")).lower() == "closed" else "open",
        kind=KINDS.get(labels.get("sight_kind", "")) or METRICS.get(metric, "other"),
        service=_name(resource.get("service_name")) or _name(labels.get("service")),
        region=_name(resource.get("location")) or _name(labels.get("region")),
        revision=resource.get("revision_name") or None,
        opted_in=labels.get("sight_rollback") == "true",
        policy=_text(incident.get("policy_name")),
        condition=_text(incident.get("condition_name")),
        severity=_text(incident.get("severity")),
        summary=_text(incident.get("summary")),
        url=_text(incident.get("url")),
        observed=_number(incident.get("observed_value")),
        threshold=_number(incident.get("threshold_value")),
        started_at=_time(incident.get("started_at")),
        ended_at=_time(incident.get("ended_at")),
        labels=labels,
    )


def _unreadable(data: bytes) -> Alert:
    digest = hashlib.sha256(data).hexdigest()[:24]
    return Alert(
        incident_id=f"{UNREADABLE}-{digest}",
        version=UNREADABLE,
        state="open",
        kind="other",
        service=None,
        region=None,
        revision=None,
        opted_in=False,
        summary="a message on the topic of alerts that is no notification of Cloud Monitoring",
    )


def _metric_in(condition: Mapping[str, Any]) -> str:
    """The metric of a condition that has a filter."""
    for each in condition.values():
        found = METRIC_IN_FILTER.search(_text(_mapping(each).get("filter")))
        if found:
            return found[1]
    return ""


def _name(value: str | None) -> str | None:
    return value if value and NAME.fullmatch(value) else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return str(value)[:MAX_TEXT] if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _number(value: Any) -> float | None:
    """The number a value is, None for prose, for what is missing and for what is not finite."""
    try:
        number = float(_text(value))
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None


def _time(value: Any) -> datetime | None:
    seconds = _number(value)
    return datetime.fromtimestamp(seconds, UTC) if seconds and 0 < seconds < FURTHEST_SECONDS else None


def _storable(value: Any) -> Any:
    """The document without what JSON may spell and Postgres keeps nowhere: NUL, half a surrogate pair, NaN."""
    if isinstance(value, str):
        return value.replace("\x00", "�").encode(errors="replace").decode()
    if isinstance(value, dict):
        return {_storable(name): _storable(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_storable(each) for each in value]
    if isinstance(value, float) and not abs(value) < float("inf"):
        return None
    return value
