import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from common.cache.memory import MemoryCache
from common.llm.port import CallLog, Calls, Reply, Request
from common.personas.briefs import segment_brief, segment_of
from common.personas.labels import read_seat
from tests.fakes.llm import ScriptedModel
from tests.unit.personas.test_quality import BRIEF

SEAT = {"age": "35-44", "gender": "female", "education": "higher", "place_of_residence": "small town"}


def key(seat: dict[str, str], **changes: Any) -> str:
    """The cache key of a seat's segment."""
    known: dict[str, Any] = {"language": "en", "country": "Poland", "simulated": False}
    return segment_of(read_seat(seat), **(known | changes)).key


def test_the_key_names_the_segment() -> None:
    """Age, education, location and gender come first, then what else the brief depends on."""
    assert key(SEAT) == "segment_brief:35-44:higher:small town:female:en:Poland:model"


def test_what_the_audience_does_not_have_is_a_dash() -> None:
    """Missing dimensions keep their place in the key."""
    assert key({"age": "35-44"}, country=None) == "segment_brief:35-44:-:-:-:en:-:model"


def test_labels_cannot_forge_another_key() -> None:
    """Colons and control characters in labels are escaped or folded."""
    forged = key({"age": "35-44:higher:small town", "gender": "a\n b%3A"}, country=None)
    assert forged == "segment_brief:35-44%3Ahigher%3Asmall town:-:-:a b%253A:en:-:model"


def test_simulated_briefs_never_pass_for_real_ones() -> None:
    """Language, country and who made it tell briefs of the same labels apart."""
    assert len({key(SEAT), key(SEAT, simulated=True), key(SEAT, language="pl"), key(SEAT, country="Spain")}) == 4


def test_a_brief_is_told_nothing_that_is_not_in_its_key() -> None:
    """Other dimensions of a seat do not reach the brief, which is shared with people who differ in them."""
    model = ScriptedModel({"brief": lambda _: BRIEF.model_dump()})
    segment = segment_of(read_seat({**SEAT, "income": "secret"}), language="en", country=None, simulated=False)
    segment_brief(segment, llm=model, cache=MemoryCache(), calls=Calls(), deadline=time.monotonic() + 10)
    assert "secret" not in str(model.asked[0].variables)


def test_many_threads_compute_a_brief_once() -> None:
    """Twenty personas that ask at once get the one brief that was computed."""
    together = threading.Barrier(20)

    model, cache = ScriptedModel({"brief": lambda _: BRIEF.model_dump()}), MemoryCache()
    segment = segment_of(read_seat(SEAT), language="en", country=None, simulated=False)

    def ask(_: int) -> object:
        together.wait()
        return segment_brief(segment, llm=model, cache=cache, calls=Calls(), deadline=time.monotonic() + 10)

    with ThreadPoolExecutor(20) as pool:
        briefs = list(pool.map(ask, range(20)))
    assert briefs == [BRIEF] * 20
    assert len(model.asked) == 1


def test_a_brief_leaves_the_persona_half_of_its_time() -> None:
    """Whether it is new or replaces one that cannot be read, it is to be there before the persona's time is over."""
    given: list[float] = []

    class Timing(ScriptedModel):
        """Notes how long a call may take."""

        def generate(self, request: Request, *, calls: CallLog, deadline: float) -> Reply:
            given.append(deadline - time.monotonic())
            return super().generate(request, calls=calls, deadline=deadline)

    model, cache = Timing({"brief": lambda _: BRIEF.model_dump()}), MemoryCache()
    segment = segment_of(read_seat(SEAT), language="en", country=None, simulated=False)
    for kept in (None, b"{}"):
        if kept is not None:
            cache.set(segment.key, kept, ttl=60)
        segment_brief(segment, llm=model, cache=cache, calls=Calls(), deadline=time.monotonic() + 1000)
    assert [450 < seconds <= 500 for seconds in given] == [True, True]


def test_a_brief_of_another_version_is_computed_anew() -> None:
    """What the cache holds is replaced when it cannot be read."""
    model, cache = ScriptedModel({"brief": lambda _: BRIEF.model_dump()}), MemoryCache()
    segment = segment_of(read_seat(SEAT), language="en", country=None, simulated=False)
    cache.set(segment.key, b'{"daily_life": "of another time"}', ttl=60)
    for _ in range(2):
        found = segment_brief(segment, llm=model, cache=cache, calls=Calls(), deadline=time.monotonic() + 10)
        assert found == BRIEF
    assert len(model.asked) == 1
