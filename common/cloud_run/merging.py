"""Merges a change of traffic with what others changed since it was decided: a three-way merge of tags."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from common.cloud_run.documents import same_shares, tags
from common.cloud_run.own_tags import is_own
from common.cloud_run.port import Target


def moved_by_others(
    wanted: Sequence[Target], seen: Sequence[Target], found: Sequence[Target], latest: str | None
) -> bool:
    """Whether the shares that are found, where a target without a revision is `latest`, are neither those that were
    seen nor those that are wanted."""
    return not same_shares(seen, found, latest) and not same_shares(wanted, found, latest)


def merged(
    wanted: Sequence[Target], seen: Sequence[Target], found: Sequence[Target], is_ready: Callable[[str], bool]
) -> list[Target]:
    """`wanted`, which was made from `seen`, with the tags that others have set, moved or taken away between `seen` and
    `found`. Where both changed a tag, `wanted` has it; but one of theirs that it leaves out was only left out because
    the revision it was seen on is not ready, and is theirs where they have changed it.

    A tag of theirs on a revision that is not ready is not taken over: it would hold up all of the change.
    """
    before, now, after = (tags(each, None) for each in (seen, found, wanted))
    changed = {tag for tag in before.keys() | now.keys() if before.get(tag, "") != now.get(tag, "")}
    theirs = {
        tag for tag in changed if after.get(tag, "") == before.get(tag, "") or (tag not in after and not is_own(tag))
    }
    kept = [replace(target, tag=None) if target.tag in theirs else target for target in wanted]
    new = [Target(now[tag], 0, tag) for tag in sorted(theirs & now.keys())]
    return [
        *(target for target in kept if target.percent or target.tag),
        *(target for target in new if target.revision is None or is_ready(target.revision)),
    ]


def lost(found: Sequence[Target], asked: Sequence[Target]) -> list[str]:
    """The tags of others that are found and not asked for: those on revisions that are not ready or are gone."""
    return sorted(tag for tag in tags(found, None).keys() - tags(asked, None).keys() if not is_own(tag))
