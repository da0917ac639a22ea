"""Jobs: how they stand, and why what is missing is missing."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from cli.progress import TITLES
from cli.views.numbers import seconds, usd
from cli.views.tables import show_table, when

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cli.screen import Screen


def took(job: dict[str, Any]) -> float | None:
    """Seconds from acceptance to the end; None while it runs."""
    if not job["finished_at"]:
        return None
    span = datetime.fromisoformat(job["finished_at"]) - datetime.fromisoformat(job["created_at"])
    return span.total_seconds()


def prepare_jobs(jobs: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Rows of a list of jobs."""
    return [
        [
            job["id"],
            TITLES.get(job["kind"], job["kind"]),
            job["state"],
            f"{job['items']['done']}/{job['items']['total']}",
            usd(job["spend"]["spent_micros"]),
            when(job["created_at"]),
            seconds(took(job)),
        ]
        for job in jobs
    ]


def prepare_job(job: dict[str, Any]) -> list[tuple[str, str]]:
    """The facts about one job."""
    items, spend = job["items"], job["spend"]
    state = job["state"] + (f" ({job['stop_reason']})" if job["stop_reason"] else "")
    counts = f"{items['done']} done, {items['failed']} failed, {items['skipped']} not run, of {items['total']}"
    spent = usd(spend["spent_micros"])
    if spend["budget_micros"] is not None:
        spent += f" of {usd(spend['budget_micros'])}"
    facts = [
        ("job", job["id"]),
        ("kind", job["kind"]),
        ("state", state),
        ("items", counts),
        ("spent", spent),
        ("seed", str(job["seed"])),
        ("model", "simulated" if job["simulated"] else "real"),
        ("project", job["project_id"]),
        ("created", when(job["created_at"])),
        (
            "deadline" if took(job) is None else "took",
            when(job["deadline_at"]) if took(job) is None else seconds(took(job)),
        ),
    ]
    if job["subject_id"]:
        facts.insert(2, ("about", job["subject_id"]))
    return facts


def show_jobs(screen: Screen, jobs: Sequence[dict[str, Any]]) -> None:
    """Shows a list of jobs."""
    headings = ("job", "kind", "state", "items", "spent", "created", "took")
    show_table(screen, headings, prepare_jobs(jobs), empty="There are no jobs yet.", right=(3, 4, 6))


def show_job(screen: Screen, job: dict[str, Any]) -> None:
    """Shows one job and the reasons of what failed or did not run."""
    show_facts(screen, prepare_job(job))
    if job["reasons"]:
        rows = [[str(each["items"]), each["code"], each["detail"]] for each in job["reasons"]]
        show_table(screen, ("items", "code", "why"), rows, empty="", right=(0,), whole=(1,))


def show_facts(screen: Screen, facts: Sequence[tuple[str, str]]) -> None:
    """Shows names with their values."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for name, value in facts:
        table.add_row(Text(name, style="dim"), Text(value))
    screen.out.print(table)
