"""Releases, timelines and what was done about them, ready to show."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from cli.views.tables import show_table, when

if TYPE_CHECKING:
    from cli.screen import Screen

RELEASE_HEADINGS = ("service", "region", "revision", "state", "%", "created", "promoted", "next step", "reason")
TIMELINE_HEADINGS = ("when", "what", "", "incident", "revision")
ACTIONS = {"roll_back": "roll back", "notify": "leave the traffic, and tell people", "none": "nothing"}


def prepare_releases(releases: list[dict[str, Any]]) -> list[list[str]]:
    """Rows of a list of releases."""
    return [
        [
            each["service"],
            each["region"],
            each["revision"],
            each["state"],
            str(each["percent"]),
            when(each["created_at"]),
            when(each["promoted_at"]),
            when(each["due_at"]),
            each["reason"],
        ]
        for each in releases
    ]


def prepare_timeline(lines: list[dict[str, Any]]) -> list[list[str]]:
    """Rows of a timeline."""
    return [
        [_moment(each["at"]), each["type"], each["text"], each.get("incident_id") or "", each.get("revision") or ""]
        for each in lines
    ]


def show_releases(screen: Screen, releases: list[dict[str, Any]]) -> None:
    """Shows a list of releases."""
    show_table(screen, RELEASE_HEADINGS, prepare_releases(releases), empty="There are no releases.", whole=(0, 2))


def show_timeline(screen: Screen, lines: list[dict[str, Any]]) -> None:
    """Shows a timeline, in local time to the second."""
    show_table(screen, TIMELINE_HEADINGS, prepare_timeline(lines), empty="Nothing is recorded of it.", whole=(0, 1))


def show_move(screen: Screen, moved: dict[str, Any]) -> None:
    """Shows how a change of traffic went, line by line."""
    for line in moved["lines"]:
        screen.note(f"{_moment(line['at'])}  {line['type']}: {line['text']}")
    screen.out.print(f"{moved['service']}: all traffic is at {moved['target']}", markup=False)


def show_decision(screen: Screen, decision: dict[str, Any]) -> None:
    """Shows what would be done about an alert, and why."""
    action = ACTIONS.get(decision["action"], decision["action"])
    screen.out.print(f"It would do this: {action} ({decision['code']})", markup=False)
    screen.out.print(decision["reason"], markup=False)
    if decision["source"]:
        screen.out.print(f"at fault: {decision['source']}", markup=False)
    if decision["target"]:
        screen.out.print(f"takes over: {decision['target']}", markup=False)


def _moment(instant: str) -> str:
    return datetime.fromisoformat(instant).astimezone().strftime("%Y-%m-%d %H:%M:%S")
