"""A run as files: everything about a focus group, its personas and panels, as JSON or as tables for spreadsheets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.errors import Problem, WrongUsage
from cli.spreadsheet import Cell, to_csv

if TYPE_CHECKING:
    from cli.client import Client

BOM = "\ufeff"
"""What spreadsheets know UTF-8 by. JSON may not have it (RFC 8259, 8.1)."""


@dataclass(frozen=True, slots=True)
class Run:
    """All there is about a group. `missing` are members whose personas were deleted."""

    group: dict[str, Any]
    job: dict[str, Any]
    questions: list[dict[str, Any]]
    personas: list[dict[str, Any]]
    missing: list[str]
    answers: list[dict[str, Any]]
    summary: dict[str, Any] | None
    panels: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of an export."""

    headings: tuple[str, ...]
    rows: list[list[Cell]]


def fetch_run(client: Client, group_id: str) -> Run:
    """Everything about a group. Raises `Problem`."""
    group = client.get(f"/focus-groups/{group_id}")
    members = [each["persona_id"] for each in client.pages(f"/focus-groups/{group_id}/members")]
    personas, missing = _personas(client, members)
    panels = list(dict.fromkeys(each["job_id"] for each in personas))
    return Run(
        group,
        client.get(f"/jobs/{group['job_id']}"),
        client.get(f"/focus-groups/{group_id}/questions")["items"],
        personas,
        missing,
        client.pages(f"/focus-groups/{group_id}/transcript"),
        _summary(client, group_id),
        [client.get(f"/jobs/{job_id}/panel") for job_id in panels],
    )


