"""What releases are made of. Plain dataclasses: the rollback's cold start pays for every import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from uuid import UUID

AlertKind = Literal["errors", "latency", "crashes", "health", "other"]

ROLLBACK = "rollback"
"""Who changes traffic when nobody asked for it but an alert."""

ROLLOUT = "rollout"
"""Who changes traffic while a release walks up."""


@dataclass(frozen=True, slots=True)
class Alert:
    """A notification of Cloud Monitoring, read. What it did not say is None or empty.

    `version` is that of its schema; only `1.2` is acted on. `opted_in` is the policy's label `sight_rollback: "true"`.
    """

    incident_id: str
    version: str
    state: Literal["open", "closed"]
    kind: AlertKind
    service: str | None
    region: str | None
    revision: str | None
    opted_in: bool
    policy: str = ""
    condition: str = ""
    severity: str = ""
    summary: str = ""
    url: str = ""
    observed: float | None = None
    threshold: float | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Policy:
    """How one service is released and rolled back. Times in seconds, shares 0 to 1, percents whole."""

    service: str
    automatic: bool = True
    dry_run: bool = False
    error_share: float = 0.05
    p95_ms: float = 2000.0
    window_seconds: float = 120.0
    lag_seconds: float = 180.0
    """So late may Monitoring show what happened: https://cloud.google.com/monitoring/api/v3/latency-n-retention."""
    min_requests: int = 20
    """Fewer requests in the window are too few to judge."""
    cooldown_seconds: float = 600.0
    max_rollbacks_per_day: int = 3
    blame_seconds: float = 86_400.0
    """A revision promoted longer ago is not the cause of what begins now."""
    hand_seconds: float = 1800.0
    """For so long after somebody moved the traffic by hand, automation leaves it alone."""
    steps: tuple[int, ...] = (10, 50, 100)
    step_seconds: float = 300.0
    failed_health_checks: int = 3
    max_holds: int = 12
    """So many looks in a row that could not judge before a human is asked."""
    smoke_paths: tuple[str, ...] = ("/health", "/startup")
    """What a new revision has to answer before it gets traffic: what every function does. Add `/docs` for the API, and
    `/` where it serves the frontend."""
    smoke_job: bool = False
    """Whether it has to make a panel of two as well, which only the API can."""


ReleaseState = Literal["smoke", "walking", "promoted", "failed", "replaced", "waiting"]
"""`smoke` is tried without traffic and `walking` has some. The others ended: `waiting` for a human, `replaced` by a
newer revision or by what somebody did by hand."""


@dataclass(frozen=True, slots=True)
class Release:
    """A revision on its way to all the traffic, or at the end of it. `percent` is its share as Sight set it last, and
    the rest is that of `previous`; `step` counts the looks taken, `holds` those in a row that could not judge.
    `created_at` is when it began, the last time where it began again."""

    id: UUID
    service: str
    region: str
    revision: str
    previous: str | None
    state: ReleaseState
    percent: int
    step: int
    holds: int
    failed_checks: int
    reason: str
    created_at: datetime
    percent_at: datetime | None


@dataclass(frozen=True, slots=True)
class Departure:
    """A release that may begin: the revision that has the traffic and the share it begins with, which is none but
    where one that waited goes on. `replaces` is the release that it puts an end to."""

    revision: str
    stable: str
    percent: int = 0
    replaces: Release | None = None


@dataclass(frozen=True, slots=True)
class History:
    """What Sight remembers of a service. `known` is False when Postgres could not be asked, and the rest is
    then what the tags in Cloud Run tell."""

    known: bool
    promoted: Mapping[str, datetime] = field(default_factory=dict)
    """When each revision first got all the traffic."""
    failed: frozenset[str] = frozenset()
    acted_on: frozenset[str] = frozenset()
    """Incidents that moved traffic, or were about to."""
    closed: frozenset[str] = frozenset()
    """Incidents known to have closed: their opening may arrive after that."""
    released: Mapping[str, datetime] = field(default_factory=dict)
    """When the release of each revision began, the last time where it began again."""
    rolled_back_at: tuple[datetime, ...] = ()
    """The rollbacks of the last 24 hours."""
    taken_back_at: datetime | None = None
    """When a release last took its revision's share back, within the last 24 hours."""
    sent_back_at: datetime | None = None
    """When users were last sent back from a revision, as it was taken back or a newer one took its place, within the
    last 24 hours."""
    moved_by_hand_at: datetime | None = None
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen when deciding. None is what could not be seen."""

    requests: int | None = None
    """How many the accused revision had in the window."""
    others_fail_too: bool | None = None
    """Whether the revision that would take over fails as well, as it does when a dependency is down."""
    detail: str = ""
    """What was seen, in words for the on-call engineer."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do and why. `code` is stable and meant for programs, `reason` for people.

    `notify` is trouble that a human has to look at; `none` is nothing to do or to say.
    """

    action: Literal["roll_back", "notify", "none"]
    code: str
    reason: str
    source: str | None = None
    """The revision found at fault."""
    target: str | None = None
    """The revision to send all the traffic to."""
    dry_run: bool = False
