"""Composes traffic: where it goes, and the tags by which Cloud Run itself remembers what Sight did.

Tags of others are kept. A rollback that finds Postgres gone reads its memory from these tags.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from common.cloud_run.port import Target
from common.releases.models import FAILED_TAG_PREFIX, PREVIOUS_TAG, STABLE_TAG, History

if TYPE_CHECKING:
    from common.cloud_run.port import Service

KEPT_FAILED = 20
"""So many failed revisions stay tagged; Postgres remembers all of them."""


def failed_tag(revision: str) -> str:
    """The tag of a revision marked failed."""
    return FAILED_TAG_PREFIX + hashlib.sha256(revision.encode()).hexdigest()[:8]


def back_to(service: Service, target: str, failed: str) -> list[Target]:
    """All the traffic to `target`, which is the stable one again, and the mark on the one that failed."""
    ours = {STABLE_TAG: target, failed_tag(failed): failed}
    return [Target(target, 100), *_tagged(service, ours, {PREVIOUS_TAG} & _tags_on(service, target))]


def split(service: Service, shares: Iterable[tuple[str, int]], stable: str | None) -> list[Target]:
    """The traffic in these shares, all tags as they are but for that of the stable revision."""
    ours = {} if stable is None else {STABLE_TAG: stable}
    return [*(Target(name, percent) for name, percent in shares if percent), *_tagged(service, ours, set())]


def promoted(service: Service, revision: str, previous: str | None) -> list[Target]:
    """All the traffic to a revision that earned it."""
    ours = {STABLE_TAG: revision}
    if previous is not None and previous != revision:
        ours[PREVIOUS_TAG] = previous
    return [Target(revision, 100), *_tagged(service, ours, set())]


def remembered(service: Service, history: History) -> History:
    """What Postgres knows, and what the tags tell besides."""
    failed = {name for name in service.by_name if service.tagged(failed_tag(name)) is not None}
    promoted: dict[str, datetime] = {}
    for tag in (STABLE_TAG, PREVIOUS_TAG):
        tagged = service.tagged(tag)
        revision = service.by_name.get(tagged.revision or "") if tagged else None
        if revision is not None:
            promoted[revision.name] = revision.created_at
    return replace(history, promoted={**promoted, **history.promoted}, failed=history.failed | failed)


def _tagged(service: Service, ours: dict[str, str], dropped: set[str]) -> list[Target]:
    kept = [
        Target(target.revision, 0, target.tag)
        for target in service.traffic
        if target.tag is not None
        and target.tag not in ours
        and target.tag not in dropped
        and (target.revision is None or target.revision in service.by_name)
    ]
    marks = [target for target in kept if (target.tag or "").startswith(FAILED_TAG_PREFIX)]
    forgotten = marks[: max(0, len(marks) - KEPT_FAILED)]
    return [
        *(target for target in kept if target not in forgotten),
        *(Target(revision, 0, tag) for tag, revision in ours.items()),
    ]


def _tags_on(service: Service, revision: str) -> set[str]:
    return {target.tag for target in service.traffic if target.tag and target.revision == revision}
