"""Finds the project a command is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cli.errors import WrongUsage
from cli.ids import is_id

if TYPE_CHECKING:
    from cli.client import Client


def find_project(client: Client, wanted: str | None) -> dict[str, Any]:
    """The project of this name or id; with neither, the only one there is. Raises `WrongUsage`."""
    if wanted is not None and is_id(wanted):
        found: dict[str, Any] = client.get(f"/projects/{wanted}")
        return found
    projects = client.pages("/projects")
    named = projects if wanted is None else [each for each in projects if each["name"] == wanted]
    if len(named) == 1:
        only: dict[str, Any] = named[0]
        return only
    raise WrongUsage(_which(wanted, projects, named), hint=_what_to_do(projects))


def ensure_project(client: Client, name: str) -> dict[str, Any]:
    """The newest project of this name, created when there is none."""
    for project in client.pages("/projects"):
        if project["name"] == name:
            found: dict[str, Any] = project
            return found
    created: dict[str, Any] = client.post("/projects", {"name": name})
    return created


def _which(wanted: str | None, projects: list[dict[str, Any]], named: list[dict[str, Any]]) -> str:
    if named:
        which = f'{len(named)} projects are called "{wanted}"' if wanted else f"there are {len(projects)} projects"
        shown = "; ".join(f"{each['id']} {each['name']}" for each in named[:5])
        return f"{which}: {shown}{'; ...' if len(named) > 5 else ''}"
    return f'there is no project called "{wanted}"' if wanted else "there is no project yet"


def _what_to_do(projects: list[dict[str, Any]]) -> str:
    if projects:
        return "Say which with --project NAME or ID (or SIGHT_PROJECT); `sight projects list` shows them."
    return "Create one with: sight projects create NAME"
