"""Judges a candidate by how it fares beside the stable revision: pure functions of what was seen of both.

The limits of the policy are what triggers. A comparison only answers whether the stable revision suffers from the
same, for then what both stand on is at fault and going back would help nobody. Shares of errors are compared by
Fisher's exact test (R. A. Fisher, On the interpretation of chi-squared from contingency tables, and the calculation
of P, Journal of the Royal Statistical Society 85, 1922): the counts are small at first and lopsided always, 10 to 90,
where the approximations of a test of proportions do not hold. With many requests any difference is significant, so
that it has to be as large as the limit besides. Percentiles come without what a test would need, so
that latency is compared with the limit alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, lgamma
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from common.monitoring.port import Fared
    from common.releases.models import Policy

CRASH_LOOP = 2
"""So many instances that ended by themselves within a window are no accident."""

SIGNIFICANCE = 0.01
"""How seldom chance alone may make a candidate look worse than a stable revision that fails as well."""

TROUBLE = frozenset(
    {"errors_everywhere", "slow_everywhere", "crashes_everywhere", "dependency", "unseen", "locked_out"}
)
"""Codes of holds that a human has to know of at once."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What comes of a look, and why in words. `code` is stable and meant for programs."""

    action: Literal["advance", "hold", "roll_back"]
    code: str
    reason: str


def judge(candidate: Fared, stable: Fared, policy: Policy) -> Verdict:
    """What comes of the figures of one span of time. Total: there is a verdict for whatever is given."""
    return (
        _crashes(candidate, stable)
        or _too_few(candidate, policy)
        or _errors(candidate, stable, policy)
        or _latency(candidate, stable, policy)
        or Verdict("advance", "fares_well", f"{_figures(candidate)}; the stable one {_figures(stable)}")
    )


def weigh(verdicts: Sequence[Verdict], policy: Policy, *, failed_checks: int, stable_ill: str = "") -> Verdict:
    """The verdict on all that was seen: on the figures of each span, on the candidate's own health checks, of which
    `failed_checks` in a row failed, and on how ill the stable revision says it is itself.

    The worst counts. Where the stable revision is ill as well, nothing is taken back and nothing goes on.
    """
    worst = min(verdicts, key=_rank, default=Verdict("hold", "unseen", "there is nothing to judge by"))
    if failed_checks >= policy.failed_health_checks:
        worst = Verdict("roll_back", "unhealthy", f"{failed_checks} health checks in a row failed")
    if stable_ill and (failed_checks or worst.action == "roll_back"):
        said = "its health check failed" if worst.action != "roll_back" else worst.reason
        return Verdict("hold", "dependency", f"{said}, but the stable revision is ill as well: {stable_ill}")
    if failed_checks and worst.action != "roll_back":
        return Verdict("hold", "unhealthy_once", f"its health check failed, {failed_checks} in a row")
    return worst


def worse_by_chance(errors: int, requests: int, other_errors: int, other_requests: int) -> float:
    """How likely chance alone gives the first at least so many of the errors of both: the one-sided p-value of
    Fisher's exact test, 0 to 1. See the module for its source."""
    failed, drawn = errors + other_errors, requests
    total = requests + other_requests
    most = min(failed, drawn)
    if errors <= max(0, drawn - (total - failed)):
        return 1.0
    if errors * total < failed * drawn:
        # Below what is to be expected the terms begin too small for a float, and those on the other side do not.
        return 1.0 - worse_by_chance(other_errors + 1, other_requests, errors - 1, requests)
    # Neighbouring terms of the hypergeometric distribution differ by a factor, which saves all logarithms but one.
    term = exp(_log_choose(failed, errors) + _log_choose(total - failed, drawn - errors) - _log_choose(total, drawn))
    likelihood = term
    for k in range(errors, most):
        term *= (failed - k) * (drawn - k) / ((k + 1) * (total - failed - drawn + k + 1))
        likelihood += term
        if term < likelihood * 1e-12:
            break
    return min(1.0, likelihood)


def _rank(verdict: Verdict) -> int:
    """Too few requests in one span say nothing where another has enough of them."""
    if verdict.action == "roll_back":
        return 0
    if verdict.action == "hold":
        return 3 if verdict.code == "too_few_requests" else 1
    return 2


def _crashes(candidate: Fared, stable: Fared) -> Verdict | None:
    if candidate.crashes < CRASH_LOOP:
        return None
    said = f"{candidate.crashes} instances crashed"
    if stable.crashes >= max(CRASH_LOOP, candidate.crashes):
        return Verdict("hold", "crashes_everywhere", f"{said}, and {stable.crashes} of the stable revision's")
    return Verdict("roll_back", "crashes", said)


def _too_few(candidate: Fared, policy: Policy) -> Verdict | None:
    if candidate.requests >= max(1, policy.min_requests):
        return None
    return Verdict(
        "hold",
        "too_few_requests",
        f"{candidate.requests} requests are too few to judge (at least {policy.min_requests})",
    )


def _errors(candidate: Fared, stable: Fared, policy: Policy) -> Verdict | None:
    share, other = candidate.error_share or 0.0, stable.error_share or 0.0
    if share <= policy.error_share:
        return None
    said = f"{share:.1%} of the answers are 5xx where {policy.error_share:.1%} are allowed"
    if other > policy.error_share:
        chance = worse_by_chance(candidate.errors, candidate.requests, stable.errors, stable.requests)
        if chance > SIGNIFICANCE or share - other <= policy.error_share:
            return Verdict("hold", "errors_everywhere", f"{said}, and {other:.1%} of the stable revision's")
        said += f", of the stable revision's {other:.1%}"
    return Verdict("roll_back", "errors", said)


def _latency(candidate: Fared, stable: Fared, policy: Policy) -> Verdict | None:
    p95, other = candidate.p95_ms or 0.0, stable.p95_ms or 0.0
    if p95 <= policy.p95_ms:
        return None
    said = f"p95 is {p95:,.0f} ms where {policy.p95_ms:,.0f} ms are allowed"
    if other > policy.p95_ms and stable.requests >= policy.min_requests:
        return Verdict("hold", "slow_everywhere", f"{said}, and {other:,.0f} ms of the stable revision")
    return Verdict("roll_back", "latency", said)


def _figures(fared: Fared) -> str:
    if not fared.requests:
        return "had no requests"
    p95 = "" if fared.p95_ms is None else f", p95 {fared.p95_ms:,.0f} ms"
    return f"{fared.requests:,} requests, {fared.error_share:.1%} 5xx{p95}"


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
