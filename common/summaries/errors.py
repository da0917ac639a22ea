"""What can go wrong with a summary."""

from __future__ import annotations

from common.errors import NotFound, Unavailable
from common.llm.port import BadReply


class NothingHeld(BadReply):
    """Not one insight of a reply is borne out by the answers it names; another reply may do better."""

    code = "no_insight_held"


class NothingRead(NotFound):
    """There is nothing to make a report of: every part of the reading failed, or the answers are gone."""

    code = "nothing_read"


class PartsOpen(Unavailable):
    """The parts a merge is made of are not all finished."""

    code = "parts_open"
