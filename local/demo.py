"""The whole of Sight in one go, as `make demo` shows it: a panel, a focus group on it, its analysis and what it took.

It is made of the steps of `sight run`, against a stack that is started for it and ended with it.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text
from sqlalchemy import text

from cli import workflow
from cli.client import connect
from cli.documents import Document, Part, read_document
from cli.errors import FAILED, INTERRUPTED, CommandError
from cli.ids import is_id
from cli.problems import show_complaint
from cli.progress import TITLES
from cli.projects import ensure_project
from cli.run_files import RunFile, parse_run
from cli.screen import ASCII, Screen, open_screen
from cli.views.audience import titles_of
from cli.views.estimate import prepare_expectation
from cli.views.fit import prepare_fit, show_fit
from cli.views.jobs import show_facts
from cli.views.numbers import seconds, usd
from cli.views.panel import prepare_review
from cli.views.personas import prepare_card, show_card
from cli.views.prose import show_prose
from cli.views.summary import prepare_summary, show_summary
from cli.views.tables import show_table
from cli.views.transcript import prepare_transcript, show_transcript
from common.database.engine import connect as connect_database
from common.settings import Settings
from local import stack
from local.interrupts import INTERRUPTS, Held, held
from local.processes import StartFailed
from local.stack import Stack

if TYPE_CHECKING:
    from cli.client import Client

ROOT = Path(__file__).parents[1]
RUN = ROOT / "examples" / "poland-oat-drink.yaml"
DATA = ROOT / ".sight" / "demo"
SIMULATED_LATENCY_SECONDS = 0.3
"""What a call of the simulated model takes in the demo, so that waiting for calls is most of the time."""
IDEAL = (
    "Ideal is the longest chain of LLM calls that must wait for each other, added up from their latencies as "
    "measured: the time it would take if nothing but the model took any."
)
CARDS = 3
TRANSCRIPTS = 3


@dataclass(frozen=True, slots=True)
class Stage:
    """A job of the demo: how long it took, the longest chain of LLM calls in it (both in seconds), and what
    was used."""

    title: str
    wall: float
    chain: float
    usage: dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the demo and returns its exit code, which is 0 only when all of it is complete."""
    parser = argparse.ArgumentParser(prog="python -m local.demo", description=__doc__)
    parser.add_argument("--bus", choices=["embedded", "pubsub"], default="embedded", help="what carries the events")
    parser.add_argument("--file", type=Path, default=RUN, help="the run file")
    parser.add_argument("--data-dir", type=Path, default=DATA, help="where the stack keeps its files")
    options = parser.parse_args(arguments)
    for number in INTERRUPTS:  # SIGINT as well, which is ignored in a program that a script put into the background
        signal.signal(number, _interrupt)
    screen = open_screen(notes_with_results=True)
    try:
        document = read_document(options.file)
        run = parse_run(document)
        with held() as interrupts, _start(screen, options.bus, options.data_dir, interrupts) as running:
            interrupts.release()
            client = connect(running.url, api_key=os.environ.get("SIGHT_API_KEY") or None)
            with client.session:
                _tell(screen, client, running, document, run)
    except CommandError as error:
        show_complaint(screen, error)
        return error.exit_code
    except StartFailed as error:
        show_complaint(screen, CommandError(f"the stack did not start: {error}"))
        return FAILED
    except KeyboardInterrupt:
        screen.note("Interrupted; the stack is ended.")
        return INTERRUPTED
    return 0


