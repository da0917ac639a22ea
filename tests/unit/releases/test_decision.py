"""Tests of what is decided about an alert."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from common.cloud_run.port import Revision, Service, Target
from common.releases.decision import FROM_USERS, accused, decide, successor
from common.releases.models import Alert, Decision, Evidence, History, Policy

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
OLD, GOOD, BAD, NEXT = "api-1", "api-2", "api-3", "api-4"


def ago(**amount: float) -> datetime:
    """A time before now."""
    return NOW - timedelta(**amount)


def revision(name: str, age: timedelta, *, ready: bool = True) -> Revision:
    """A revision created so long ago."""
    return Revision(name, NOW - age, ready)


def service(shares: Mapping[str, int], *revisions: Revision) -> Service:
    """A service with this traffic."""
    targets = tuple(Target(name, percent) for name, percent in shares.items())
    return Service(
        name="api",
        region="europe-central2",
        uri="",
        revisions=tuple(sorted(revisions, key=lambda each: (each.created_at, each.name), reverse=True)),
        traffic=targets,
        statuses=targets,
        latest_ready=None,
        reconciling=False,
        updated_at=ago(hours=1),
        last_modifier="",
    )


ALERT = Alert(
    incident_id="i1",
    version="1.2",
    state="open",
    kind="errors",
    service="api",
    region="europe-central2",
    revision=BAD,
    opted_in=True,
    observed=0.4,
    threshold=0.05,
    started_at=ago(minutes=2),
)
SERVICE = service(
    {BAD: 100},
    revision(OLD, timedelta(days=9)),
    revision(GOOD, timedelta(days=2)),
    revision(BAD, timedelta(hours=1)),
)
PROVED = {OLD: ago(days=9), GOOD: ago(days=2)}
HISTORY = History(known=True, promoted={**PROVED, BAD: ago(hours=1)})
EVIDENCE = Evidence(requests=500, others_fail_too=False, detail="it answers as healthy now")
POLICY = Policy("api")


def decided(**changes: Any) -> Decision:
    """The decision where all is in favour of a rollback, but for what is changed."""
    given_ = {
        "alert": ALERT,
        "service": SERVICE,
        "history": HISTORY,
        "evidence": EVIDENCE,
        "policy": POLICY,
        "now": NOW,
    }
    return decide(**{**given_, **changes})


def test_a_bad_revision_gives_way_to_the_one_before() -> None:
    """Where all rules are kept the newest older revision that was promoted takes over, and the reason says why."""
    assert decided() == Decision(
        "roll_back",
        "rolled_back",
        f"too many errors (0.4 where 0.05 is allowed) on {BAD}; {GOOD} served well before; it answers as healthy now",
        source=BAD,
        target=GOOD,
    )


def test_a_dry_run_decides_the_same_and_says_that_it_is_one() -> None:
    """Whoever carries it out sees that nothing is to be moved."""
    assert decided(policy=replace(POLICY, dry_run=True)) == replace(decided(), dry_run=True)


@pytest.mark.parametrize(
    ("action", "code", "changes"),
    [
        ("notify", "unknown_version", {"alert": replace(ALERT, version="1.3")}),
        ("notify", "unknown_version", {"alert": replace(ALERT, version="test", state="closed")}),
        ("none", "closed", {"alert": replace(ALERT, state="closed")}),
        ("none", "closed", {"history": replace(HISTORY, closed=frozenset({"i1"}))}),
        ("none", "already_acted", {"history": replace(HISTORY, acted_on=frozenset({"i1"}))}),
        ("none", "not_opted_in", {"alert": replace(ALERT, opted_in=False)}),
        ("notify", "no_service", {"alert": replace(ALERT, service=None)}),
        ("notify", "no_service", {"alert": replace(ALERT, region=None)}),
        ("notify", "not_allowlisted", {"policy": None}),
        ("notify", "paused", {"history": replace(HISTORY, paused=True)}),
        ("notify", "paused", {"policy": replace(POLICY, automatic=False)}),
        ("notify", "service_not_found", {"service": None}),
        ("notify", "unknown_revision", {"alert": replace(ALERT, revision="api-99")}),
        ("none", "not_serving", {"alert": replace(ALERT, revision=GOOD)}),
        (
            "none",
            "already_rolled_back",
            {"alert": replace(ALERT, revision=GOOD), "history": replace(HISTORY, failed=frozenset({GOOD}))},
        ),
        (
            "none",
            "already_rolled_back",
            {"alert": replace(ALERT, revision=None), "history": replace(HISTORY, rolled_back_at=(ago(minutes=1),))},
        ),
        (
            "none",
            "already_rolled_back",
            {"alert": replace(ALERT, revision=None), "history": replace(HISTORY, taken_back_at=ago(minutes=1))},
        ),
        (
            "none",
            "already_rolled_back",
            {"alert": replace(ALERT, revision=None), "history": replace(HISTORY, sent_back_at=ago(minutes=1))},
        ),
        ("notify", "moved_by_hand", {"history": replace(HISTORY, moved_by_hand_at=ago(minutes=29))}),
        ("notify", "too_old", {"history": replace(HISTORY, promoted={**HISTORY.promoted, BAD: ago(hours=25)})}),
        ("notify", "too_old", {"history": replace(HISTORY, promoted=PROVED, released={BAD: ago(hours=25)})}),
        ("notify", "cooling_down", {"history": replace(HISTORY, rolled_back_at=(ago(minutes=9),))}),
        ("notify", "cooling_down", {"history": replace(HISTORY, taken_back_at=ago(minutes=9))}),
        ("notify", "too_many", {"history": replace(HISTORY, rolled_back_at=(ago(hours=1),) * 3)}),
        ("notify", "no_target", {"history": replace(HISTORY, promoted={BAD: ago(hours=1)})}),
        ("notify", "no_target", {"history": replace(HISTORY, failed=frozenset({OLD, GOOD}))}),
        ("notify", "no_target", {"history": History(known=False)}),
        ("notify", "dependency", {"evidence": replace(EVIDENCE, others_fail_too=True)}),
        ("notify", "volume_unknown", {"evidence": replace(EVIDENCE, requests=None)}),
        ("notify", "too_little_traffic", {"evidence": replace(EVIDENCE, requests=19)}),
        ("notify", "too_little_traffic", {"evidence": Evidence(requests=0), "alert": replace(ALERT, kind="latency")}),
    ],
)
def test_each_rule_has_a_code_and_a_reason(action: str, code: str, changes: dict[str, Any]) -> None:
    """One thing against it is enough, whatever else is in favour; programs get the code, people the reason."""
    decision = decided(**changes)
    assert (decision.action, decision.code) == (action, code)
    assert len(decision.reason.split()) >= 4
    assert decision.target is None


@pytest.mark.parametrize(
    "changes",
    [
        {"history": replace(HISTORY, moved_by_hand_at=ago(minutes=31))},
        {"history": replace(HISTORY, rolled_back_at=(ago(minutes=11), ago(hours=2)))},
        {"history": replace(HISTORY, rolled_back_at=(ago(hours=25),) * 9)},
        {"history": replace(HISTORY, promoted={**HISTORY.promoted, BAD: ago(hours=23)})},
        {"history": replace(HISTORY, taken_back_at=ago(minutes=11))},
        {"history": replace(HISTORY, sent_back_at=ago(minutes=1))},
        {"alert": replace(ALERT, revision=None), "history": replace(HISTORY, sent_back_at=ago(minutes=3))},
        {"history": replace(HISTORY, promoted={**PROVED, BAD: ago(hours=25)}, released={BAD: ago(minutes=9)})},
        {
            "history": replace(HISTORY, promoted=PROVED, released={BAD: ago(minutes=9)}),
            "service": service({BAD: 100}, *(revision(each, timedelta(days=5)) for each in (OLD, GOOD, BAD))),
        },
        {"history": replace(HISTORY, failed=frozenset({BAD}))},
        {"history": replace(HISTORY, acted_on=frozenset({"i0"}), closed=frozenset({"i0"}))},
        {"history": replace(HISTORY, known=False)},
        {"evidence": Evidence(requests=20)},
        {"evidence": Evidence(), "alert": replace(ALERT, kind="crashes")},
        {"evidence": Evidence(), "alert": replace(ALERT, kind="health")},
        {"alert": replace(ALERT, revision=None)},
        {"alert": replace(ALERT, observed=None, started_at=None)},
    ],
)
def test_what_is_past_or_not_asked_for_stands_in_nobodys_way(changes: dict[str, Any]) -> None:
    """Limits end where they end, and probes and crashes need no users to be believed."""
    decision = decided(**changes)
    assert (decision.action, decision.source, decision.target) == ("roll_back", BAD, GOOD)


def test_a_revision_marked_failed_is_passed_over() -> None:
    """The one before it takes over."""
    assert decided(history=replace(HISTORY, failed=frozenset({GOOD}))).target == OLD


def test_a_revision_that_is_not_ready_is_passed_over() -> None:
    """Ready is a revision's own condition, whatever traffic it gets."""
    ill = service(
        {BAD: 100},
        revision(OLD, timedelta(days=9)),
        revision(GOOD, timedelta(days=2), ready=False),
        revision(BAD, timedelta(hours=1)),
    )
    assert decided(service=ill).target == OLD


