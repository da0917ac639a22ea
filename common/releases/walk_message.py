"""What people are told of a release."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.notify.models import Message, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.releases.events import ReleaseDeployed
    from common.releases.models import Release
    from common.releases.record import Change

TITLES: dict[str, tuple[Status, str]] = {
    "smoke": ("working", "{service}: {revision} is being tried"),
    "walking": ("working", "{service}: {revision} has {percent} % of the traffic"),
    "promoted": ("done", "{service}: {revision} is promoted"),
    "failed": ("trouble", "{service}: {revision} failed"),
    "replaced": ("information", "{service}: {revision} is no longer released"),
    "waiting": ("trouble", "{service}: {revision} waits for you at {percent} %"),
}


def message(release: Release, lines: Sequence[str], change: Change | None, *, alarming: bool = False) -> Message:
    """The state of a release as one message. `change` is its latest change of traffic, `alarming` what people should
    look at though it goes on."""
    status, title = TITLES[release.state]
    if release.state == "failed" and change is not None:
        title += _end_of(change, release)
    where = f" --region {release.region}"
    commands = [f"sight ops timeline {release.service}{where}"]
    if release.state == "waiting":
        commands.append(f"sight ops promote {release.service} {release.revision}{where} --reason '...'")
    if release.state == "waiting" or (release.state == "failed" and change is not None and change.state == "failed"):
        commands.append(f"sight ops rollback {release.service}{where} --reason '...'")
    facts = (("service", release.service), ("region", release.region), ("takes over from", release.previous or ""))
    return Message(
        title=title.format(service=release.service, revision=release.revision, percent=release.percent),
        status="trouble" if alarming else status,
        text=release.reason,
        facts=tuple((name, value) for name, value in facts if value),
        lines=tuple(lines),
        commands=tuple(commands),
    )


def refusal(event: ReleaseDeployed, reason: str) -> Message:
    """That a revision is not released, and why."""
    return Message(
        title=f"{event.service}: {event.revision or event.tag} is not released",
        status="trouble",
        text=reason,
        facts=(("service", event.service), ("region", event.region)),
        commands=(f"sight ops releases {event.service}",),
    )


def _end_of(change: Change, release: Release) -> str:
    """Whether the change that takes a release back has been made: an earlier one of it says nothing about that."""
    if any(target.revision == release.revision and target.percent for target in change.after):
        return ""
    ends = {"asked": " and is being taken back", "verified": " and was taken back", "failed": ": it is NOT taken back"}
    return ends[change.state]
