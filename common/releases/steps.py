"""Decides the next step of a release: a pure function of the release, of what was seen and of where the traffic is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from common.cloud_run.documents import same_shares
from common.cloud_run.port import Target
from common.releases import traffic
from common.releases.judge import TROUBLE

if TYPE_CHECKING:
    from common.cloud_run.port import Service
    from common.releases.look import Look
    from common.releases.models import Policy, Release, ReleaseState

WALKING = ("smoke", "walking")
"""The states in which a release has a next step."""

CHECK_AGAIN_SECONDS = 10.0
"""How soon a health check that failed is made again: three in a row shall not take three steps."""


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of a release: the state and share it has from now on, the type of the line in its timeline, and
    in how many seconds to look again, None where that is over. `moves` has the traffic sent accordingly, `alarming`
    is what people should look at though the release goes on."""

    state: ReleaseState
    percent: int
    line: str
    reason: str
    wait: float | None = None
    holds: int = 0
    failed_checks: int = 0
    moves: bool = False
    alarming: bool = False


def next_step(
    release: Release, look: Look | None, service: Service, policy: Policy, *, paused: bool, mover: str
) -> Step | None:
    """The step of a release that is tried or walks, None where there is nothing new to say or do yet.

    `look` is None where automation is paused or was when it could have looked; `mover` is who else moved traffic.
    """
    if not same_shares(service.traffic, shares(release), service.latest_ready):
        return Step("replaced", release.percent, "replaced", f"{mover} moved the traffic: it is left as it is now")
    if paused or not policy.automatic:
        return _rest(release, policy, "automation is paused", holds=release.holds, checks=release.failed_checks)
    if look is None:
        return None
    verdict = look.verdict
    if verdict.action == "advance":
        return _advance(release, policy, verdict.reason)
    if verdict.action == "roll_back":
        return _fail(release, policy, verdict.reason)
    counted = release.holds + (verdict.code != "unhealthy_once")
    if counted >= policy.max_holds:
        return Step(
            "waiting", release.percent, "waiting", f"{counted} looks in a row could not judge: {verdict.reason}"
        )
    return _rest(
        release, policy, verdict.reason, holds=counted, checks=look.failed_checks, alarming=verdict.code in TROUBLE
    )


def shares(release: Release) -> list[Target]:
    """The traffic as the release wants it, without tags."""
    of_previous = Target(release.previous, 100 - release.percent) if release.previous else None
    return [Target(release.revision, release.percent), *([of_previous] if of_previous else [])]


def wanted(release: Release, service: Service) -> list[Target]:
    """The traffic to ask for, with the tags of others as they are now."""
    assert release.previous is not None
    if release.state == "failed":
        return traffic.back_to(service, release.previous, release.revision)
    if release.percent == 100:
        return traffic.promoted(service, release.revision, release.previous)
    split = ((release.previous, 100 - release.percent), (release.revision, release.percent))
    return traffic.split(service, split, release.previous)


def _advance(release: Release, policy: Policy, reason: str) -> Step:
    percent = next((percent for percent in policy.steps if percent > release.percent), None)
    if percent is None:
        return Step("promoted", release.percent, "promoted", reason)
    if policy.dry_run:
        said = f"dry run: would send {percent} % to {release.revision}: {reason}"
        return Step("waiting", release.percent, "waiting", said)
    return Step("walking", percent, f"shifting_{percent}", reason, wait=policy.step_seconds, moves=True)


def _fail(release: Release, policy: Policy, reason: str) -> Step:
    if policy.dry_run:
        said = f"dry run: would mark {release.revision} failed: {reason}"
        return Step("waiting", release.percent, "waiting", said)
    return Step("failed", 0, "failed", reason, moves=True)


def _rest(release: Release, policy: Policy, reason: str, *, holds: int, checks: int, alarming: bool = False) -> Step:
    wait = min(policy.step_seconds, CHECK_AGAIN_SECONDS) if checks else policy.step_seconds
    return Step(release.state, release.percent, "held", reason, wait, holds, checks, alarming=alarming)
