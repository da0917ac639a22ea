"""The next step of a release, by examples and by what holds for all of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.cloud_run.port import Revision, Service, Target
from common.releases.judge import Verdict
from common.releases.look import Look
from common.releases.models import Policy, Release
from common.releases.steps import CHECK_AGAIN_SECONDS, Step, next_step, shares, wanted
from common.releases.traffic import failed_tag

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
POLICY = Policy("api")
RELEASE = Release(
    id=UUID(int=1),
    service="api",
    region="europe-central2",
    revision="api-2",
    previous="api-1",
    state="walking",
    percent=10,
    step=1,
    holds=0,
    failed_checks=0,
    reason="",
    created_at=NOW,
    percent_at=NOW,
)
ADVANCE = Look(Verdict("advance", "fares_well", "it fares well"))
HOLD = Look(Verdict("hold", "too_few_requests", "too few"))
BACK = Look(Verdict("roll_back", "errors", "too many errors"))


def service(shares: dict[str, int], *, tags: dict[str, str] | None = None) -> Service:
    """A service whose traffic is so."""
    traffic = (
        *(Target(name, percent) for name, percent in shares.items()),
        *(Target(name, 0, tag) for tag, name in (tags or {}).items()),
    )
    revisions = tuple(Revision(f"api-{number}", NOW, ready=True) for number in (3, 2, 1))
    return Service("api", "europe-central2", "", revisions, traffic, traffic, "api-3", False, NOW, "ada@example.com")


def as_left(release: Release) -> Service:
    """The service with its traffic where the release set it."""
    return service({target.revision or "": target.percent for target in shares(release) if target.percent})


def step_of(release: Release, look: Look | None, policy: Policy = POLICY, *, paused: bool = False) -> Step | None:
    """The next step where nobody else moved the traffic."""
    return next_step(release, look, as_left(release), policy, paused=paused, mover="ada")


def releases() -> st.SearchStrategy[Release]:
    """Releases that have a next step."""
    smoke = st.builds(
        lambda holds, checks: replace(RELEASE, state="smoke", percent=0, holds=holds, failed_checks=checks),
        st.integers(0, 20),
        st.integers(0, 3),
    )
    walking = st.builds(
        lambda percent, holds, checks: replace(RELEASE, percent=percent, holds=holds, failed_checks=checks),
        st.sampled_from([10, 50, 100]),
        st.integers(0, 20),
        st.integers(0, 3),
    )
    return smoke | walking


def looks() -> st.SearchStrategy[Look | None]:
    """What looks may come to."""
    codes = st.sampled_from(["fares_well", "errors", "too_few_requests", "unhealthy_once", "dependency", "unseen"])
    verdicts = st.builds(Verdict, st.sampled_from(["advance", "hold", "roll_back"]), codes, st.text(min_size=1))
    return st.none() | st.builds(Look, verdicts, st.integers(0, 3))


def policies() -> st.SearchStrategy[Policy]:
    """Policies, dry and paused ones too."""
    return st.builds(
        lambda steps, automatic, dry, holds: Policy(
            "api", automatic=automatic, dry_run=dry, steps=(*sorted(steps), 100), max_holds=holds
        ),
        st.sets(st.integers(1, 99), max_size=4),
        st.booleans(),
        st.booleans(),
        st.integers(1, 12),
    )


@pytest.mark.parametrize(("percent", "following"), [(0, 10), (10, 50), (50, 100)])
def test_a_release_that_fares_well_gets_its_next_share(percent: int, following: int) -> None:
    """And is looked at again after the policy's wait."""
    found = step_of(replace(RELEASE, percent=percent, state="walking" if percent else "smoke"), ADVANCE)
    assert found is not None
    assert (found.state, found.percent, found.moves, found.wait) == ("walking", following, True, 300.0)


def test_a_release_with_all_the_traffic_is_promoted_only_when_it_fared_well_with_it() -> None:
    """Its traffic is there already."""
    found = step_of(replace(RELEASE, percent=100), ADVANCE)
    assert found is not None
    assert (found.state, found.percent, found.moves, found.wait) == ("promoted", 100, False, None)


