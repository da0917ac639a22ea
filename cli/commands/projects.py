"""`sight projects`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import Json, Limit, client_of
from cli.projects import find_project
from cli.screen import open_screen
from cli.views.tables import show_table, shown_of, when

app = typer.Typer(no_args_is_help=True, help="Projects: the bodies of research everything else belongs to.")


@app.command("list")
def list_projects(ctx: typer.Context, limit: Limit = 50, as_json: Json = False) -> None:
    """List projects, newest first.

    Example: sight projects list
    """
    screen = open_screen()
    projects = client_of(ctx).pages("/projects", limit=limit)
    if as_json:
        screen.json(projects)
        return
    rows = [[each["id"], each["name"], each["description"], when(each["created_at"])] for each in projects]
    show_table(
        screen,
        ("project", "name", "description", "created"),
        rows,
        empty="There are no projects yet. Create one with: sight projects create NAME",
    )
    screen.note(shown_of(len(rows), limit, "projects"))


@app.command("create")
def create_project(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Its name, 1 to 200 characters.")],
    description: Annotated[str, typer.Option(help="What it is about.")] = "",
    as_json: Json = False,
) -> None:
    """Create a project and print its id.

    Example: sight projects create "Oat drink in Poland"
    """
    screen = open_screen()
    project = client_of(ctx).post("/projects", {"name": name, "description": description})
    if as_json:
        screen.json(project)
    else:
        screen.out.print(project["id"], markup=False)


@app.command("delete")
def delete_project(
    ctx: typer.Context,
    project: Annotated[str, typer.Argument(metavar="NAME|ID", help="The project.")],
    as_json: Json = False,
) -> None:
    """Delete a project and cancel its running jobs. `sight projects undelete` takes it back.

    Example: sight projects delete "Oat drink in Poland"
    """
    screen, client = open_screen(), client_of(ctx)
    found = find_project(client, project)
    client.delete(f"/projects/{found['id']}")
    if as_json:
        screen.json(found)
    screen.note(f"Deleted. Take it back with: sight projects undelete {found['id']}")


@app.command("undelete")
def undelete_project(
    ctx: typer.Context,
    project_id: Annotated[str, typer.Argument(metavar="ID", help="The project's id.")],
    as_json: Json = False,
) -> None:
    """Take back a deletion. Jobs that it cancelled stay so until they are resumed.

    Example: sight projects undelete 0190b3a2-...
    """
    screen = open_screen()
    project = client_of(ctx).post(f"/projects/{project_id}:undelete")
    if as_json:
        screen.json(project)
    screen.note(f"{project['name']} is back.")
