"""Decides what to do about an alert: a pure function of the alert and of what is known."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from common.releases.alerts import VERSION
from common.releases.models import Decision

if TYPE_CHECKING:
    from common.cloud_run.port import Revision, Service
    from common.releases.models import Alert, Evidence, History, Policy

FROM_USERS = frozenset({"errors", "latency", "other"})
"""Kinds of alerts that users' requests raise, and that so need enough of them. Probes and crashes need no users."""


def decide(
    alert: Alert, service: Service | None, history: History, evidence: Evidence, policy: Policy | None, now: datetime
) -> Decision:
    """What to do, and why in words. Total: there is a decision for whatever is given.

    The rules are in order, the first that holds decides. A rollback goes to the newest revision that is older than
    the one at fault, is ready, was promoted before and never failed.
    """
    refused = _not_ours(alert, history, policy)
    if refused is not None:
        return refused
    assert policy is not None
    if service is None:
        return Decision("notify", "service_not_found", f"Cloud Run has no service {alert.service} in {alert.region}")
    source = accused(alert, service)
    if source is None or source.name not in service.serving:
        return _not_serving(alert, source, history)
    last = _latest(*history.rolled_back_at, history.taken_back_at, history.sent_back_at)
    if alert.revision is None and alert.started_at is not None and last is not None and alert.started_at <= last:
        reason = f"it began before users were last sent back, which was {_ago(now - last)}, and names no revision"
        return Decision("none", "already_rolled_back", reason)
    return _about(source, alert, service, history, evidence, policy, now)


def accused(alert: Alert, service: Service) -> Revision | None:
    """The revision an alert is about: the one it names, else the newest that serves."""
    if alert.revision is not None:
        return service.by_name.get(alert.revision)
    return next((revision for revision in service.revisions if revision.name in service.serving), None)


def successor(source: Revision, service: Service, history: History) -> Revision | None:
    """The newest revision that is older than `source`, is ready, was promoted before and never failed; None where
    there is none. One that was never promoted has proved nothing, however good it looks."""
    for revision in service.revisions:
        older = (revision.created_at, revision.name) < (source.created_at, source.name)
        proved = revision.name in history.promoted and revision.name not in history.failed
        if older and revision.ready and proved:
            return revision
    return None


def _not_ours(alert: Alert, history: History, policy: Policy | None) -> Decision | None:
    if alert.version != VERSION:
        return Decision(
            "notify", "unknown_version", f"a notification of version {alert.version!r}, which is never acted on"
        )
    if alert.state == "closed" or alert.incident_id in history.closed:
        return Decision("none", "closed", "the incident is closed")
    if alert.incident_id in history.acted_on:
        return Decision("none", "already_acted", "this incident was acted on before")
    if not alert.opted_in:
        return Decision("none", "not_opted_in", 'the alert policy has no label sight_rollback: "true"')
    if alert.service is None or alert.region is None:
        return Decision("notify", "no_service", "the alert says neither by its resource nor by labels what it is about")
    if policy is None:
        return Decision("notify", "not_allowlisted", f"{alert.service} is not among the services to roll back")
    if history.paused or not policy.automatic:
        return Decision("notify", "paused", f"automation is paused for {alert.service}")
    return None


def _not_serving(alert: Alert, source: Revision | None, history: History) -> Decision:
    if source is None:
        return Decision("notify", "unknown_revision", f"there is no revision {alert.revision or 'that serves'}")
    if source.name in history.failed:
        return Decision("none", "already_rolled_back", f"{source.name} was taken back already", source.name)
    return Decision("none", "not_serving", f"{source.name} gets no traffic any more", source.name)


def _about(
    source: Revision,
    alert: Alert,
    service: Service,
    history: History,
    evidence: Evidence,
    policy: Policy,
    now: datetime,
) -> Decision:
    def notify(code: str, reason: str) -> Decision:
        return Decision("notify", code, reason, source.name)

    by_hand = history.moved_by_hand_at
    if by_hand is not None and now - by_hand < timedelta(seconds=policy.hand_seconds):
        return notify("moved_by_hand", f"somebody moved the traffic by hand {_ago(now - by_hand)}: it is left to them")
    since, what = _blamed_since(source, history)
    if now - since > timedelta(seconds=policy.blame_seconds):
        return notify("too_old", f"{source.name} {what} {_ago(now - since)}: the cause is something else")
    last = _latest(*history.rolled_back_at, history.taken_back_at)
    if last is not None and now - last < timedelta(seconds=policy.cooldown_seconds):
        return notify("cooling_down", f"the last rollback was {_ago(now - last)}: a human should look first")
    day = [at for at in history.rolled_back_at if now - at < timedelta(days=1)]
    if len(day) >= policy.max_rollbacks_per_day:
        return notify("too_many", f"{len(day)} rollbacks within a day: a human should look first")
    target = successor(source, service, history)
    if target is None:
        return notify("no_target", f"no older revision than {source.name} is ready, was promoted and never failed")
    if evidence.others_fail_too:
        return notify("dependency", f"{target.name} would fail as well: {evidence.detail or 'a dependency is down'}")
    if alert.kind in FROM_USERS:
        if evidence.requests is None:
            return notify("volume_unknown", "how many requests there were could not be learnt")
        if evidence.requests < policy.min_requests:
            span = policy.window_seconds + policy.lag_seconds
            return notify(
                "too_little_traffic",
                f"{evidence.requests} requests in {span:.0f} s are too few to judge (at least {policy.min_requests})",
            )
    return Decision(
        "roll_back",
        "rolled_back",
        f"{_complaint(alert)} on {source.name}; {target.name} served well before"
        + (f"; {evidence.detail}" if evidence.detail else ""),
        source=source.name,
        target=target.name,
        dry_run=policy.dry_run,
    )


def _blamed_since(source: Revision, history: History) -> tuple[datetime, str]:
    """From when on a revision can be the cause of what begins, and in words what happened then. One on its way has
    had users for no longer than its release, however long ago it was deployed, or promoted if it is released again."""
    known = [
        (when[source.name], what)
        for when, what in ((history.released, "began to be released"), (history.promoted, "got all the traffic"))
        if source.name in when
    ]
    return max(known, default=(source.created_at, "was deployed"))


def _latest(*times: datetime | None) -> datetime | None:
    return max((at for at in times if at is not None), default=None)


def _complaint(alert: Alert) -> str:
    what = {"errors": "too many errors", "latency": "too slow", "crashes": "instances crash", "health": "unhealthy"}
    said = what.get(alert.kind, alert.condition or "an alert")
    if alert.observed is None or alert.threshold is None:
        return said
    return f"{said} ({alert.observed:g} where {alert.threshold:g} is allowed)"


def _ago(elapsed: timedelta) -> str:
    seconds = max(0, int(elapsed.total_seconds()))
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit} ago"
    return f"{seconds} seconds ago"