def _personas(client: Client, wanted: Sequence[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """The personas of these ids, fetched panel by panel, and the ids of those who are gone."""
    found: dict[str, dict[str, Any]] = {}
    missing = []
    for persona_id in wanted:
        if persona_id in found:
            continue
        try:
            persona = client.get(f"/personas/{persona_id}")
        except Problem as problem:
            if problem.status != 404:
                raise
            missing.append(persona_id)
            continue
        panel = client.pages(f"/projects/{persona['project_id']}/personas", job_id=persona["job_id"])
        found |= {each["id"]: each for each in (*panel, persona)}
    return [found[persona_id] for persona_id in wanted if persona_id in found], missing


def _summary(client: Client, group_id: str) -> dict[str, Any] | None:
    try:
        summary: dict[str, Any] = client.get(f"/focus-groups/{group_id}/summary")
    except Problem as problem:
        if problem.code != "summary_not_found":
            raise
        return None
    return summary


def prepare_json(run: Run) -> dict[str, Any]:
    """The documents of an export, by file name."""
    return {
        "group.json": {"group": run.group, "job": run.job, "missing_personas": run.missing},
        "questions.json": run.questions,
        "personas.json": run.personas,
        "answers.json": run.answers,
        "summary.json": run.summary,
        "panel.json": run.panels,
    }


def prepare_csv(run: Run) -> dict[str, Table]:
    """The tables of an export, by file name."""
    return {
        "questions.csv": _questions_table(run),
        "personas.csv": _personas_table(run),
        "answers.csv": _answers_table(run),
        "summary.csv": _summary_table(run),
        "panel.csv": _panel_table(run),
    }


def write_files(folder: Path, files: Mapping[str, str], *, replace: bool) -> list[Path]:
    """Writes the files and returns their paths. Raises `WrongUsage` when one is there already, unless they
    may be replaced, or when they cannot be written."""
    paths = [folder / name for name in files]
    there = [path for path in paths if path.exists()]
    if there and not replace:
        raise WrongUsage(f"{there[0]} is there already", hint="Give another folder with -o, or --force.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in zip(paths, files.values(), strict=True):
            path.write_text(content, encoding="utf-8", newline="")
    except OSError as error:
        raise WrongUsage(f"{error.filename or folder} cannot be written: {error.strerror}") from error
    return paths


def render(run: Run, form: str) -> dict[str, str]:
    """The contents of an export's files by name, as `json` or `csv`."""
    if form == "json":
        return {name: json.dumps(each, indent=2, ensure_ascii=False) + "\n" for name, each in prepare_json(run).items()}
    return {name: BOM + to_csv(table.headings, table.rows) for name, table in prepare_csv(run).items()}


def _questions_table(run: Run) -> Table:
    headings = ("question", "text", "answered", "failed", "skipped", "pending", "id")
    return Table(
        headings,
        [[each["position"] + 1, *(each[name] for name in headings[1:])] for each in run.questions],
    )


def _dimensions(run: Run) -> list[str]:
    return list(dict.fromkeys(name for persona in run.personas for name in persona["demographics"]))


def _personas_table(run: Run) -> Table:
    dimensions = _dimensions(run)
    traits = list(dict.fromkeys(name for persona in run.personas for name in persona["traits"]))
    plain = ("age_years", "occupation", "story", "communication_style", "decision_style")
    lists = ("values", "interests", "concerns", "needs", "pains")
    rows: list[list[Cell]] = [
        [
            each["id"],
            each["name"],
            each["headline"],
            *(each["demographics"].get(name) for name in dimensions),
            *(each["profile"][name] for name in plain),
            *("; ".join(each["profile"][name]) for name in lists),
            *(each["traits"].get(name) for name in traits),
            each["quality"]["score"],
            each["duplicate_of"],
            each["model"],
            each["simulated"],
        ]
        for each in run.personas
    ]
    headings = ("id", "name", "headline", *dimensions, *plain, *lists, *traits)
    return Table((*headings, "quality", "duplicate_of", "model", "simulated"), rows)


def _answers_table(run: Run) -> Table:
    dimensions = _dimensions(run)
    who = {persona["id"]: persona["demographics"] for persona in run.personas}
    said = ("text", "stance", "sentiment", "confidence")
    rows: list[list[Cell]] = []
    for entry in run.answers:
        answer, gap = entry["answer"] or {}, entry["gap"] or {}
        rows.append(
            [
                entry["persona_position"] + 1,
                entry["persona_name"],
                *(who.get(entry["persona_id"], {}).get(name) for name in dimensions),
                entry["question_position"] + 1,
                entry["state"],
                *(answer.get(name) for name in said),
                "; ".join(answer.get("themes", ())),
                gap.get("detail"),
                entry["persona_id"],
                entry["question_id"],
                answer.get("id"),
                answer.get("model"),
                answer.get("simulated"),
            ]
        )
    ids = ("persona_id", "question_id", "answer_id", "model", "simulated")
    headings = ("persona", "name", *dimensions, "question", "state", *said, "themes", "why_missing", *ids)
    return Table(headings, rows)


def _summary_table(run: Run) -> Table:
    """One row for each quote an insight rests on."""
    report = (run.summary or {}).get("report") or {}
    rows: list[list[Cell]] = [
        [section, number, statement, detail, *_evidence(each)]
        for section, number, statement, detail, evidence in _insights(report)
        for each in evidence or [{}]
    ]
    headings = ("section", "insight", "statement", "detail", "quote", "persona", "question", "persona_id", "answer_id")
    return Table(headings, rows)


def _evidence(each: dict[str, Any]) -> list[Cell]:
    question = each.get("question")
    asked = None if question is None else question + 1
    return [each.get("quote"), each.get("persona_name"), asked, each.get("persona_id"), each.get("answer_id")]


def _insights(report: dict[str, Any]) -> Iterator[tuple[str, int, str, str, list[dict[str, Any]]]]:
    named = {
        "executive_summary": ("statement", None),
        "themes": ("name", "description"),
        "surprising": ("statement", "expectation"),
        "recommendations": ("action", "reason"),
    }
    for section, (statement, detail) in named.items():
        for number, each in enumerate(report.get(section, ()), 1):
            yield section, number, each[statement], each[detail] if detail else "", each["evidence"]
    for number, each in enumerate(report.get("disagreements", ()), 1):
        for side in each["sides"]:
            yield "disagreements", number, each["about"], side["position"], side["evidence"]


def _panel_table(run: Run) -> Table:
    """One row for each label of each dimension: what was asked for and what there is."""
    rows: list[list[Cell]] = [
        [
            panel["job_id"],
            panel["audience"],
            dimension["dimension"],
            label["label"],
            label["target_share"],
            label["target_seats"],
            label["produced"],
            label["produced_share"],
            dimension["within_one_seat"],
            dimension["deviation"]["p_value"],
        ]
        for panel in run.panels
        for dimension in panel["fit"]["dimensions"]
        for label in dimension["labels"]
    ]
    figures = ("target_share", "target_seats", "produced_seats", "produced_share", "within_one_seat", "p_value")
    return Table(("panel", "audience", "dimension", "label", *figures), rows)