def test_a_bad_release_loses_all_its_traffic() -> None:
    """At once and for good."""
    found = step_of(RELEASE, BACK)
    assert found is not None
    assert (found.state, found.percent, found.moves, found.wait) == ("failed", 0, True, None)


def test_holds_in_a_row_leave_it_to_a_human() -> None:
    """A look that could judge begins their count anew."""
    last = step_of(replace(RELEASE, holds=11), HOLD)
    assert last is not None
    assert (last.state, last.wait) == ("waiting", None)
    advanced = step_of(replace(RELEASE, holds=11), ADVANCE)
    assert advanced is not None
    assert advanced.holds == 0


def test_a_failed_health_check_is_made_again_soon() -> None:
    """Three in a row shall not take a quarter of an hour, and are no looks that could not judge."""
    found = step_of(replace(RELEASE, holds=11), Look(Verdict("hold", "unhealthy_once", "ill"), failed_checks=1))
    assert found is not None
    assert (found.state, found.wait, found.holds, found.failed_checks) == ("walking", CHECK_AGAIN_SECONDS, 11, 1)


def test_trouble_of_all_revisions_is_alarming() -> None:
    """The release goes on, but people should look."""
    found = step_of(RELEASE, Look(Verdict("hold", "dependency", "the database is down")))
    assert found is not None
    assert found.alarming
    assert found.state == "walking"


@given(releases(), looks(), policies(), st.booleans())
def test_traffic_that_somebody_moved_is_left_alone(
    release: Release, look: Look | None, policy: Policy, paused: bool
) -> None:
    """Whatever was seen of it."""
    moved = service({"api-3": 30, "api-1": 70})
    found = next_step(release, look, moved, policy, paused=paused, mover="ada")
    assert found is not None
    assert (found.state, found.moves, found.reason) == (
        "replaced",
        False,
        "ada moved the traffic: it is left as it is now",
    )


@given(releases(), looks(), policies(), st.booleans())
def test_nothing_moves_while_it_must_not(release: Release, look: Look | None, policy: Policy, paused: bool) -> None:
    """Neither while automation is paused, nor in a dry run, nor without a look."""
    found = step_of(release, look, policy, paused=paused)
    if paused or not policy.automatic or policy.dry_run or look is None:
        assert found is None or (not found.moves and found.percent == release.percent)


@given(releases(), looks(), policies(), st.booleans())
def test_shares_rise_by_the_policy_or_fall_to_nothing(
    release: Release, look: Look | None, policy: Policy, paused: bool
) -> None:
    """No look sends more users to a release than the next step of its policy."""
    found = step_of(release, look, policy, paused=paused)
    if found is not None and found.moves:
        assert look is not None
        following = min(percent for percent in (*policy.steps, 1000) if percent > release.percent)
        assert found.percent == (following if look.verdict.action == "advance" else 0)


@given(releases(), looks(), policies(), st.booleans())
def test_a_release_is_looked_at_again_as_long_as_it_is_on_its_way(
    release: Release, look: Look | None, policy: Policy, paused: bool
) -> None:
    """And is not once it has ended."""
    found = step_of(release, look, policy, paused=paused)
    if found is not None:
        assert (found.wait is not None) == (found.state in ("smoke", "walking"))


@given(releases(), st.dictionaries(st.from_regex(r"[a-z]{3,8}", fullmatch=True), st.sampled_from(["api-1", "api-3"])))
def test_what_is_asked_for_adds_up_and_keeps_the_tags_of_others(release: Release, tags: dict[str, str]) -> None:
    """All tags but those that Sight itself moves."""
    for state, percent in (("walking", release.percent), ("failed", 0)):
        after = replace(release, state=state, percent=percent)  # type: ignore[arg-type]
        found = wanted(after, service({"api-1": 100}, tags=tags))
        assert sum(target.percent for target in found) == 100
        there = {target.tag: target.revision for target in found if target.tag}
        ours = {"stable", "previous"}
        assert {tag: name for tag, name in there.items() if tag in tags and tag not in ours} == {
            tag: name for tag, name in tags.items() if tag not in ours
        }
        assert there["stable"] == ("api-2" if percent == 100 else "api-1")
        assert (failed_tag("api-2") in there) == (state == "failed")
