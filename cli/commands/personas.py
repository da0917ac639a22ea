"""`sight personas`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import Json, Limit, Project, client_of
from cli.projects import find_project
from cli.screen import open_screen
from cli.views.personas import prepare_card, show_card, show_personas
from cli.views.tables import shown_of

app = typer.Typer(no_args_is_help=True, help="Personas: who is in a panel.")

PersonaId = Annotated[str, typer.Argument(metavar="ID", help="The persona's id.")]


@app.command("list")
def list_personas(
    ctx: typer.Context,
    project: Project = None,
    panel: Annotated[
        str | None, typer.Option("--panel", metavar="JOB", help="Only of the panel this job made.", show_default=False)
    ] = None,
    segment: Annotated[
        list[str] | None,
        typer.Option("--segment", metavar="DIMENSION:LABEL", help="Only with this label; may be given again."),
    ] = None,
    search: Annotated[str | None, typer.Option(help="Part of a name or headline.", show_default=False)] = None,
    min_quality: Annotated[float | None, typer.Option(min=0, max=100, help="The least quality.")] = None,
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """List personas.

    Examples:

    sight personas list --panel 0190b3a2-...

    sight personas list --segment "age:18-24" --segment gender:Kobieta --json
    """
    screen, client = open_screen(), client_of(ctx)
    if panel and project is None:
        project_id = client.get(f"/jobs/{panel}")["project_id"]
    else:
        project_id = find_project(client, project)["id"]
    found = client.pages(
        f"/projects/{project_id}/personas",
        limit=limit,
        job_id=panel,
        segment=segment or None,
        search=search,
        min_quality=min_quality,
    )
    if as_json:
        screen.json(found)
        return
    show_personas(screen, found)
    screen.note(shown_of(len(found), limit, "personas"))


@app.command("show")
def show(ctx: typer.Context, persona_id: PersonaId, as_json: Json = False) -> None:
    """Show a persona with everything about it.

    Example: sight personas show 0190b3a2-...
    """
    screen = open_screen()
    persona = client_of(ctx).get(f"/personas/{persona_id}")
    if as_json:
        screen.json(persona)
    else:
        show_card(screen, prepare_card(persona))


@app.command("delete")
def delete(ctx: typer.Context, persona_id: PersonaId, as_json: Json = False) -> None:
    """Delete a persona. `sight personas undelete` takes it back.

    Example: sight personas delete 0190b3a2-...
    """
    screen = open_screen()
    client_of(ctx).delete(f"/personas/{persona_id}")
    if as_json:
        screen.json({"id": persona_id, "deleted": True})
    screen.note(f"Deleted. Take it back with: sight personas undelete {persona_id}")


@app.command("undelete")
def undelete(ctx: typer.Context, persona_id: PersonaId, as_json: Json = False) -> None:
    """Take back a deletion.

    Example: sight personas undelete 0190b3a2-...
    """
    screen = open_screen()
    persona = client_of(ctx).post(f"/personas/{persona_id}:undelete")
    if as_json:
        screen.json(persona)
    screen.note(f"{persona['name']} is back.")
