"""Shows a job under way: a bar that moves on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from cli.errors import DONE, FAILED, INCOMPLETE, CommandError
from cli.watch import Progress

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

    from cli.screen import Screen

PLAIN_STEPS = 4
"""Lines written while a job is under way where there is no terminal: one per quarter."""

TITLES = {"personas": "Personas", "panel_review": "Panel review", "focus_group": "Answers", "summary": "Analysis"}
_EXIT_CODES = {"completed": DONE, "failed": FAILED, "partial": INCOMPLETE, "cancelled": INCOMPLETE}


class JobEnded(CommandError):
    """A job came to an end that is not completion; `job` says how far it got and why."""

    def __init__(self, job: dict[str, Any]) -> None:
        super().__init__(prepare_ending(job), hint=_hint(job))
        self.job = job
        self.exit_code = exit_code_of(job)


def exit_code_of(job: dict[str, Any]) -> int:
    """The exit code that tells a script how the job ended."""
    return _EXIT_CODES.get(job["state"], FAILED)


def prepare_ending(job: dict[str, Any]) -> str:
    """How a job ended, with counts and reasons."""
    items = job["items"]
    text = f"{TITLES.get(job['kind'], job['kind'])}: {job['state']}, {items['done']} of {items['total']} done"
    if items["failed"]:
        text += f", {items['failed']} failed"
    if items["skipped"]:
        text += f", {items['skipped']} not run"
    return "; ".join([text, *(f"{each['items']} x {each['detail']} ({each['code']})" for each in job["reasons"])])


def _hint(job: dict[str, Any]) -> str:
    if job["items"]["failed"] or job["items"]["skipped"]:
        resume = " --resume" if job["items"]["skipped"] else ""
        return f"Run what is missing with: sight jobs retry {job['id']}{resume}"
    return ""


def show_progress(
    screen: Screen, updates: Iterable[Progress], *, title: str = "", clock: Callable[[], float] = time.monotonic
) -> dict[str, Any]:
    """Shows the updates as they come and returns the job as it ended. Ctrl-C ends the showing, not the job."""
    latest: list[dict[str, Any]] = []

    def seen() -> Iterator[Progress]:
        for update in updates:
            latest[:] = [update.job]
            yield update

    try:
        if screen.notes.is_terminal:
            _moving(screen, seen(), title)
        else:
            _plain(screen, seen(), title, clock)
    except KeyboardInterrupt:
        if latest:
            screen.note(f"The job goes on. Watch it again with: sight watch {latest[0]['id']}")
        raise
    return latest[0]


def _moving(screen: Screen, updates: Iterable[Progress], title: str) -> None:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars

    plain = screen.symbols.good.isascii()
    columns: list[ProgressColumn] = [
        SpinnerColumn("line" if plain else "dots", finished_text=screen.symbols.good),
        TextColumn("{task.description:<13}"),
        BarColumn(bar_width=32),
        MofNCompleteColumn(),
        TextColumn("[red]{task.fields[trouble]}[/red]"),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
    ]
    with Bars(*columns, console=screen.notes) as bars:
        task = None
        for update in updates:
            if task is None:
                name = title or TITLES.get(update.job["kind"], update.job["kind"])
                task = bars.add_task(name, total=update.total, trouble="")
            bars.update(task, total=update.total, completed=update.settled, trouble=prepare_trouble(update))


def _plain(screen: Screen, updates: Iterable[Progress], title: str, clock: Callable[[], float]) -> None:
    begun, shown = clock(), -1
    for update in updates:
        step = update.settled * PLAIN_STEPS // max(1, update.total)
        if step > shown or update.ended:
            shown = step
            name = title or TITLES.get(update.job["kind"], update.job["kind"])
            trouble = prepare_trouble(update)
            counts = f"{update.settled} of {update.total}" + (f" ({trouble})" if trouble else "")
            screen.note(f"{name:<13} {counts:<14} {clock() - begun:.1f} s")


def prepare_trouble(progress: Progress) -> str:
    """What did not go well so far, empty when all did."""
    parts = [f"{progress.failed} failed"] if progress.failed else []
    if progress.skipped:
        parts.append(f"{progress.skipped} not run")
    return ", ".join(parts)
