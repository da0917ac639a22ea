"""Tests of saying what went wrong."""

from __future__ import annotations

from typing import Any

import pytest

from cli.documents import Part, parse_document
from cli.errors import CommandError, Problem, UnusableFile
from cli.problems import MAX_FINDINGS, prepare_complaint, show_complaint
from cli.screen import open_screen


def problem(status: int = 422, **body: Any) -> Problem:
    """A problem as the server sends it."""
    return Problem(status, {"title": "T", "detail": "it is wrong", "code": "invalid_input", "errors": [], **body})


def test_names_each_field_at_its_line() -> None:
    """Fields the server names are shown where they are in the file."""
    document = parse_document("panel:\n  audience: x\n  size: 9\n", "run.yaml")
    error = problem(errors=[{"field": "size", "message": "too many"}]).about(Part(document, "panel"))
    [finding] = prepare_complaint(error).findings
    assert (finding.field, finding.message, finding.place) == ("panel.size", "too many", "run.yaml:3")


def test_does_not_say_the_same_twice() -> None:
    """A single field that the message already names is not repeated."""
    error = problem(detail="size: too many", errors=[{"field": "size", "message": "too many"}])
    assert prepare_complaint(error).findings == ()


def test_cuts_long_lists_and_says_so() -> None:
    """Not more fields than one reads, and how many more there are."""
    errors = [{"field": f"questions[{n}]", "message": "is blank"} for n in range(50)]
    complaint = prepare_complaint(problem(errors=errors))
    assert (len(complaint.findings), complaint.unshown) == (MAX_FINDINGS, 50 - MAX_FINDINGS)


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (problem(401), "SIGHT_API_KEY"),
        (problem(404, code="job_not_found"), "sight jobs list"),
        (problem(409, code="idempotency_key_reused"), "--idempotency-key"),
        (problem(503, code="database_unavailable"), "try again"),
        (CommandError("x", hint="do y"), "do y"),
        (problem(418), ""),
    ],
)
def test_says_what_to_do(error: CommandError, hint: str) -> None:
    """Known troubles come with what to do about them."""
    assert hint in prepare_complaint(error).hint


def test_shows_it_all_on_stderr_as_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    """What the server or a file says is never taken for markup."""
    finding = problem(errors=[{"field": "a[0]", "message": "[red]x[/red]"}, {"field": "b", "message": "y"}])
    show_complaint(open_screen(), finding)
    show_complaint(open_screen(), UnusableFile("[bold]f[/bold] is empty", hint="write it"))
    out, err = capsys.readouterr()
    assert out == ""
    assert "a[0]  [red]x[/red]" in err
    assert "[bold]f[/bold] is empty" in err
    assert "→ write it" in err


def test_odd_bodies_are_survived() -> None:
    """A server that is not ours may say anything."""
    assert Problem(500, {}).message == "the server answered 500"
    assert Problem(400, {"errors": "x"}).findings == ()
    assert Problem(400, {"errors": [1, {"field": None}]}).findings != ()