def _start(screen: Screen, bus: str, data_dir: Path, interrupts: Held) -> Stack:
    """Starts a stack of the demo's own, with the model it uses announced."""
    settings = {"SIGHT_BUS": bus}
    configured = Settings()
    if configured.llm_provider == "simulated":
        latency = configured.simulated_latency_seconds or SIMULATED_LATENCY_SECONDS
        settings["SIGHT_SIMULATED_LATENCY_SECONDS"] = str(latency)
        why = "SIGHT_LLM says so" if configured.llm == "simulated" else "there is no GOOGLE_API_KEY"
        model = (
            f"SIMULATED, because {why}: what personas say is put together by a seeded program and not by a language "
            f"model. Each call takes {latency:g} s and costs nothing, and every record is marked simulated."
        )
    else:
        model = f"Gemini ({configured.gemini_model}, analysis by {configured.gemini_analysis_model})"
    _heading(screen, "Sight")
    show_facts(screen, [("model", model), ("bus", bus), ("files", str(data_dir))])
    begun = time.monotonic()
    running = stack.start(data_dir=data_dir, settings=settings, interrupted=lambda: interrupts.come)
    screen.note(f"The stack is up after {time.monotonic() - begun:.1f} s at {running.url}")
    return running


def _tell(screen: Screen, client: Client, running: Stack, document: Document, run: RunFile) -> None:
    """Makes the panel, asks it and has the answers analysed; then shows each, and what it took."""
    project = ensure_project(client, run.project)
    expectation = prepare_expectation(workflow.estimates_of(client, run.panel, run.group))
    screen.note(f"{expectation}, the review of the panel and the analysis included.\n")
    panel_job = workflow.start_panel(client, project["id"], run.panel, part=Part(document, "panel"))
    panel_job = workflow.finish(client, screen, panel_job["id"])
    workflow.require_something(panel_job)
    group_job = workflow.start_group(
        client, project["id"], run.group, panel_job_id=panel_job["id"], part=Part(document, "group")
    )
    group_job = workflow.finish(client, screen, group_job["id"])
    workflow.require_something(group_job)
    summary, summary_job = workflow.finish_summary(client, screen, group_job["subject_id"])
    review_job = workflow.finish_review(client, screen, panel_job)

    _heading(screen, f"1. A panel of {run.panel.size}: {_audience_name(run)}")
    _show_panel(screen, client, run, panel_job)
    _heading(screen, f"2. A focus group of {len(run.group.questions)} questions: {run.group.name}")
    _show_transcripts(screen, client, group_job)
    _heading(screen, "3. The analysis: every insight with the answers it rests on")
    if summary is None:
        screen.out.print("There is none; why is said at the end.")
    else:
        show_summary(screen, prepare_summary(summary), segments=False)
    _heading(screen, "4. What it took")
    jobs = [job for job in (panel_job, group_job, summary_job) if job is not None]
    _show_figures(screen, client, running, jobs, review_job)
    workflow.require_all(*jobs, *([review_job] if review_job else []))


def _show_panel(screen: Screen, client: Client, run: RunFile, panel_job: dict[str, Any]) -> None:
    panel = client.get(f"/jobs/{panel_job['id']}/panel")
    named = run.panel.audience if isinstance(run.panel.audience, str) else None
    titles = titles_of(client.get(f"/catalogue/audiences/{named}")["spec"]) if named and not is_id(named) else None
    show_fit(screen, prepare_fit(panel["fit"], titles))
    show_facts(screen, prepare_review(panel["review"]))
    personas = client.pages(f"/projects/{panel_job['project_id']}/personas", job_id=panel_job["id"])
    screen.out.print(f"\nSome of the {len(personas)}:\n")
    for persona in personas[:CARDS]:
        show_card(screen, prepare_card(persona))
        screen.out.print()


def _show_transcripts(screen: Screen, client: Client, group_job: dict[str, Any]) -> None:
    group = group_job["subject_id"]
    questions = workflow.question_texts(client, group)
    entries = client.pages(f"/focus-groups/{group}/transcript", limit=TRANSCRIPTS * len(questions))
    show_transcript(screen, prepare_transcript(entries, questions))


