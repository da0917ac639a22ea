"""The judgement of a candidate, by examples and by what holds for all figures."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.monitoring.port import Fared
from common.releases.judge import SIGNIFICANCE, Verdict, judge, weigh, worse_by_chance
from common.releases.models import Policy

POLICY = Policy("api")
WELL = Fared(requests=1000, errors=1, p95_ms=120.0, crashes=0)
NOTHING = Fared(requests=0, errors=0, p95_ms=None, crashes=0)
ADVANCE = Verdict("advance", "fares_well", "well")
TOO_FEW = Verdict("hold", "too_few_requests", "few")
BACK = Verdict("roll_back", "errors", "bad")


@st.composite
def fared(draw: st.DrawFn) -> Fared:
    """Any figures that can be."""
    requests = draw(st.integers(0, 5000))
    errors = draw(st.integers(0, requests))
    p95 = draw(st.none() | st.floats(0, 60_000))
    return Fared(requests, errors, p95 if requests else None, draw(st.integers(0, 10)))


@pytest.mark.parametrize(
    ("candidate", "stable", "action", "code"),
    [
        (WELL, WELL, "advance", "fares_well"),
        (WELL, NOTHING, "advance", "fares_well"),
        (NOTHING, WELL, "hold", "too_few_requests"),
        (replace(WELL, requests=19, errors=19), WELL, "hold", "too_few_requests"),
        (replace(WELL, errors=50), WELL, "advance", "fares_well"),
        (replace(WELL, errors=51), WELL, "roll_back", "errors"),
        (replace(WELL, errors=200), replace(WELL, requests=9000, errors=1800), "hold", "errors_everywhere"),
        (replace(WELL, errors=900), replace(WELL, requests=9000, errors=540), "roll_back", "errors"),
        (Fared(100_000, 64_000, 90.0, 0), Fared(900_000, 540_000, 90.0, 0), "hold", "errors_everywhere"),
        (replace(WELL, errors=200), replace(NOTHING, requests=2, errors=1), "hold", "errors_everywhere"),
        (replace(WELL, p95_ms=2000.0), WELL, "advance", "fares_well"),
        (replace(WELL, p95_ms=2001.0), WELL, "roll_back", "latency"),
        (replace(WELL, p95_ms=2001.0), replace(WELL, p95_ms=3000.0), "hold", "slow_everywhere"),
        (replace(WELL, p95_ms=2001.0), Fared(1, 0, 3000.0, 0), "roll_back", "latency"),
        (replace(WELL, crashes=1), WELL, "advance", "fares_well"),
        (replace(NOTHING, crashes=2), WELL, "roll_back", "crashes"),
        (replace(NOTHING, crashes=5), replace(WELL, crashes=2), "roll_back", "crashes"),
        (replace(WELL, crashes=2), replace(WELL, crashes=5), "hold", "crashes_everywhere"),
    ],
)
def test_a_span_is_judged_by_its_figures(candidate: Fared, stable: Fared, action: str, code: str) -> None:
    """A limit that is exceeded takes back, unless the stable revision suffers from the same; too few hold."""
    found = judge(candidate, stable, POLICY)
    assert (found.action, found.code) == (action, code)


@given(fared(), fared())
def test_every_pair_of_figures_has_a_verdict_with_a_reason(candidate: Fared, stable: Fared) -> None:
    """The judgement is total, and what it says can be read."""
    assert judge(candidate, stable, POLICY).reason


@given(fared(), fared())
def test_nothing_goes_on_past_a_limit(candidate: Fared, stable: Fared) -> None:
    """However the stable revision fares, a candidate beyond a limit gets no more users."""
    beyond = (
        (candidate.error_share or 0.0) > POLICY.error_share
        or (candidate.p95_ms or 0.0) > POLICY.p95_ms
        or candidate.crashes >= 2
        or candidate.requests < POLICY.min_requests
    )
    assert (judge(candidate, stable, POLICY).action == "advance") == (not beyond)


@given(fared(), fared())
def test_nothing_is_taken_back_on_too_few_requests(candidate: Fared, stable: Fared) -> None:
    """Crashes need no users; all else does."""
    found = judge(replace(candidate, requests=0, errors=0, p95_ms=None), stable, POLICY)
    assert found.action == ("roll_back" if found.code == "crashes" else "hold")


@given(fared())
def test_a_stable_revision_that_fares_the_same_is_no_reason_to_go_back_to_it(candidate: Fared) -> None:
    """What both suffer from is not the candidate's fault."""
    same = replace(candidate, requests=max(20, candidate.requests))
    assert judge(same, same, POLICY).action != "roll_back"


