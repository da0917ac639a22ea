"""Judges a candidate by how it fares beside the stable revision: a pure function of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from common.monitoring.port import Fared
    from common.releases.models import Policy

CRASH_LOOP = 2
"""So many instances that ended by themselves within a window are no accident."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What comes of a look, and why in words."""

    action: Literal["advance", "hold", "roll_back"]
    code: str
    reason: str


def judge(candidate: Fared, stable: Fared, policy: Policy, *, failed_checks: int) -> Verdict:
    """What comes of a look at the last `policy.window_seconds`. Total.

    A limit that the stable revision exceeds as well speaks against what both stand on: that holds, as going back
    would help nobody. `failed_checks` are health checks failed in a row.
    """
    if failed_checks >= policy.failed_health_checks:
        return Verdict("roll_back", "unhealthy", f"{failed_checks} health checks in a row failed")
    if candidate.crashes >= CRASH_LOOP and candidate.crashes > stable.crashes:
        return Verdict("roll_back", "crashes", f"{candidate.crashes} instances crashed")
    if candidate.requests < policy.min_requests:
        return Verdict(
            "hold", "too_few_requests", f"{candidate.requests} requests are too few to judge ({policy.min_requests})"
        )
    over = _over_errors(candidate, stable, policy) or _over_latency(candidate, stable, policy)
    if over is not None:
        return over
    if failed_checks:
        return Verdict("hold", "unhealthy_once", "the last health check failed")
    return Verdict("advance", "fares_well", f"{_figures(candidate)}; the stable one {_figures(stable)}")


def _over_errors(candidate: Fared, stable: Fared, policy: Policy) -> Verdict | None:
    share = candidate.error_share or 0.0
    if share <= policy.error_share:
        return None
    said = f"{share:.1%} of the answers are 5xx where {policy.error_share:.1%} are allowed"
    if (stable.error_share or 0.0) > policy.error_share:
        return Verdict("hold", "errors_everywhere", f"{said}, and {stable.error_share:.1%} of the stable revision's")
    return Verdict("roll_back", "errors", said)


def _over_latency(candidate: Fared, stable: Fared, policy: Policy) -> Verdict | None:
    p95 = candidate.p95_ms or 0.0
    if p95 <= policy.p95_ms:
        return None
    said = f"p95 is {p95:,.0f} ms where {policy.p95_ms:,.0f} ms are allowed"
    if (stable.p95_ms or 0.0) > policy.p95_ms:
        return Verdict("hold", "slow_everywhere", f"{said}, and {stable.p95_ms:,.0f} ms of the stable revision")
    return Verdict("roll_back", "latency", said)


def _figures(fared: Fared) -> str:
    if not fared.requests:
        return "had no requests"
    p95 = "" if fared.p95_ms is None else f", p95 {fared.p95_ms:,.0f} ms"
    return f"{fared.requests:,} requests, {fared.error_share:.1%} 5xx{p95}"
