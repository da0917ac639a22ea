"""Tests of exporting a run."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from cli.errors import WrongUsage
from cli.exporting import BOM, Run, prepare_csv, render, write_files
from tests.unit.cli.samples import GROUP, entry, job, panel, persona, summary


def run(**changes: Any) -> Run:
    """A run of two personas and two questions, one answer missing."""
    missing = entry(1, 1, answer=None, gap={"code": "llm_refused", "detail": "the model refused"}, state="failed")
    questions = [
        {"id": f"q{n}", "position": n, "text": f"Question {n}?", "answered": 2, "failed": 0, "skipped": 0, "pending": 0}
        for n in range(2)
    ]
    parts: dict[str, Any] = {
        "group": {"id": GROUP},
        "job": job(),
        "questions": questions,
        "personas": [persona(0), persona(1, name="=cmd|' /C calc'!A0")],
        "missing": [],
        "answers": [entry(0, 0), entry(0, 1), entry(1, 0), missing],
        "summary": summary(),
        "panels": [panel()],
    }
    return Run(**parts | changes)


def rows(text: str) -> list[dict[str, str]]:
    """The rows of a CSV file by heading."""
    assert text.startswith(BOM)
    return list(csv.DictReader(io.StringIO(text.removeprefix(BOM), newline="")))


def test_json_holds_everything_as_the_server_said_it() -> None:
    """Documents are the server's own, one for each kind."""
    files = {name: json.loads(text) for name, text in render(run(), "json").items()}
    assert sorted(files) == [
        "answers.json",
        "group.json",
        "panel.json",
        "personas.json",
        "questions.json",
        "summary.json",
    ]
    assert files["answers.json"] == run().answers
    assert files["summary.json"] == summary()


def test_tables_can_be_joined_and_read_alone() -> None:
    """Answers carry who gave them, demographics included, positions count from 1, and gaps say why."""
    files = render(run(), "csv")
    answers = rows(files["answers.csv"])
    assert [(row["persona"], row["question"], row["gender"]) for row in answers[:2]] == [
        ("1", "1", "Kobieta"),
        ("1", "2", "Kobieta"),
    ]
    assert (answers[0]["sentiment"], answers[0]["themes"]) == ("-0.25", "price; taste")
    assert (answers[3]["text"], answers[3]["sentiment"], answers[3]["why_missing"]) == ("", "", "the model refused")
    personas = rows(files["personas.csv"])
    assert {row["id"] for row in personas} == {row["persona_id"] for row in answers}
    assert personas[0]["openness"] == "55.0"
    assert [row["text"] for row in rows(files["questions.csv"])] == ["Question 0?", "Question 1?"]


def test_no_cell_is_a_formula() -> None:
    """Names and answers that a spreadsheet would run are made harmless."""
    assert rows(render(run(), "csv")["personas.csv"])[1]["name"] == "'=cmd|' /C calc'!A0"


def test_a_summary_is_a_row_for_each_quote() -> None:
    """Every insight is there with each quote it rests on, sides of a disagreement too."""
    table = rows(render(run(), "csv")["summary.csv"])
    assert [(row["section"], row["quote"]) for row in table[:3]] == [
        ("executive_summary", f"quote {n}") for n in range(3)
    ]
    assert {row["section"] for row in table} == {
        "executive_summary",
        "themes",
        "surprising",
        "recommendations",
        "disagreements",
    }
    assert [row["detail"] for row in table if row["section"] == "disagreements"] == ["It is.", "It is not."]


def test_a_panel_is_a_row_for_each_label() -> None:
    """Targets stand beside what was produced."""
    [first, _] = rows(render(run(), "csv")["panel.csv"])
    assert (first["dimension"], first["label"], first["target_share"], first["produced_seats"]) == (
        "gender",
        "Kobieta",
        "0.52",
        "10",
    )


@pytest.mark.parametrize("nothing", [None, summary(report=None)])
def test_a_run_without_a_summary_can_be_exported(nothing: dict[str, Any] | None) -> None:
    """What is not there makes an empty table."""
    tables = prepare_csv(run(summary=nothing, personas=[], panels=[]))
    assert tables["summary.csv"].rows == []
    assert tables["personas.csv"].rows == []
    assert len(tables["answers.csv"].rows) == 4


def test_files_are_not_replaced_unasked(tmp_path: Path) -> None:
    """What is there stays, and nothing is written beside it."""
    write_files(tmp_path / "new", {"a.csv": "ł\r\n"}, replace=False)
    assert (tmp_path / "new" / "a.csv").read_bytes() == "ł\r\n".encode()
    with pytest.raises(WrongUsage, match="is there already"):
        write_files(tmp_path / "new", {"b.csv": "", "a.csv": "other"}, replace=False)
    assert not (tmp_path / "new" / "b.csv").exists()
    write_files(tmp_path / "new", {"a.csv": "other"}, replace=True)
    assert (tmp_path / "new" / "a.csv").read_text() == "other"


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """A file where the folder should be is named."""
    (tmp_path / "file").write_text("")
    with pytest.raises(WrongUsage, match="cannot be written"):
        write_files(tmp_path / "file" / "folder", {"a": ""}, replace=True)
