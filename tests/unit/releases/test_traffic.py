"""Tests of composing traffic, and of what its tags remember."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.cloud_run.documents import same_shares
from common.cloud_run.port import Revision, Service, Target
from common.releases.models import History
from common.releases.traffic import KEPT_FAILED, back_to, failed_tag, instead_tag, promoted, remembered, split

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
A, B, C = "api-1", "api-2", "api-3"
NOTHING = History(known=False)


def service(
    *traffic: Target,
    newest_age: timedelta = timedelta(hours=1),
    changed: timedelta = timedelta(minutes=5),
    modifier: str = "deployer@p.iam.gserviceaccount.com",
) -> Service:
    """A service of three revisions, changed last so long ago."""
    ages = {C: newest_age, B: newest_age + timedelta(days=1), A: newest_age + timedelta(days=2)}
    return Service(
        name="api",
        region="europe-central2",
        uri="",
        revisions=tuple(Revision(name, NOW - age, ready=True) for name, age in ages.items()),
        traffic=traffic,
        statuses=traffic,
        latest_ready=C,
        reconciling=False,
        updated_at=NOW - changed,
        last_modifier=modifier,
    )


def not_ready(before: Service, *names: str) -> Service:
    """The service with some of its revisions not ready."""
    return replace(before, revisions=tuple(replace(each, ready=each.name not in names) for each in before.revisions))


def tags(traffic: list[Target]) -> dict[str, str | None]:
    """Which revision each tag is on."""
    return {target.tag: target.revision for target in traffic if target.tag}


def test_a_rollback_moves_all_and_marks_what_it_did() -> None:
    """The one that takes over is the stable one again, and the one before it no more; the other is marked failed."""
    before = service(Target(C, 100), Target(C, 0, "stable"), Target(B, 0, "previous"))
    wanted = back_to(before, B, C)
    assert [(target.revision, target.percent) for target in wanted if target.percent] == [(B, 100)]
    assert tags(wanted) == {"stable": B, failed_tag(C): C}


def test_what_was_before_the_stable_one_stays_when_a_candidate_goes() -> None:
    """A candidate that fails changes nothing about what was promoted."""
    before = service(Target(C, 10), Target(B, 90), Target(B, 0, "stable"), Target(A, 0, "previous"))
    assert tags(back_to(before, B, C)) == {"stable": B, "previous": A, failed_tag(C): C}


def test_tags_of_others_stay_where_they_are() -> None:
    """Also those on whichever is the latest; only those of revisions that are gone cannot."""
    before = service(
        Target(C, 100, "green"), Target(None, 0, "latest"), Target(A, 0, "blue"), Target("api-0", 0, "old")
    )
    for wanted in (back_to(before, B, C), promoted(before, B, C), split(before, [(B, 50), (C, 50)], B)):
        kept = {tag: on for tag, on in tags(wanted).items() if tag in ("green", "latest", "blue", "old")}
        assert kept == {"green": C, "latest": None, "blue": A}
        assert sum(target.percent for target in wanted) == 100


def test_a_promotion_remembers_two() -> None:
    """The one that has earned it, and the one before; the same twice is none before."""
    before = service(Target(B, 100), Target(B, 0, "stable"), Target(A, 0, "previous"))
    assert tags(promoted(before, C, B)) == {"stable": C, "previous": B}
    assert tags(promoted(before, B, B)) == {"stable": B, "previous": A}


def test_only_the_latest_marks_are_kept() -> None:
    """Cloud Run limits the tags of a service; Postgres has all marks."""
    names = [f"api-{number}" for number in range(KEPT_FAILED + 5)]
    traffic = [Target(C, 100), *(Target(name, 0, failed_tag(name)) for name in names)]
    before = Service(
        **{
            **{name: getattr(service(), name) for name in ("name", "region", "uri", "latest_ready", "reconciling")},
            "revisions": tuple(Revision(name, NOW, ready=True) for name in [*names, C]),
            "traffic": tuple(traffic),
            "statuses": tuple(traffic),
            "updated_at": NOW,
            "last_modifier": "",
        }
    )
    kept = tags(back_to(before, names[-1], C))
    assert len(kept) == KEPT_FAILED + 2
    assert failed_tag(names[0]) not in kept
    assert kept[failed_tag(C)] == C


def test_the_mark_of_a_revision_that_is_not_ready_is_on_the_one_that_took_over() -> None:
    """Cloud Run would move nothing with a tag on the other, which is marked and remembered all the same."""
    before = not_ready(service(Target(C, 100), Target(C, 0, "stable"), Target(B, 0, "previous")), C)
    wanted = back_to(before, B, C)
    assert tags(wanted) == {"stable": B, instead_tag(C): B}
    found = remembered(replace(before, traffic=tuple(wanted), statuses=tuple(wanted)), NOTHING)
    assert found.failed == {C}
    assert found.rolled_back_at == (before.updated_at,)


def test_a_mark_is_not_lost_with_the_revision_it_was_on() -> None:
    """One that crashes after it was marked, or the one that had its mark instead; that of one that is gone goes."""
    marked = service(Target(B, 100), Target(C, 0, failed_tag(C)), Target("api-0", 0, failed_tag("api-0")))
    for before in (not_ready(marked, C), not_ready(service(Target(B, 100), Target(A, 0, instead_tag(C))), A, C)):
        for wanted in (promoted(before, B, None), split(before, [(B, 100)], B)):
            assert tags(wanted) == {"stable": B, instead_tag(C): B}


def test_a_revision_that_is_marked_twice_has_one_mark() -> None:
    """It was not ready, became ready and is not again: Cloud Run takes each tag once."""
    before = not_ready(service(Target(C, 100), Target(B, 0, instead_tag(C)), Target(C, 0, failed_tag(C))), C)
    wanted = back_to(before, B, C)
    assert [target.tag for target in wanted if target.tag] == [instead_tag(C), "stable"]


def test_the_tags_tell_what_postgres_cannot() -> None:
    """Which revisions were promoted and which failed."""
    found = remembered(
        service(Target(C, 100), Target(C, 0, "stable"), Target(B, 0, "previous"), Target(A, 0, failed_tag(A))), NOTHING
    )
    assert set(found.promoted) == {B, C}
    assert found.failed == {A}
    assert found.rolled_back_at == ()


def test_what_postgres_knows_goes_first() -> None:
    """Its times are those of promotions, the tags' only of creations."""
    at = NOW - timedelta(minutes=9)
    known = History(known=True, promoted={C: at}, failed=frozenset({A}))
    found = remembered(service(Target(C, 100), Target(C, 0, "stable"), Target(B, 0, "previous")), known)
    assert found.promoted[C] == at
    assert set(found.promoted) == {B, C}
    assert found.failed == {A}


