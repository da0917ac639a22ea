"""What Sight asks of Cloud Run: a service with its revisions and traffic, and to move the traffic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Protocol

from common.errors import NotFound, SightError, Unavailable


class CloudRunUnavailable(Unavailable):
    """Cloud Run could not be reached, is busy with another change, or refused for now."""

    code = "cloud_run_unavailable"


class ServiceNotFound(NotFound):
    """Cloud Run has no such service in this region."""

    code = "service_not_found"


class NoCloudRun(SightError):
    """This installation does not say which Cloud Run it is of."""

    code = "no_cloud_run"
    status = 501
    title = "No Cloud Run"


class TrafficNotMoved(SightError):
    """The change was accepted, but the traffic did not end where it was sent."""

    code = "traffic_not_moved"
    status = 502
    title = "Traffic not moved"


class CloudRunRefused(TrafficNotMoved):
    """Cloud Run says no and will say so again: there is no permission, or what was asked for makes no sense."""

    code = "cloud_run_refused"
    title = "Cloud Run refused"


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision. `ready` is its own condition, whatever traffic it gets; `reason` says why it is not."""

    name: str
    created_at: datetime
    ready: bool
    image: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """A share of the traffic, in whole percent, and the tag under which the revision is reached besides.
    Without a revision it is whichever is the latest that is ready."""

    revision: str | None
    percent: int = 0
    tag: str | None = None
    uri: str = ""


@dataclass(frozen=True)
class Service:
    """A service as Cloud Run describes it. `traffic` is what is asked for, `statuses` what is so."""

    name: str
    region: str
    uri: str
    revisions: tuple[Revision, ...]
    """Newest first."""
    traffic: tuple[Target, ...]
    statuses: tuple[Target, ...]
    latest_ready: str | None
    reconciling: bool
    updated_at: datetime
    last_modifier: str

    @cached_property
    def serving(self) -> Mapping[str, int]:
        """The percent of each revision that gets any, as it is now."""
        shares: dict[str, int] = {}
        for status in self.statuses:
            name = status.revision or self.latest_ready
            if name is not None and status.percent > 0:
                shares[name] = shares.get(name, 0) + status.percent
        return shares

    @cached_property
    def named(self) -> tuple[Target, ...]:
        """`traffic` with the share of the latest given to the revision which that is: the next deployment takes the
        one over, and is not what the other meant."""
        named: list[Target] = []
        for target in self.traffic:
            if target.revision is None and target.percent:
                named.append(Target(self.latest_ready, target.percent))
                target = replace(target, percent=0)
            if target.percent or target.tag:
                named.append(target)
        return tuple(named)

    @cached_property
    def by_name(self) -> Mapping[str, Revision]:
        """The revisions by name."""
        return {revision.name: revision for revision in self.revisions}

    def is_ready(self, revision: str) -> bool:
        """Whether there is such a revision, and ready."""
        found = self.by_name.get(revision)
        return found is not None and found.ready

    def tagged(self, tag: str) -> Target | None:
        """The revision that has a tag, with the address it is reached at."""
        return next((status for status in (*self.statuses, *self.traffic) if status.tag == tag), None)


class CloudRun(Protocol):
    """The Cloud Run Admin API, or what stands for it."""

    def service(self, name: str, region: str) -> Service:
        """The service, its traffic and its revisions. Raises `ServiceNotFound`, `CloudRunRefused` or
        `CloudRunUnavailable`."""
        ...

    def move(
        self, name: str, region: str, traffic: Sequence[Target], *, seen: Sequence[Target] | None = None
    ) -> Service:
        """Sends the traffic where `traffic` says, waits until it is there, and returns the service as it then is.

        The percents add up to 100. `traffic` is all there shall be: a tag it does not name is gone, so start
        from the tags of `Service.traffic`. `seen` is the `Service.named` it was made from: tags that others have
        set, moved or taken away since are theirs to decide, and where they have moved the traffic it is left to them.

        Raises `TrafficNotMoved` when the change ended otherwise or was not made, and `ServiceNotFound` or
        `CloudRunUnavailable`; with the last it is not known whether the traffic has moved or will.
        """
        ...
