"""`sight audiences`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.errors import Problem
from cli.ids import is_id
from cli.options import Json, Project, RunPath, client_of
from cli.projects import find_project
from cli.screen import open_screen

app = typer.Typer(no_args_is_help=True, help="Audiences: whom panels are drawn from.")


@app.command("list")
def list_audiences(ctx: typer.Context, project: Project = None, as_json: Json = False) -> None:
    """List the audiences of the catalogue, which come with Sight, and those kept in a project if it is named.

    Examples:

    sight audiences list

    sight audiences list --project Bakery --json
    """
    from cli.views.audience import prepare_audiences
    from cli.views.tables import show_table

    screen, client = open_screen(), client_of(ctx)
    audiences = client.get("/catalogue/audiences")["items"]
    if project:
        audiences += client.pages(f"/projects/{find_project(client, project)['id']}/audiences")
    if as_json:
        screen.json(audiences)
    else:
        headings = ("audience", "name", "dimensions", "description")
        show_table(screen, headings, prepare_audiences(audiences), empty="The catalogue is empty.")


@app.command("show")
def show(
    ctx: typer.Context,
    audience: Annotated[str, typer.Argument(metavar="SLUG|ID", help="One of `sight audiences list`.")],
    as_json: Json = False,
) -> None:
    """Show an audience: its dimensions with their shares, and where the figures come from.

    Example: sight audiences show poland-adults
    """
    from cli.views.audience import prepare_audience, show_audience

    screen, client = open_screen(), client_of(ctx)
    found = client.get(f"/audiences/{audience}" if is_id(audience) else f"/catalogue/audiences/{audience}")
    if as_json:
        screen.json(found)
    else:
        show_audience(screen, prepare_audience(found["spec"]))


@app.command("add")
def add(
    ctx: typer.Context,
    file: RunPath,
    project: Project = None,
    size: Annotated[
        int | None, typer.Option(min=2, max=1000, help="Show how well a panel of this size would match.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Keep an audience in a project and print its id. It is checked as a whole first.

    The file describes it: by itself, or as `panel.audience` of a run file.

    Example: sight audiences add my-audience.yaml --size 100
    """
    from cli.documents import read_document
    from cli.run_files import parse_audience
    from cli.views.fit import prepare_fit, show_fit

    screen, client = open_screen(), client_of(ctx)
    audience, part = parse_audience(read_document(file))
    body = {"audience": audience} | ({} if size is None else {"size": size})
    try:
        added = client.post(f"/projects/{find_project(client, project)['id']}/audiences", body)
    except Problem as problem:
        raise problem.about(part) from None
    if as_json:
        screen.json(added)
        return
    screen.out.print(added["id"], markup=False)
    if added["preview"] is not None:
        show_fit(screen, prepare_fit(added["preview"]))