def _show_figures(
    screen: Screen,
    client: Client,
    running: Stack,
    jobs: Sequence[dict[str, Any]],
    review_job: dict[str, Any] | None,
) -> None:
    beside = [review_job] if review_job else []
    chains = _longest_chains(running.database_url, [job["id"] for job in (*jobs, *beside)])
    # What follows a job begins when it ends, so that what lies between counts as time too.
    begun = {each["id"]: each["created_at"] for each in (*jobs, *beside)}
    begun |= {after["id"]: job["finished_at"] for job, after in pairwise(jobs)}
    stages = [
        Stage(
            TITLES[job["kind"]],
            _between(begun[job["id"]], job["finished_at"]),
            chains[job["id"]],
            client.get("/usage", job_id=job["id"])["total"],
        )
        for job in (*jobs, *beside)
    ]
    rows = prepare_stages(stages[: len(jobs)], stages[len(jobs) :])
    headings = ("", "calls", "input tokens", "output tokens", "cost", "wall", "ideal", "wall / ideal")
    show_table(screen, headings, rows, empty="", right=range(1, 8))
    show_prose(screen, Text(IDEAL))
    folder, group = os.path.relpath(running.data_dir), jobs[1]["subject_id"]
    screen.note(f"\nTo look closer:  SIGHT_DATA_DIR={folder} make run")
    screen.note(f"and beside it:   .venv/bin/sight transcript {group}")
    screen.note(f"                 .venv/bin/sight export {group} -o DIR")


def prepare_stages(stages: Sequence[Stage], beside: Sequence[Stage]) -> list[list[str]]:
    """Rows of the figures of each stage, of what ran beside them, and of all together: time of the stages,
    which followed one another, and usage of everything."""
    names = ("calls", "input_tokens", "output_tokens", "cost_micros")
    together = Stage(
        "together",
        sum(stage.wall for stage in stages),
        sum(stage.chain for stage in stages),
        {name: sum(stage.usage[name] for stage in (*stages, *beside)) for name in names},
    )
    aside = [replace(stage, title=f"{stage.title} (meanwhile)") for stage in beside]
    return [
        [
            stage.title,
            f"{stage.usage['calls']:,}",
            f"{stage.usage['input_tokens']:,}",
            f"{stage.usage['output_tokens']:,}",
            usd(stage.usage["cost_micros"]),
            seconds(stage.wall),
            seconds(stage.chain),
            f"{stage.wall / stage.chain:.2f}" if stage.chain else "-",
        ]
        for stage in (*stages, *aside, together)
    ]


_CHAINS = text("""
WITH item AS (
    SELECT i.job_id, i.persona_id, i.round, i.id, sum(c.latency_ms) AS ms
    FROM job_items i JOIN llm_calls c ON c.item_id = i.id AND c.job_id = i.job_id
    WHERE i.job_id = ANY(CAST(:jobs AS uuid[])) AND NOT c.cache_hit GROUP BY i.id
), persona AS (
    SELECT job_id, sum(ms) AS ms FROM item GROUP BY job_id, persona_id
), round AS (
    SELECT job_id, max(ms) AS ms FROM item GROUP BY job_id, round
)
SELECT j.id, CASE WHEN j.flow = 'chain' THEN (SELECT max(ms) FROM persona WHERE job_id = j.id)
                  ELSE (SELECT sum(ms) FROM round WHERE job_id = j.id) END AS ms
FROM jobs j WHERE j.id = ANY(CAST(:jobs AS uuid[]))
""")


def _longest_chains(database_url: str, jobs: Sequence[str]) -> dict[str, float]:
    """The seconds of the longest chain of LLM calls of each job: of an interview, the answers of the persona
    that took longest; otherwise the slowest item of each round, one round after the other."""
    engine = connect_database(database_url, pool_size=1)
    try:
        with engine.connect() as connection:
            rows = connection.execute(_CHAINS, {"jobs": list(jobs)}).all()
    finally:
        engine.dispose()
    return {str(row.id): float(row.ms or 0) / 1000 for row in rows}


def _between(begun: str, ended: str) -> float:
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(begun)).total_seconds()


def _audience_name(run: RunFile) -> str:
    audience = run.panel.audience
    return audience if isinstance(audience, str) else str(audience.get("name", "an audience of its own"))


def _heading(screen: Screen, title: str) -> None:
    screen.out.print()
    screen.out.rule(Text(title, style="bold"), align="left", characters="-" if screen.symbols is ASCII else "─")


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