def test_a_rollback_postgres_has_not_heard_of_is_seen() -> None:
    """The newest revision is marked failed: the last change of the service was its rollback, or came after it."""
    just = service(Target(B, 100), Target(C, 0, failed_tag(C)))
    assert remembered(just, NOTHING).rolled_back_at == (just.updated_at,)
    assert remembered(just, History(known=True)).rolled_back_at == (just.updated_at,)
    assert remembered(just, History(known=True, failed=frozenset({C}))).rolled_back_at == ()


@pytest.mark.parametrize(
    ("modifier", "changed", "newest_age", "by_hand"),
    [
        ("ada@example.com", timedelta(minutes=5), timedelta(hours=1), True),
        ("ada@example.com", timedelta(minutes=59, seconds=30), timedelta(hours=1), False),
        ("sight@p.iam.gserviceaccount.com", timedelta(minutes=5), timedelta(hours=1), False),
        ("", timedelta(minutes=5), timedelta(hours=1), False),
    ],
)
def test_a_person_who_changed_the_service_moved_its_traffic(
    modifier: str, changed: timedelta, newest_age: timedelta, by_hand: bool
) -> None:
    """Unless it was to deploy its newest revision, or was no person at all."""
    changed_last = service(Target(C, 100), modifier=modifier, changed=changed, newest_age=newest_age)
    found = remembered(changed_last, NOTHING).moved_by_hand_at
    assert found == (NOW - changed if by_hand else None)


def test_the_last_time_by_hand_counts() -> None:
    """Whoever tells of it."""
    person = service(Target(C, 100), modifier="ada@example.com")
    earlier, later = NOW - timedelta(minutes=6), NOW - timedelta(minutes=1)
    assert remembered(person, History(known=True, moved_by_hand_at=earlier)).moved_by_hand_at == person.updated_at
    assert remembered(person, History(known=True, moved_by_hand_at=later)).moved_by_hand_at == later


def test_shares_are_the_same_however_they_are_listed() -> None:
    """Tags, order and zeros say nothing of where the traffic goes; the latest is a revision as well."""
    some = [Target(B, 60), Target(B, 30), Target(A, 10), Target(C, 0, "x")]
    assert same_shares(some, [Target(A, 10, "y"), Target(B, 90)], C)
    assert same_shares([Target(None, 100)], [Target(C, 100)], C)
    assert not same_shares(some, [Target(B, 100)], C)


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_mark_is_of_one_revision_and_a_tag_cloud_run_takes(one: str, other: str) -> None:
    """Lowercase letters, digits and hyphens, and the same for the same revision only."""
    for tag_of, prefix in ((failed_tag, "failed-"), (instead_tag, "instead-of-")):
        tag = tag_of(one)
        assert tag.startswith(prefix)
        assert len(tag) == len(prefix) + 8
        assert all(letter in "0123456789abcdef" for letter in tag.removeprefix(prefix))
        assert (tag == tag_of(other)) == (one == other)
