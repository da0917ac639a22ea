"""`sight panel`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.errors import WrongUsage
from cli.options import Json, Key, Project, Wait, client_of
from cli.projects import ensure_project, find_project
from cli.screen import open_screen

if TYPE_CHECKING:
    from cli.documents import Part
    from cli.run_files import PanelFile

app = typer.Typer(no_args_is_help=True, help="Panels: personas drawn to match an audience.")


@app.command("create")
def create(
    ctx: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="A YAML or JSON file; - reads standard input.", show_default=False),
    ] = None,
    audience: Annotated[
        str | None,
        typer.Option(metavar="SLUG", help="One of `sight audiences list`, instead of a file.", show_default=False),
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=2, max=1000, help="How many personas.", show_default="the file's")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Replays a panel.", show_default="drawn")] = None,
    language: Annotated[str | None, typer.Option(help="What they are written in.", show_default="the file's")] = None,
    budget: Annotated[
        float | None, typer.Option(min=0.000001, help="The most it may cost, in USD.", show_default="none")
    ] = None,
    project: Project = None,
    wait: Wait = True,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Make a panel of personas that matches an audience, and show how well it does.

    The file is a run file, its part `panel` by itself, or an audience alone. Options win over the file.

    Examples:

    sight panel create --audience poland-adults --size 20 --project "Oat drink"

    sight panel create my-audience.yaml --size 100 --budget 2 --no-wait
    """
    from cli.views.panel import show_panel
    from cli.workflow import finish, require_all, require_something, start_panel

    screen, client = open_screen(), client_of(ctx)
    given = {"size": size, "seed": seed, "language": language, "budget_usd": budget}
    options = {name: value for name, value in given.items() if value is not None}
    wanted, part = _wanted(file, audience, options)
    named = wanted.project if project is None else None
    project_id = (ensure_project(client, named) if named else find_project(client, project))["id"]
    job = start_panel(client, project_id, wanted.panel, key=key, part=part)
    if not wait:
        if as_json:
            screen.json(job)
        else:
            screen.out.print(job["id"], markup=False)
            screen.note(f"Watch it with: sight watch {job['id']}")
        return
    job = finish(client, screen, job["id"])
    require_something(job)
    panel = client.get(f"/jobs/{job['id']}/panel")
    if as_json:
        screen.json({"job": job, "panel": panel})
    else:
        show_panel(screen, panel)
    require_all(job)


@app.command("show")
def show(
    ctx: typer.Context,
    job_id: Annotated[str, typer.Argument(metavar="JOB", help="The job that made the panel.")],
    as_json: Json = False,
) -> None:
    """Show how well a panel matches its audience, and what its review found.

    Example: sight panel show 0190b3a2-...
    """
    from cli.views.panel import show_panel

    screen = open_screen()
    panel = client_of(ctx).get(f"/jobs/{job_id}/panel")
    if as_json:
        screen.json(panel)
    else:
        show_panel(screen, panel)


def _wanted(file: Path | None, audience: str | None, options: Mapping[str, object]) -> tuple[PanelFile, Part | None]:
    from cli.documents import Document, read_document
    from cli.run_files import parse_panel

    if (file is None) == (audience is None):
        raise WrongUsage("say which audience: give a file, or --audience", hint="`sight audiences list` shows them.")
    if file is not None:
        return parse_panel(read_document(file), options)
    if "size" not in options:
        raise WrongUsage("say how many personas with --size")
    return parse_panel(Document("the options", {"audience": audience, **options}, None))[0], None
