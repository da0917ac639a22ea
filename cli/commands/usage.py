"""`sight usage` and `sight estimate`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from cli.errors import WrongUsage
from cli.options import Json, Project, RunPath, client_of
from cli.projects import find_project
from cli.screen import open_screen

DAY_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"]


def usage(
    ctx: typer.Context,
    project: Project = None,
    job_id: Annotated[
        str | None, typer.Option("--job", metavar="JOB", help="Only of this job.", show_default=False)
    ] = None,
    since: Annotated[
        datetime | None, typer.Option(formats=DAY_FORMATS, help="From this time on (UTC).", show_default=False)
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=DAY_FORMATS, help="Before this time (UTC).", show_default=False)
    ] = None,
    by_day: Annotated[bool, typer.Option("--by-day", help="By day, instead of by purpose and model.")] = False,
    as_json: Json = False,
) -> None:
    """Show calls to language models, their tokens and what they cost.

    Examples:

    sight usage --since 2026-01-01 --by-day

    sight usage --job 0190b3a2-... --json
    """
    from cli.views.usage import show_usage

    screen, client = open_screen(), client_of(ctx)
    found = client.get(
        "/usage",
        project_id=find_project(client, project)["id"] if project else None,
        job_id=job_id,
        since=_utc(since),
        until=_utc(until),
    )
    if as_json:
        screen.json(found)
    else:
        show_usage(screen, found, by_day=by_day)


def estimate(
    ctx: typer.Context,
    file: RunPath,
    personas: Annotated[
        int | None,
        typer.Option(min=2, max=1000, help="How many personas, where the file does not say.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Estimate what a run, a panel or a group would take: calls, tokens, cost and time. Nothing is started.

    Each figure is the median, and what it stays under in 9 of 10 cases.

    Examples:

    sight estimate examples/poland-oat-drink.yaml

    sight estimate questions.yaml --personas 500 --json
    """
    from cli.documents import read_document
    from cli.run_files import parse_any
    from cli.views.estimate import show_estimates
    from cli.workflow import estimates_of

    document = read_document(file)
    panel, group = parse_any(document, {} if personas is None else {"size": personas})
    if panel is None and personas is None:
        raise WrongUsage(f"{document.name} does not say how many personas", hint="Say it with --personas.")
    screen, client = open_screen(), client_of(ctx)
    found: dict[str, Any] = estimates_of(client, panel, group, personas=personas)
    if as_json:
        screen.json(found)
    else:
        show_estimates(screen, found)


def _utc(instant: datetime | None) -> str | None:
    return None if instant is None else instant.replace(tzinfo=UTC).isoformat()