def test_a_newer_revision_never_takes_over() -> None:
    """Neither the latest that is ready nor one that was promoted before: what is newer holds what is at fault."""
    more = service({BAD: 100}, *SERVICE.revisions, revision(NEXT, timedelta(minutes=5)))
    history = replace(HISTORY, promoted={**HISTORY.promoted, NEXT: ago(minutes=4)})
    assert decided(service=more, history=history).target == GOOD


def test_a_candidate_gives_way_to_the_stable_one_beside_it() -> None:
    """During a release both serve; the newest is accused where the alert names none."""
    walking = service({BAD: 10, GOOD: 90}, *SERVICE.revisions)
    decision = decided(service=walking, alert=replace(ALERT, revision=None))
    assert (decision.source, decision.target) == (BAD, GOOD)


def test_revisions_made_in_the_same_moment_are_in_the_order_of_their_names() -> None:
    """Two instances never go back and forth between them."""
    twins = service({"api-b": 100}, revision("api-a", timedelta(hours=1)), revision("api-b", timedelta(hours=1)))
    history = replace(HISTORY, promoted={"api-a": ago(hours=1), "api-b": ago(hours=1)})
    assert decided(service=twins, history=history, alert=replace(ALERT, revision="api-b")).target == "api-a"
    assert decided(
        service=service({"api-a": 100}, *twins.revisions), history=history, alert=replace(ALERT, revision="api-a")
    ).code == "no_target"  # fmt: skip


