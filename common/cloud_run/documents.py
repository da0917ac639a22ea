"""Reads the documents of the Cloud Run Admin API v2, which leaves out zeros and writes int64 as strings.

https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from common.cloud_run.port import Revision, Service, Target

LATEST = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"
NAMED = "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION"
SUCCEEDED, FAILED = "CONDITION_SUCCEEDED", "CONDITION_FAILED"
NEVER = datetime.fromtimestamp(0, UTC)


def service_of(document: Mapping[str, Any], revisions: Sequence[Mapping[str, Any]], region: str) -> Service:
    """The service of a `Service` and its `Revision`s, in any order."""
    latest = short(document.get("latestReadyRevision"))
    return Service(
        name=short(document["name"]) or "",
        region=region,
        uri=document.get("uri", ""),
        revisions=tuple(sorted(map(_revision, revisions), key=lambda each: (each.created_at, each.name), reverse=True)),
        traffic=tuple(map(_target, document.get("traffic", ()))),
        statuses=tuple(map(_target, document.get("trafficStatuses", ()))),
        latest_ready=latest,
        reconciling=is_reconciling(document),
        updated_at=_time(document.get("updateTime")),
        last_modifier=document.get("lastModifier", ""),
    )


def is_reconciling(document: Mapping[str, Any]) -> bool:
    """Whether what was asked for of a service is still on its way. Where it failed it is not: `observedGeneration`
    then stays behind for good, until something else is asked for."""
    if document.get("reconciling", False):
        return True
    generation, observed = int(document.get("generation", 0)), int(document.get("observedGeneration", 0))
    return observed < generation and _terminal(document).get("state") != FAILED


def failure_of(document: Mapping[str, Any]) -> str:
    """Why what was asked for of a service last did not come about, empty where it did or still may."""
    terminal = _terminal(document)
    if is_reconciling(document) or terminal.get("state") != FAILED:
        return ""
    return str(terminal.get("message") or terminal.get("reason") or "Cloud Run does not say why")


def target_document(target: Target) -> dict[str, Any]:
    """A `TrafficTarget` to send."""
    document: dict[str, Any] = {"type": LATEST if target.revision is None else NAMED, "percent": target.percent}
    if target.revision is not None:
        document["revision"] = target.revision
    if target.tag:
        document["tag"] = target.tag
    return document


def same_shares(some: Iterable[Target], others: Iterable[Target], latest: str | None) -> bool:
    """Whether both send the same shares to the same revisions, whatever they tag."""
    return _shares(some, latest) == _shares(others, latest)


def same_traffic(some: Sequence[Target], others: Sequence[Target], latest: str | None) -> bool:
    """Whether both send the same shares to the same revisions and tag the same ones, however they are listed."""
    return same_shares(some, others, latest) and tags(some, latest) == tags(others, latest)


def tags(targets: Sequence[Target], latest: str | None) -> dict[str, str | None]:
    """The revision of each tag."""
    return {target.tag: target.revision or latest for target in targets if target.tag}


def short(name: str | None) -> str | None:
    """The last part of a resource name."""
    return name.rpartition("/")[2] if name else None


def _shares(targets: Iterable[Target], latest: str | None) -> dict[str | None, int]:
    shares: dict[str | None, int] = {}
    for target in targets:
        if target.percent:
            name = target.revision or latest
            shares[name] = shares.get(name, 0) + target.percent
    return shares


def _revision(document: Mapping[str, Any]) -> Revision:
    ready: Mapping[str, Any] = next(
        (each for each in document.get("conditions", ()) if each.get("type") == "Ready"), {}
    )
    containers = document.get("containers") or [{}]
    return Revision(
        name=short(document["name"]) or "",
        created_at=_time(document.get("createTime")),
        ready=ready.get("state") == SUCCEEDED,
        image=containers[0].get("image", ""),
        reason=ready.get("message", ""),
    )


def _terminal(document: Mapping[str, Any]) -> Mapping[str, Any]:
    return document.get("terminalCondition") or {}


def _target(document: Mapping[str, Any]) -> Target:
    return Target(
        revision=short(document.get("revision")),
        percent=int(document.get("percent", 0)),
        tag=document.get("tag") or None,
        uri=document.get("uri", ""),
    )


def _time(value: str | None) -> datetime:
    """RFC 3339 with up to nine digits of a second, of which six are kept."""
    if not value:
        return NEVER
    whole, dot, rest = value.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{whole}{dot}{rest[:6]}" if dot else whole).replace(tzinfo=UTC)
