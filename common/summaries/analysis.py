"""Works on one item of a summary: reads a portion, merges readings, or makes the report."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING, Any
from uuid import UUID

from common.database.engine import autocommit
from common.jobs.models import Effect
from common.summaries import group as groups
from common.summaries import sentiment, store, themes, variables
from common.summaries.checking import labelled
from common.summaries.errors import NothingHeld, NothingRead, PartsOpen
from common.summaries.models import Coverage, Missing, Reading, Rejection, Report
from common.summaries.portions import Portion, places, steps
from common.summaries.reading import Reader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Engine

    from common.jobs.models import Claim
    from common.llm.port import Calls, LanguageModel, Reply
    from common.summaries.group import Answer, Given, Group
    from common.summaries.models import Fault, Findings, Section
    from common.summaries.portions import Step


def analyse(claim: Claim, calls: Calls, deadline: float, *, engine: Engine, llm: LanguageModel) -> Effect:
    """Makes the result of a summary's item; `functools.partial` of it is what `jobs.work` performs.

    Raises as `LanguageModel.generate` does, `NothingHeld` when a reply proves nothing, and `NothingRead`
    when there is nothing to work on.
    """
    portions = [Portion(*bounds) for bounds in claim.spec["portions"]]
    planned = steps(len(portions), claim.spec["fan_in"])
    reader = Reader(llm, claim, _seed(engine, claim), calls, deadline)
    step = planned[claim.position]
    match step.kind:
        case "whole":
            return _whole(reader, engine, portions)
        case "part":
            return _part(reader, engine, portions, step)
        case "fold":
            return _fold(reader, engine, portions, planned)
        case _:
            return _merge(reader, engine, portions, planned)


def _seed(engine: Engine, claim: Claim) -> int:
    """The seed (31 bits) of an item's requests: the same each time, so that a killed worker's successor
    finds its replies in the cache, but for one that follows a reply which proved nothing."""
    variation = 0
    if claim.attempts > 1:
        with autocommit(engine) as connection:
            last = store.outcomes(connection, claim.workspace_id, claim.job_id, [claim.position])[claim.position]
        variation = claim.token if last.code == NothingHeld.code else 0
    digest = hashlib.blake2b(f"{claim.seed}:{claim.position}:{variation}".encode(), digest_size=4).digest()
    return int.from_bytes(digest) >> 1


def _whole(reader: Reader, engine: Engine, portions: Sequence[Portion]) -> Effect:
    """The report of a group whose answers fit into one prompt."""
    group, answers = _answers(reader.claim, engine, portions, 0)
    findings, reply = _read(reader, "summary", group, answers, with_figures=True)
    reading = Reading(answers_read=len(answers), missing=[], findings=findings)
    return _report_effect(group, _report(group, answers, reading, len(portions)), reply)


def _part(reader: Reader, engine: Engine, portions: Sequence[Portion], step: Step) -> Effect:
    """The reading of one portion, taken over where an earlier summary has it."""
    claim = reader.claim
    if "parts_of" in claim.spec:
        with autocommit(engine) as connection:
            parts = store.readings(connection, claim.workspace_id, UUID(claim.spec["parts_of"]), [claim.position])
        if parts:
            return _part_effect(parts[claim.position])
    group, answers = _answers(claim, engine, portions, step.first)
    findings, _ = _read(reader, "summary_part", group, answers, with_figures=False)
    return _part_effect(Reading(answers_read=len(answers), missing=[], findings=findings))


def _fold(reader: Reader, engine: Engine, portions: Sequence[Portion], planned: Sequence[Step]) -> Effect:
    """One reading of several."""
    with autocommit(engine) as connection:
        group = _group(connection, reader.claim)
        parts, missing = _sources(connection, reader.claim, portions, planned)
        answers = _cited(connection, reader.claim, parts)
    findings, _ = _merged(reader, "summary_fold", group, answers, parts, {})
    return _part_effect(_reading(parts, missing, findings))


def _merge(reader: Reader, engine: Engine, portions: Sequence[Portion], planned: Sequence[Step]) -> Effect:
    """The report of a group whose answers were read in portions."""
    claim = reader.claim
    with autocommit(engine) as connection:
        group = _group(connection, claim)
        parts, missing = _sources(connection, claim, portions, planned)
        answers = _cited(connection, claim, parts)
        given = groups.given(connection, claim.workspace_id, group.id)
    figures = variables.figures(sentiment.measure(given, group.questions, group.members))
    findings, reply = _merged(reader, "summary_merge", group, answers, parts, {"figures": figures})
    return _report_effect(group, _report(group, given, _reading(parts, missing, findings), len(portions)), reply)


def _read(
    reader: Reader, prompt: str, group: Group, answers: Sequence[Answer], *, with_figures: bool
) -> tuple[Findings, Reply]:
    table = variables.phrase_table(themes.frequent_phrases(answers))
    filled = {
        **variables.about(group),
        "phrases": table,
        "people": variables.people(answers, group, {row["phrase"]: row["label"] for row in table}),
    }
    if with_figures:
        filled["figures"] = variables.figures(sentiment.measure(answers, group.questions, group.members))
    sources = {row["label"]: [row["phrase"]] for row in table}
    return reader.ask(prompt, filled, labelled(answers, group), sources)


def _merged(
    reader: Reader,
    prompt: str,
    group: Group,
    answers: Sequence[Answer],
    parts: Sequence[Reading],
    more: dict[str, Any],
) -> tuple[Findings, Reply]:
    citable = labelled(answers, group)
    shown, sources = variables.readings(parts, {answer.answer_id: label for label, answer in citable.items()})
    return reader.ask(prompt, {**variables.about(group), **more, "readings": shown}, citable, sources)


def _group(connection: Any, claim: Claim) -> Group:
    return groups.load(connection, claim.workspace_id, UUID(claim.spec["focus_group_id"]))


def _answers(claim: Claim, engine: Engine, portions: Sequence[Portion], number: int) -> tuple[Group, list[Answer]]:
    first, stop = places(portions, number)
    with autocommit(engine) as connection:
        group = _group(connection, claim)
        # The first portion begins at the very first answer, also one that was given after it was planned.
        answers = groups.between(connection, claim.workspace_id, group.id, (0, 0) if number == 0 else first, stop)
    if not answers:
        raise NothingRead("the answers to read are gone")
    return group, answers


def _sources(
    connection: Any, claim: Claim, portions: Sequence[Portion], planned: Sequence[Step]
) -> tuple[list[Reading], list[Missing]]:
    """The readings an item merges, and what is missing for those that failed."""
    positions = range(*planned[claim.position].sources)
    outcomes = store.outcomes(connection, claim.workspace_id, claim.job_id, positions)
    if any(outcome.state not in store.ENDED for outcome in outcomes.values()):
        raise PartsOpen("parts of the summary are still being read")
    readings = store.readings(connection, claim.workspace_id, claim.job_id, positions)
    missing = []
    for position in positions:
        if position not in readings:
            covered = portions[planned[position].first : planned[position].last + 1]
            missing.append(
                Missing(
                    answers=sum(portion.answers for portion in covered),
                    first_persona=covered[0].persona,
                    last_persona=covered[-1].last_persona,
                    code=outcomes[position].code or "unknown",
                    reason=outcomes[position].reason or "it was not read",
                )
            )
    if not readings:
        raise NothingRead(f"no part of the answers could be read: {missing[0].reason}")
    return [readings[position] for position in sorted(readings)], missing


def _cited(connection: Any, claim: Claim, parts: Sequence[Reading]) -> list[Answer]:
    ids = {evidence.answer_id for part in parts for evidence in part.findings.evidence()}
    return groups.among(connection, claim.workspace_id, UUID(claim.spec["focus_group_id"]), ids)


def _reading(parts: Sequence[Reading], missing: Sequence[Missing], findings: Findings) -> Reading:
    """A merged reading, with what its parts miss and rejected."""
    counts: Counter[tuple[Section, Fault]] = Counter()
    for rejection in (
        rejection for found in (*(part.findings for part in parts), findings) for rejection in found.rejected
    ):
        counts[rejection.section, rejection.fault] += rejection.count
    rejected = [Rejection(section=section, fault=fault, count=count) for (section, fault), count in counts.items()]
    return Reading(
        answers_read=sum(part.answers_read for part in parts),
        missing=[*(gap for part in parts for gap in part.missing), *missing],
        findings=findings.model_copy(update={"rejected": rejected}),
    )


def _report(group: Group, answers: Sequence[Given], reading: Reading, portions: int) -> Report:
    found = reading.findings
    counted, unthemed = themes.count(found.themes, answers, group.members)
    return Report(
        language=group.language,
        coverage=Coverage(
            answers_asked=len(group.members) * len(group.questions),
            answers_given=len(answers),
            answers_read=reading.answers_read,
            personas=len({answer.persona for answer in answers}),
            portions=portions,
            missing=reading.missing,
            unthemed=unthemed,
        ),
        executive_summary=found.executive_summary,
        themes=counted,
        sentiment=sentiment.measure(answers, group.questions, group.members),
        surprising=found.surprising,
        disagreements=found.disagreements,
        recommendations=found.recommendations,
        rejected=found.rejected,
    )


def _part_effect(reading: Reading) -> Effect:
    return Effect(store.INSERT_PART, {"e_content": reading.model_dump_json()})


def _report_effect(group: Group, report: Report, reply: Reply) -> Effect:
    return Effect(
        store.INSERT_SUMMARY,
        {
            "e_group": group.id,
            "e_report": report.model_dump_json(),
            "e_model": reply.model,
            "e_prompt_hash": reply.prompt_hash,
            "e_simulated": reply.simulated,
        },
    )