@given(fared(), fared(), st.integers(1, 500))
def test_more_errors_never_make_a_better_verdict(candidate: Fared, stable: Fared, more: int) -> None:
    """The order of verdicts follows the errors: advance, hold, roll back."""
    order = ("advance", "hold", "roll_back")
    worse = replace(candidate, errors=min(candidate.requests, candidate.errors + more))
    before, after = judge(candidate, stable, POLICY), judge(worse, stable, POLICY)
    if before.code in ("fares_well", "errors", "errors_everywhere"):
        assert order.index(after.action) >= order.index(before.action)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_the_exact_test_is_exact(errors: int, well: int, other_errors: int, other_well: int) -> None:
    """It is the sum of the hypergeometric terms, as rational numbers give it."""
    requests, others = errors + well, other_errors + other_well
    failed, total = errors + other_errors, requests + others
    terms = [comb(failed, k) * comb(total - failed, requests - k) for k in range(errors, min(failed, requests) + 1)]
    exact = float(Fraction(sum(terms), comb(total, requests)))
    assert worse_by_chance(errors, requests, other_errors, others) == pytest.approx(exact, rel=1e-9)


def test_the_exact_test_is_quick_with_millions_of_requests() -> None:
    """It stops where the terms no longer count."""
    assert worse_by_chance(60_000, 1_000_000, 450_000, 9_000_000) < SIGNIFICANCE
    assert worse_by_chance(50_000, 1_000_000, 450_000, 9_000_000) == pytest.approx(0.5, abs=0.01)
    assert worse_by_chance(1, 1_000_000, 500_000, 1_000_000) == pytest.approx(1.0)
    assert worse_by_chance(999_999, 1_000_000, 1, 1_000_000) == 0.0


def test_the_tea_taster_of_fishers_book_is_found() -> None:
    """All four cups of tea by chance: 1 in 70 (R. A. Fisher, The Design of Experiments, 1935)."""
    assert worse_by_chance(4, 4, 0, 4) == pytest.approx(1 / 70)


@pytest.mark.parametrize(
    ("verdicts", "failed_checks", "ill", "action", "code"),
    [
        ([ADVANCE, TOO_FEW], 0, "", "advance", "fares_well"),
        ([TOO_FEW, TOO_FEW], 0, "", "hold", "too_few_requests"),
        ([ADVANCE, BACK, ADVANCE], 0, "", "roll_back", "errors"),
        ([ADVANCE, Verdict("hold", "errors_everywhere", "")], 0, "", "hold", "errors_everywhere"),
        ([], 0, "", "hold", "unseen"),
        ([], 3, "", "roll_back", "unhealthy"),
        ([ADVANCE], 2, "", "hold", "unhealthy_once"),
        ([ADVANCE], 3, "", "roll_back", "unhealthy"),
        ([ADVANCE], 3, "database is down", "hold", "dependency"),
        ([ADVANCE], 1, "database is down", "hold", "dependency"),
        ([BACK], 0, "database is down", "hold", "dependency"),
        ([BACK], 1, "", "roll_back", "errors"),
        ([ADVANCE], 0, "database is down", "advance", "fares_well"),
    ],
)
def test_the_worst_of_all_that_was_seen_counts(
    verdicts: list[Verdict], failed_checks: int, ill: str, action: str, code: str
) -> None:
    """One bad span is enough; failed health checks hold and then take back; an ill stable revision excuses both."""
    found = weigh(verdicts, POLICY, failed_checks=failed_checks, stable_ill=ill)
    assert (found.action, found.code) == (action, code)


@given(
    st.lists(st.sampled_from([ADVANCE, TOO_FEW, BACK, Verdict("hold", "slow_everywhere", "")])),
    st.integers(0, 5),
    st.sampled_from(["", "database is down"]),
)
def test_a_release_only_goes_on_when_nothing_speaks_against_it(
    verdicts: list[Verdict], failed_checks: int, ill: str
) -> None:
    """It takes a span that fares well, none that does not, and a health check that did not fail."""
    found = weigh(verdicts, POLICY, failed_checks=failed_checks, stable_ill=ill)
    good = ADVANCE in verdicts and not failed_checks and all(each in (ADVANCE, TOO_FEW) for each in verdicts)
    assert (found.action == "advance") == good
    assert not (found.action == "roll_back" and ill)
