"""The tags that Sight sets on revisions, by which Cloud Run itself remembers what was done; the rest are of others."""

from __future__ import annotations

STABLE_TAG = "stable"
"""Tags the revision promoted last, so that its own address answers and Cloud Run itself remembers it."""

PREVIOUS_TAG = "previous"
"""Tags the revision promoted before that one."""

FAILED_TAG_PREFIX = "failed-"
"""Begins the tag of a revision marked failed: what a rollback knows when Postgres cannot be asked."""

INSTEAD_TAG_PREFIX = "instead-of-"
"""Begins the tag of the revision that took over from one marked failed which is not ready and so can have none."""


def is_failed_mark(tag: str | None) -> bool:
    """Whether a tag marks a revision failed, on itself or on the one that took over from it."""
    return (tag or "").startswith((FAILED_TAG_PREFIX, INSTEAD_TAG_PREFIX))


def is_own(tag: str | None) -> bool:
    """Whether Sight set the tag."""
    return tag in (STABLE_TAG, PREVIOUS_TAG) or is_failed_mark(tag)
