"""Segment briefs: what is typical of a segment, computed once and shared by its personas for a week."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from pydantic import ValidationError

from common.llm.port import BadReply, Request
from common.personas.models import SegmentBrief
from common.personas.seeds import derived_seed

if TYPE_CHECKING:
    from common.cache.port import Cache
    from common.llm.port import CallLog, LanguageModel
    from common.personas.labels import Aspect, Reading

TTL_SECONDS = 7 * 24 * 3600.0
OUTPUT_TOKENS = 1536
PATIENCE_SHARE = 0.5
"""The part of a persona's time that its brief may take, be it computed or waited for while somebody else does. The
briefs of a new audience would otherwise take every turn of the rate limit before any of its personas gets one."""
MISSING = "-"


class Segment(NamedTuple):
    """Everything a brief depends on; what the audience does not have is `-`."""

    age: str
    education: str
    location: str
    gender: str
    language: str
    country: str
    simulated: bool

    @property
    def key(self) -> str:
        """`segment_brief:{age}:{education}:{location}:{gender}` and, since the same labels mean other people in
        another country and a simulated brief must never pass for a real one, `:{language}:{country}:{maker}`."""
        labels = (self.age, self.education, self.location, self.gender, self.language, self.country)
        return ":".join(("segment_brief", *map(_escaped, labels), "simulated" if self.simulated else "model"))


def segment_of(reading: Reading, *, language: str, country: str | None, simulated: bool) -> Segment:
    """The segment a seat belongs to."""

    def label(aspect: Aspect) -> str:
        return reading.labels.get(aspect, MISSING)

    return Segment(
        age=label("age"),
        education=label("education"),
        location=reading.place or MISSING,
        gender=label("gender"),
        language=language,
        country=country or MISSING,
        simulated=simulated,
    )


def segment_brief(
    segment: Segment, *, llm: LanguageModel, cache: Cache, calls: CallLog, deadline: float
) -> SegmentBrief:
    """The brief of a segment: from the cache, or computed by whoever of all that ask comes first.

    With the cache down it is computed here. Raises what `LanguageModel.generate` raises.
    """

    def compute() -> bytes:
        return _generate(segment, llm, calls, time.monotonic() + _patience(deadline)).model_dump_json().encode()

    kept = cache.single_flight(segment.key, compute, ttl=TTL_SECONDS, patience=_patience(deadline))
    try:
        return SegmentBrief.model_validate_json(kept)
    except ValidationError:  # kept by another version of the code
        made = compute()
        cache.set(segment.key, made, ttl=TTL_SECONDS)
        return SegmentBrief.model_validate_json(made)


def _patience(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic()) * PATIENCE_SHARE


def _generate(segment: Segment, llm: LanguageModel, calls: CallLog, deadline: float) -> SegmentBrief:
    reply = llm.generate(
        Request(
            purpose="brief",
            prompt="brief",
            variables={
                "language": segment.language,
                "country": segment.country,
                "age": segment.age,
                "education": segment.education,
                "location": segment.location,
                "gender": segment.gender,
            },
            schema=SegmentBrief,
            # Not of the job's seed: the brief is shared by jobs of any seed, and must not hang on which asks first.
            seed=derived_seed(segment.key),
            temperature=0.4,
            max_output_tokens=OUTPUT_TOKENS,
        ),
        calls=calls,
        deadline=deadline,
    )
    if not isinstance(reply.data, SegmentBrief):
        raise BadReply("the reply is not a brief")
    return reply.data


def _escaped(label: str) -> str:
    return " ".join(label.split()).replace("%", "%25").replace(":", "%3A") or MISSING
