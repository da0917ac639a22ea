"""What people are told of a release."""

from __future__ import annotations

from typing import Any

from common.notify.models import Message, Status

TITLES: dict[str, tuple[Status, str]] = {
    "smoke": ("working", "{service}: {revision} is being tried"),
    "walking": ("working", "{service}: {revision} has {percent} % of the traffic"),
    "promoted": ("done", "{service}: {revision} is promoted"),
    "failed": ("trouble", "{service}: {revision} failed and was taken back"),
    "replaced": ("information", "{service}: {revision} is no longer released"),
    "waiting": ("trouble", "{service}: {revision} waits for you at {percent} %"),
}


def message(row: Any, lines: list[str]) -> Message:
    """The state of a release as one message."""
    status, title = TITLES[row.state]
    where = f" --region {row.region}"
    commands = [f"sight ops timeline {row.service}{where}"]
    if row.state == "waiting":
        commands.append(f"sight ops promote {row.service} {row.revision}{where} --reason '...'")
        commands.append(f"sight ops rollback {row.service}{where} --reason '...'")
    facts = (("service", row.service), ("region", row.region), ("takes over from", row.previous or ""))
    return Message(
        title=title.format(service=row.service, revision=row.revision, percent=row.percent),
        status=status,
        text=row.reason,
        facts=tuple((name, value) for name, value in facts if value),
        lines=tuple(lines),
        commands=tuple(commands),
    )