REVISIONS = [f"api-{n}" for n in range(6)]
MOSTLY = st.sampled_from([True] * 7 + [False])
TIMES = st.integers(-60, 60 * 24 * 12).map(lambda minutes: ago(minutes=minutes))
INCIDENTS = st.frozensets(st.sampled_from(["i1", "i2"]))
ODD: Mapping[str, Mapping[str, st.SearchStrategy[Any]]] = {
    "alert": {
        "version": st.sampled_from(["test", "1.3", ""]),
        "state": st.just("closed"),
        "kind": st.sampled_from(["latency", "crashes", "health", "other"]),
        "service": st.none(),
        "region": st.none(),
        "revision": st.sampled_from([*REVISIONS, None]),
        "opted_in": st.just(False),
        "observed": st.none() | st.floats(),
        "threshold": st.none() | st.floats(),
        "started_at": st.none() | TIMES,
    },
    "history": {
        "known": st.just(False),
        "acted_on": INCIDENTS,
        "closed": INCIDENTS,
        "rolled_back_at": st.lists(TIMES, max_size=4).map(tuple),
        "taken_back_at": TIMES,
        "sent_back_at": TIMES,
        "moved_by_hand_at": TIMES,
        "paused": st.just(True),
    },
    "evidence": {
        "requests": st.none() | st.integers(0, 60),
        "others_fail_too": st.sampled_from([None, False, True]),
        "detail": st.just(""),
    },
    "policy": {
        "automatic": st.just(False),
        "dry_run": st.just(True),
        "min_requests": st.integers(0, 1000),
        "cooldown_seconds": st.sampled_from([0.0, 86_400.0]),
        "max_rollbacks_per_day": st.integers(0, 4),
        "blame_seconds": st.sampled_from([0.0, 1e6]),
        "hand_seconds": st.sampled_from([0.0, 86_400.0]),
    },
}
"""What may be other than where all is in favour."""


