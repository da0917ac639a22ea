"""Has the model read answers or merge readings, and keeps of its reply what the answers bear out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import structlog

from common.errors import SightError
from common.llm.port import Request
from common.shutdown import ShuttingDown
from common.summaries import quotes, variables
from common.summaries.checking import check, claims, findings, insights, with_citations
from common.summaries.drafts import DraftReading, DraftReport, Mending
from common.summaries.errors import NothingHeld
from common.summaries.portions import MEND_OUTPUT_TOKENS, OUTPUT_TOKENS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from common.jobs.models import Claim
    from common.llm.port import CallLog, LanguageModel, Reply
    from common.summaries.checking import Citable, Doubt, Found
    from common.summaries.drafts import Citation
    from common.summaries.models import Findings

log = structlog.get_logger()

SCHEMAS: dict[str, type[DraftReading]] = {
    "summary": DraftReport,
    "summary_part": DraftReading,
    "summary_fold": DraftReading,
    "summary_merge": DraftReport,
}
"""What each prompt asks for."""

TEMPERATURE = 0.2
"""Low: an analysis should say the same of the same answers."""

MEND_PROMPT = "summary_mend"
MEND_CANDIDATES = 3
"""Answers looked up for a quote that stands in another answer than the one named."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A model, and the item it works for. `seed` is that of the item's requests."""

    llm: LanguageModel
    claim: Claim
    seed: int
    calls: CallLog
    deadline: float

    def ask(
        self,
        prompt: str,
        filled: Mapping[str, Any],
        answers: Mapping[str, Citable],
        sources: Mapping[str, Sequence[str]],
    ) -> tuple[Findings, Reply]:
        """What the model finds that holds, and its reply.

        `answers` are those it may cite, by label; `sources` the phrases behind the labels of themes. Claims
        whose evidence does not hold are asked about once more, then left out and counted. Raises as
        `LanguageModel.generate` does, and `NothingHeld` when nothing is left, or a report has nothing to say.
        """
        reply = self._generate(prompt, filled, SCHEMAS[prompt], OUTPUT_TOKENS)
        found = insights(cast("DraftReading", reply.data))
        held, doubts = check(found, answers)
        if doubts:
            found = self._mend(found, doubts, answers, filled["language"])
            held, doubts = check(found, answers)
        if not held and (found or SCHEMAS[prompt] is DraftReport):
            raise NothingHeld(f"none of {len(found)} insights is borne out by the answers it names")
        if doubts:
            log.info("insights_rejected", rejected=len(doubts), held=len(held), item_id=str(self.claim.item_id))
        return findings(held, doubts, sources), reply

    def _mend(self, found: Found, doubts: Sequence[Doubt], answers: Mapping[str, Citable], language: str) -> Found:
        """The same insights, with new evidence where the model could give any."""
        listed = variables.statements(found, doubts)
        shown = _answers_for(found, doubts, answers)
        if not shown:
            return found
        filled = {"language": language, "statements": listed, "answers": variables.cited(shown)}
        try:
            reply = self._generate(MEND_PROMPT, filled, Mending, MEND_OUTPUT_TOKENS)
        except ShuttingDown:
            raise  # another process may well be able to mend it
        except SightError as error:
            # What held is worth more than another attempt at what did not.
            log.warning("mending_failed", code=error.code, item_id=str(self.claim.item_id))
            return found
        mended = {entry.label: entry.evidence for entry in cast("Mending", reply.data).statements}
        labels = iter(f"S{number}" for number in range(1, len(listed) + 1))
        changed = list(found)
        for doubt in doubts:
            fresh: dict[int, Sequence[Citation]] = {claim: mended.get(next(labels), []) for claim in doubt.faults}
            section, insight = found[doubt.index]
            changed[doubt.index] = (
                section,
                with_citations(insight, {claim: citations for claim, citations in fresh.items() if citations}),
            )
        return changed

    def _generate(
        self, prompt: str, filled: Mapping[str, Any], schema: type[DraftReading | Mending], max_output_tokens: int
    ) -> Reply:
        return self.llm.generate(
            Request(
                purpose=prompt,
                prompt=prompt,
                variables=filled,
                schema=schema,
                seed=self.seed,
                tier="analysis",
                temperature=TEMPERATURE,
                max_output_tokens=max_output_tokens,
            ),
            calls=self.calls,
            deadline=self.deadline,
        )


def _answers_for(found: Found, doubts: Sequence[Doubt], answers: Mapping[str, Citable]) -> dict[str, Citable]:
    """The answers that claims in doubt cite, and those which do hold what was quoted from another."""
    shown = {}
    for citation in _doubtful(found, doubts):
        if citation.answer in answers:
            shown[citation.answer] = answers[citation.answer]
        holding = [
            (label, answer)
            for label, answer in answers.items()
            if quotes.find(citation.quote, answer.text) and not quotes.too_short(citation.quote, answer.text)
        ]
        shown |= dict(holding[:MEND_CANDIDATES])
    return shown


def _doubtful(found: Found, doubts: Sequence[Doubt]) -> Iterator[Citation]:
    for doubt in doubts:
        made = claims(found[doubt.index][1])
        for claim in doubt.faults:
            yield from made[claim].citations
