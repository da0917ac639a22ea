"""Composes traffic: where it goes, and the tags by which Cloud Run itself remembers what Sight did.

Tags of others are kept, but for those on a revision that is not ready or is gone: one of them is enough for Cloud Run
to move no traffic at all. A rollback that finds Postgres gone reads its memory from these tags, and the revision that
it has most to remember of is one that crashes and so is not ready: its mark is then on the one that took over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from common.cloud_run.own_tags import (
    FAILED_TAG_PREFIX,
    INSTEAD_TAG_PREFIX,
    PREVIOUS_TAG,
    STABLE_TAG,
    is_failed_mark,
)
from common.cloud_run.port import Target
from common.releases.models import History

if TYPE_CHECKING:
    from common.cloud_run.port import Service

ACCOUNTS = ".gserviceaccount.com"
"""How the names of service accounts end, by which pipelines and Sight itself act."""

DEPLOYMENT = timedelta(minutes=1)
"""A change of a service so soon after its newest revision was created is the deployment of that revision."""

KEPT_FAILED = 20
"""So many failed revisions stay tagged; Postgres remembers all of them."""


def failed_tag(revision: str) -> str:
    """The tag of a revision marked failed."""
    return FAILED_TAG_PREFIX + _digest(revision)


def instead_tag(revision: str) -> str:
    """The tag of the revision that took over from one marked failed which is not ready."""
    return INSTEAD_TAG_PREFIX + _digest(revision)


def _digest(revision: str) -> str:
    return hashlib.sha256(revision.encode()).hexdigest()[:8]


def back_to(service: Service, target: str, failed: str) -> list[Target]:
    """All the traffic to `target`, which is the stable one again, and the mark on the one that failed."""
    ours = {STABLE_TAG: target, failed_tag(failed): failed}
    return [Target(target, 100), *_tagged(service, ours, target, _tags_on(service, target) & {PREVIOUS_TAG})]


def split(service: Service, shares: Iterable[tuple[str, int]], stable: str | None) -> list[Target]:
    """The traffic in these shares, all tags as they are but for that of the stable revision."""
    ours = {} if stable is None else {STABLE_TAG: stable}
    return [*(Target(name, percent) for name, percent in shares if percent), *_tagged(service, ours, stable)]


def promoted(service: Service, revision: str, previous: str | None) -> list[Target]:
    """All the traffic to a revision that earned it."""
    ours = {STABLE_TAG: revision}
    if previous is not None and previous != revision:
        ours[PREVIOUS_TAG] = previous
    return [Target(revision, 100), *_tagged(service, ours, revision)]


def remembered(service: Service, history: History) -> History:
    """What Postgres knows, and what Cloud Run tells besides: its tags which revisions were promoted and which failed,
    its last change whether a person made it, or a rollback that Postgres has not heard of yet.

    A deployment changes the service as well, but creates a revision in the same moment. A rollback leaves the newest
    revision marked failed.
    """
    failed = {name for name in service.by_name if service.tagged(failed_tag(name)) or service.tagged(instead_tag(name))}
    promoted: dict[str, datetime] = {}
    for tag in (STABLE_TAG, PREVIOUS_TAG):
        tagged = service.tagged(tag)
        revision = service.by_name.get(tagged.revision or "") if tagged else None
        if revision is not None:
            promoted[revision.name] = revision.created_at
    newest = service.revisions[0] if service.revisions else None
    changed = newest is None or service.updated_at - newest.created_at >= DEPLOYMENT
    by_a_person = bool(service.last_modifier) and not service.last_modifier.endswith(ACCOUNTS)
    by_hand = [at for at in (history.moved_by_hand_at,) if at is not None]
    rolled_back = history.rolled_back_at
    if changed and by_a_person:
        by_hand.append(service.updated_at)
    elif newest is not None and newest.name in failed - history.failed:
        rolled_back = (*rolled_back, service.updated_at)
    return replace(
        history,
        promoted={**promoted, **history.promoted},
        failed=history.failed | failed,
        moved_by_hand_at=max(by_hand, default=None),
        rolled_back_at=rolled_back,
    )


def _tagged(
    service: Service, ours: dict[str, str], keeper: str | None, dropped: frozenset[str] = frozenset()
) -> list[Target]:
    """The tags there are and `ours`, without those `dropped`; `keeper` has the marks of what is not ready."""
    kept = [
        Target(target.revision, 0, target.tag)
        for target in service.traffic
        if target.tag is not None and target.tag not in ours and target.tag not in dropped
    ]
    marks = [target for target in kept if is_failed_mark(target.tag)]
    forgotten = marks[: max(0, len(marks) - KEPT_FAILED)]
    tagged = [
        *(target for target in kept if target not in forgotten),
        *(Target(revision, 0, tag) for tag, revision in ours.items()),
    ]
    placed = {each.tag: each for each in (_placed(service, target, keeper) for target in tagged)}
    return [target for target in placed.values() if target.revision is None or service.is_ready(target.revision)]


def _placed(service: Service, target: Target, keeper: str | None) -> Target:
    """A tag where Cloud Run takes it: a mark whose revision is not ready is on `keeper`, and called by what it is."""
    if keeper is None or target.revision is None or service.is_ready(target.revision) or not is_failed_mark(target.tag):
        return target
    tag = INSTEAD_TAG_PREFIX + (target.tag or "").rpartition("-")[2]
    is_of_one_there_is = any(tag == instead_tag(name) for name in service.by_name)
    return Target(keeper, 0, tag) if is_of_one_there_is else target


def _tags_on(service: Service, revision: str) -> frozenset[str]:
    return frozenset(target.tag for target in service.traffic if target.tag and target.revision == revision)
