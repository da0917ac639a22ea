"""What the real API makes of a list of traffic targets."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

LATEST = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"
NAMED = "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION"
TAG = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")


def kept(target: Mapping[str, Any]) -> dict[str, Any]:
    """A target as the API keeps it: without what is zero or empty."""
    return {key: value for key, value in target.items() if value}


def check(traffic: Sequence[Mapping[str, Any]]) -> str:
    """What is wrong with targets as they are sent, empty where nothing is. Whether there are such revisions is only
    seen by the operation."""
    if sum(int(target.get("percent", 0)) for target in traffic) != 100:
        return "Traffic percentages must add up to 100."
    tags = [target["tag"] for target in traffic if target.get("tag")]
    if len(set(tags)) != len(tags):
        return "A tag must be unique among the targets."
    if not all(TAG.fullmatch(tag) for tag in tags):
        return "A tag must be lower case letters, digits and hyphens."
    for target in traffic:
        if target.get("type") not in (LATEST, NAMED):
            return "Traffic targets must have a type."
        if (target["type"] == NAMED) != bool(target.get("revision")):
            return "A revision must be named by the type REVISION, and by no other."
        if "/" in target.get("revision", ""):
            return "A revision must be named by its short name."
    return ""


def obstacle(traffic: Sequence[Mapping[str, Any]], ready: Mapping[str, bool]) -> str:
    """Why traffic cannot be as asked for, empty where it can: any target may hold up all of it, one with a tag and no
    share as well."""
    for target in traffic:
        name = target.get("revision")
        if name is not None and name not in ready:
            return (
                f"Revision '{name}' does not exist or is deleted. Update all traffic to route to available revisions."
            )
        if name is not None and not ready[name]:
            return f"Revision '{name}' is not ready and cannot serve traffic."
    return ""


def deployed(
    traffic: Sequence[Mapping[str, Any]], revision: str, tag: str | None, pinned: str | None
) -> list[dict[str, Any]]:
    """The targets after a deployment, the share of the latest given to `pinned` if there is one."""
    targets = [dict(target) for target in traffic] or [{"type": LATEST, "percent": 100}]
    if pinned is not None:
        targets = [
            {**target, "type": NAMED, "revision": pinned}
            if target.get("type") == LATEST and target.get("percent")
            else target
            for target in targets
        ]
    if tag is not None:
        targets = [{key: value for key, value in t.items() if key != "tag" or value != tag} for t in targets]
        targets = [target for target in targets if target.get("percent") or target.get("tag")]
        targets.append({"type": NAMED, "revision": revision, "tag": tag})
    return targets