@dataclass(frozen=True)
class Situation:
    """All that a decision is made from."""

    alert: Alert
    service: Service | None
    history: History
    evidence: Evidence
    policy: Policy | None

    def decide(self) -> Decision:
        """The decision."""
        return decide(self.alert, self.service, self.history, self.evidence, self.policy, NOW)


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    """Where nearly all is in favour, on any service: what is against it is not hidden by something else."""
    names = draw(st.permutations(REVISIONS))[: draw(st.sampled_from([6, 5, 4, 3, 2, 1, 0]))]
    ages = draw(st.lists(st.integers(1, 2000), min_size=len(names), max_size=len(names)))
    revisions = [Revision(n, ago(minutes=age), draw(MOSTLY)) for n, age in zip(names, ages, strict=True)]
    shares = (
        draw(st.dictionaries(st.sampled_from(names), st.sampled_from([100, 10, 0]), min_size=1, max_size=2))
        if names
        else {}
    )
    history = History(
        known=True,
        promoted={each.name: each.created_at for each in revisions if draw(MOSTLY)},
        failed=frozenset(each.name for each in revisions if not draw(MOSTLY)),
        released={each.name: draw(TIMES) for each in revisions if not draw(MOSTLY)},
    )
    alert = replace(ALERT, revision=draw(st.sampled_from([None, *shares])))
    whole: dict[str, Any] = {"alert": alert, "history": history, "evidence": EVIDENCE, "policy": POLICY}
    for part, name in draw(st.sets(st.sampled_from([(p, n) for p, fields in ODD.items() for n in fields]), max_size=3)):
        whole[part] = replace(whole[part], **{name: draw(ODD[part][name])})
    found = service(shares, *revisions) if draw(MOSTLY) else None
    policy = whole["policy"] if draw(MOSTLY) else None
    return Situation(whole["alert"], found, whole["history"], whole["evidence"], policy)


@settings(max_examples=300)
@given(situations())
def test_every_decision_keeps_every_rule(at: Situation) -> None:
    """There is a decision for whatever is given, it says why, and one that moves traffic has nothing against it."""
    decision = at.decide()
    event(decision.code)
    assert decision.reason
    assert decision.code
    if decision.action != "roll_back":
        assert decision.target is None
        return
    assert at.service is not None
    assert at.policy is not None
    source, target = at.service.by_name[decision.source or ""], at.service.by_name[decision.target or ""]
    check_target(source, target, at.service, at.history)
    assert at.alert.version == "1.2"
    assert at.alert.state == "open"
    assert at.alert.opted_in
    assert at.alert.incident_id not in at.history.acted_on | at.history.closed
    assert at.alert.revision in (source.name, None)
    assert at.policy.automatic
    assert not at.history.paused
    assert decision.dry_run == at.policy.dry_run
    check_times(source, at.history, at.policy)
    assert not at.evidence.others_fail_too
    if at.alert.kind in FROM_USERS:
        assert at.evidence.requests is not None
        assert at.evidence.requests >= at.policy.min_requests


def check_target(source: Revision, target: Revision, service: Service, history: History) -> None:
    """Fails unless users may be sent from one revision to the other."""
    assert source.name in service.serving
    assert target.name != source.name
    assert target.created_at <= source.created_at
    assert target.ready
    assert target.name in history.promoted
    assert target.name not in history.failed


def check_times(source: Revision, history: History, policy: Policy) -> None:
    """Fails unless enough time has passed since what must not be followed by a rollback, and little since what may."""
    taken_back = [history.taken_back_at] if history.taken_back_at else []
    for at in (*history.rolled_back_at, *taken_back):
        assert NOW - at >= timedelta(seconds=policy.cooldown_seconds)
    assert sum(NOW - at < timedelta(days=1) for at in history.rolled_back_at) < policy.max_rollbacks_per_day
    known = [when[source.name] for when in (history.released, history.promoted) if source.name in when]
    assert NOW - max(known, default=source.created_at) <= timedelta(seconds=policy.blame_seconds)
    if history.moved_by_hand_at is not None:
        assert NOW - history.moved_by_hand_at >= timedelta(seconds=policy.hand_seconds)


@given(situations())
def test_what_was_done_is_never_done_again(at: Situation) -> None:
    """Once it acted, the same incident and any other of the same revision find that it did."""
    first = at.decide()
    if first.action != "roll_back" or at.service is None or first.source is None or first.target is None:
        return
    history = replace(
        at.history, acted_on=at.history.acted_on | {at.alert.incident_id}, failed=at.history.failed | {first.source}
    )
    after = replace(at, service=replace(at.service, statuses=(Target(first.target, 100),)), history=history)
    assert after.decide().action == "none"
    again = replace(after, alert=replace(at.alert, incident_id="i3", revision=first.source)).decide()
    assert (again.action, again.code) == ("none", "already_rolled_back")


@given(situations())
def test_the_successor_is_the_newest_there_is(at: Situation) -> None:
    """No revision between it and the one at fault would do."""
    source = None if at.service is None else accused(at.alert, at.service)
    if at.service is None or source is None:
        return
    target = successor(source, at.service, at.history)
    for each in at.service.revisions:
        would_do = each.ready and each.name in at.history.promoted and each.name not in at.history.failed
        if would_do and (each.created_at, each.name) < (source.created_at, source.name):
            assert target is not None
            assert (each.created_at, each.name) <= (target.created_at, target.name)
