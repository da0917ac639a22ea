"""Decides whether a revision that was deployed is released, and from where it departs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from common.errors import Conflict, Unavailable
from common.releases import store, traffic, walk_store
from common.releases.models import Departure
from common.releases.steps import WALKING

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from common.cloud_run.port import Revision, Service
    from common.releases.events import ReleaseDeployed
    from common.releases.models import Policy

PATIENCE = timedelta(minutes=5)
"""For so long after its deployment a revision may become ready."""


class Refused(Conflict):
    """This revision is not released."""

    code = "release_refused"


class NotReadyYet(Unavailable):
    """The revision, or the service, is not yet as it was deployed."""

    code = "revision_not_ready_yet"


def departure(
    connection: Connection, event: ReleaseDeployed, service: Service, policy: Policy, now: datetime, *, by: str | None
) -> Departure | None:
    """Where a release departs from, None where it is known already. An engineer, `by` name, may do more than an event:
    release an older revision, and one again that was replaced or waits. Raises `Refused` or `NotReadyYet`."""
    if service.reconciling:
        raise NotReadyYet(f"{service.name} is being changed right now", retry_after=5)
    revision = _named(event, service, now)
    failed = traffic.remembered(service, store.history(connection, service.name, service.region, now)).failed
    if revision.name in failed:
        raise Refused(f"{revision.name} is marked failed and is never tried again")
    known = walk_store.find(connection, service.name, service.region, revision.name)
    if known is not None and (known.state in WALKING or by is None):
        return None
    under_way = walk_store.under_way(connection, service.name, service.region)
    as_left = under_way is not None and walk_store.left_by(connection, under_way, service)
    if under_way is not None and as_left and under_way.revision == revision.name and under_way.percent:
        return Departure(revision.name, under_way.previous or "", under_way.percent)
    stable = under_way.previous if under_way is not None and as_left else _alone(service)
    assert stable is not None
    if revision.name in service.serving:
        raise Refused(f"{revision.name} has traffic already; deploy with --no-traffic to have it released")
    if not any(each.revision == revision.name and each.uri for each in service.statuses):
        raise Refused(f"{revision.name} has no tag, and so no address to try it at; deploy with --tag")
    replaces = under_way if under_way is not None and under_way.revision != revision.name else None
    newest = service.by_name.get(replaces.revision if replaces is not None else stable)
    if by is None and newest is not None and revision.created_at < newest.created_at:
        raise Refused(f"{revision.name} is older than {newest.name}")
    if replaces is not None and replaces.percent and policy.dry_run:
        raise Refused(f"dry run: {replaces.revision} has {replaces.percent} % of the traffic and would lose it")
    return Departure(revision.name, stable, replaces=replaces)


def _named(event: ReleaseDeployed, service: Service, now: datetime) -> Revision:
    tagged = service.tagged(event.tag) if event.tag else None
    if event.tag and (tagged is None or (event.revision or tagged.revision) != tagged.revision):
        has = f"is on {tagged.revision}" if tagged else "is on no revision"
        raise Refused(f"the tag {event.tag} of {service.name} {has}")
    name = event.revision or (tagged.revision if tagged else None) or ""
    revision = service.by_name.get(name)
    if revision is None:
        raise Refused(f"{service.name} has no revision {name}")
    if not revision.ready:
        said = f"{revision.name} is not ready: {revision.reason or 'Cloud Run does not say why'}"
        raise NotReadyYet(said, retry_after=5) if now - revision.created_at < PATIENCE else Refused(said)
    return revision


def _alone(service: Service) -> str:
    if len(service.serving) == 1:
        return next(iter(service.serving))
    split = ", ".join(f"{share} % to {name}" for name, share in service.serving.items()) or "nowhere"
    raise Refused(f"the traffic of {service.name} goes {split}: a release begins where one revision has all of it")
