"""`sight run` and `sight export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cli.options import Json, Key, Project, RunPath, client_of
from cli.projects import ensure_project, find_project
from cli.screen import open_screen


def run(
    ctx: typer.Context,
    file: RunPath,
    project: Project = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Run a file from start to finish: make its panel, ask it, and show the analysis.

    The file says `project`, `panel` (an audience and a size) and `group` (a name and questions); see
    examples/ and docs/cli.md. All of it is checked before anything is asked for.

    Examples:

    sight run examples/poland-oat-drink.yaml

    sight run examples/us-app-privacy.yaml --json > run.json
    """
    from cli.documents import Part, read_document
    from cli.run_files import parse_run
    from cli.views.estimate import prepare_expectation
    from cli.views.panel import show_panel
    from cli.views.summary import prepare_summary, show_summary
    from cli.workflow import (
        estimates_of,
        finish,
        finish_summary,
        require_all,
        require_review,
        require_something,
        start_group,
        start_panel,
    )

    screen, client = open_screen(), client_of(ctx)
    document = read_document(file)
    wanted = parse_run(document)
    home = ensure_project(client, wanted.project) if project is None else find_project(client, project)
    screen.note(f"{prepare_expectation(estimates_of(client, wanted.panel, wanted.group))}.")
    panel_job = start_panel(client, home["id"], wanted.panel, key=key and f"{key}:panel", part=Part(document, "panel"))
    panel_job = finish(client, screen, panel_job["id"])
    require_something(panel_job)
    if wanted.group.without_duplicates:
        require_review(client, screen, panel_job)
    group_job = start_group(
        client,
        home["id"],
        wanted.group,
        panel_job_id=panel_job["id"],
        key=key and f"{key}:group",
        part=Part(document, "group"),
    )
    group_job = finish(client, screen, group_job["id"])
    require_something(group_job)
    summary, summary_job = finish_summary(client, screen, group_job["subject_id"])
    panel = client.get(f"/jobs/{panel_job['id']}/panel")
    jobs: dict[str, Any] = {"personas": panel_job, "focus_group": group_job, "summary": summary_job}
    if as_json:
        found = {"project": home, "panel": panel, "focus_group_id": group_job["subject_id"], "summary": summary}
        screen.json(found | {"jobs": jobs})
    else:
        show_panel(screen, panel)
        if summary is not None:
            show_summary(screen, prepare_summary(summary))
        screen.note(f"Read what was said: sight transcript {group_job['subject_id']}")
        screen.note(f"Keep it:            sight export {group_job['subject_id']} -o DIR")
    require_all(*(job for job in jobs.values() if job is not None))


def export(
    ctx: typer.Context,
    group_id: Annotated[str, typer.Argument(metavar="GROUP", help="The focus group's id.")],
    folder: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where the files go.")],
    form: Annotated[Literal["json", "csv"], typer.Option("--format", help="Documents, or tables.")] = "json",
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there already.")] = False,
    as_json: Json = False,
) -> None:
    """Export a run: personas, questions, answers, summary and panel report.

    CSV is UTF-8 for spreadsheets: text that a spreadsheet would run as a formula has an apostrophe before it.

    Examples:

    sight export 0190b3a2-... -o oat-drink

    sight export 0190b3a2-... --format csv -o oat-drink-tables
    """
    from cli.exporting import fetch_run, render, write_files

    screen, client = open_screen(), client_of(ctx)
    found = fetch_run(client, group_id)
    paths = write_files(folder, render(found, form), replace=force)
    if as_json:
        screen.json([str(path) for path in paths])
    else:
        for path in paths:
            screen.out.print(str(path), markup=False, soft_wrap=True)
    if found.missing:
        screen.note(f"Personas deleted since, and left out: {len(found.missing)}. Their answers are there.")
    if found.summary is None:
        screen.note("There is no summary of this group.")
