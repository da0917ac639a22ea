"""Makes the persona of one seat: its traits drawn, its brief looked up, its profile written by the model, checked,
put right once where it contradicts the seat, and scored."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError, create_model

from common.llm.port import BadReply, Request
from common.personas.briefs import segment_brief, segment_of
from common.personas.checks import Finding, find_problems
from common.personas.errors import PersonaContradictsSeat, PersonaUnusable
from common.personas.labels import AgeRange, read_seat
from common.personas.models import Draft, Profile, Quality, Traits
from common.personas.names import name_hint, naming
from common.personas.quality import check_grounds, score
from common.personas.seeds import derived_seed, randomness
from common.personas.traits import draw_traits
from common.text import storable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.cache.port import Cache
    from common.llm.port import CallLog, LanguageModel, Reply

OUTPUT_TOKENS = 3072


@dataclass(frozen=True, slots=True)
class Seat:
    """What a persona is made for. `places` are all labels of the audience's dimension that says where people live."""

    position: int
    demographics: dict[str, str]
    seed: int
    language: str
    country: str | None
    places: tuple[str, ...]
    simulated: bool


@dataclass(frozen=True, slots=True)
class Made:
    """A persona, and the reply it came from."""

    profile: Profile
    traits: Traits
    quality: Quality
    reply: Reply


def make_persona(seat: Seat, *, llm: LanguageModel, cache: Cache, calls: CallLog, deadline: float) -> Made:
    """The persona of a seat; the same seat and model make the same one.

    Raises what `LanguageModel.generate` raises, `PersonaContradictsSeat` when it contradicts its seat even
    after it was asked to be put right, and `PersonaUnusable` when it is no usable text even then.
    """
    reading = read_seat(seat.demographics)
    traits = draw_traits(reading, randomness(seat.seed, seat.position, "traits"))
    segment = segment_of(reading, language=seat.language, country=seat.country, simulated=seat.simulated)
    names = naming(seat.language, seat.country)
    brief = segment_brief(segment, llm=llm, cache=cache, calls=calls, deadline=deadline)
    variables: dict[str, Any] = {
        "language": seat.language,
        "country": segment.country,
        "brief": brief.model_dump(),
        "seat": dict(sorted(seat.demographics.items())),
        "ages": asdict(reading.age) if reading.age else "as the seat says",
        "initials": asdict(name_hint(seat.seed, seat.position, names, reading.gender)),
        "traits": traits.model_dump(),
    }

    def ask(prompt: str, extra: dict[str, Any]) -> tuple[Draft, Reply]:
        reply = llm.generate(
            Request(
                purpose=prompt,
                prompt=prompt,
                variables=variables | extra,
                schema=draft_schema(reading.age),
                seed=derived_seed(seat.seed, seat.position, prompt),
                max_output_tokens=OUTPUT_TOKENS,
            ),
            calls=calls,
            deadline=deadline,
        )
        return _tidied(reply), reply

    def check(draft: Draft) -> list[Finding]:
        found = find_problems(draft, reading, seat.language, names=names, places=seat.places)
        # The simulated model speaks two languages; what it says is marked as its own, and needs no repair.
        return [problem for problem in found if not (seat.simulated and problem.kind == "language")]

    draft, reply = ask("persona", {})
    problems = check(draft)
    repaired = [f"{problem.field} {problem.message}" for problem in problems]
    if problems:
        draft, reply = ask("persona_repair", {"persona": draft.model_dump(), "findings": repaired})
        _refuse(check(draft))
    grounds = check_grounds(draft, seat.demographics, brief)
    profile = draft.profile()
    quality = score(profile, reading, seat.language, grounds=grounds, repaired=repaired)
    return Made(profile, traits, quality, reply)


@lru_cache(maxsize=256)
def draft_schema(ages: AgeRange | None) -> type[Draft]:
    """The schema of the structured output, with the bounds of the seat's age group where it has one.

    The bounds are told to the provider, whose decoder then keeps to them, and are not validated here: a
    reply beyond them is not a bad reply, but a contradiction to be put right.
    """
    if ages is None:
        return Draft
    bounds: dict[str, Any] = {"minimum": ages.low, "maximum": ages.high}
    described = Draft.model_fields["age_years"].description
    return create_model(
        "Draft", __base__=Draft, age_years=(int, Field(ge=0, le=120, description=described, json_schema_extra=bounds))
    )


def _tidied(reply: Reply) -> Draft:
    if not isinstance(reply.data, Draft):
        raise BadReply("the reply is not a persona")
    try:
        return Draft.model_validate(_stripped(storable(reply.data.model_dump())))
    except ValidationError as error:
        raise BadReply("the persona has blank texts") from error


def _stripped(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list):
        return [_stripped(entry) for entry in value]
    if isinstance(value, dict):
        return {name: _stripped(entry) for name, entry in value.items()}
    return value


def _refuse(problems: Sequence[Finding]) -> None:
    if not problems:
        return
    found = "; ".join(f"{problem.field} {problem.message}" for problem in problems)
    if any(problem.kind == "seat" for problem in problems):
        raise PersonaContradictsSeat(f"even when asked to be put right: {found}")
    raise PersonaUnusable(f"even when asked to be put right: {found}")
