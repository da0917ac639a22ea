"""The record of one incident: what came, what was decided, what was done. It is complete at every moment, and writing
it again changes nothing, so that it can be kept, published or repeated where Postgres is away."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from common.cloud_run.port import Target
from common.notify.models import Message, Status
from common.releases.models import ROLLBACK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.releases.models import Alert, Decision

SPACE = uuid.UUID("5b1e4b1c-6f0a-5b0e-9f57-3f6f1d0f7a11")
"""The namespace of the ids of records, which are names of what they are of: two writers agree on them."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the timeline."""

    type: str
    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """A change of traffic, asked for before it is made."""

    before: tuple[Target, ...]
    after: tuple[Target, ...]
    state: Literal["asked", "verified", "failed"] = "asked"
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """See the module."""

    incident_id: str
    service: str
    region: str
    state: str
    kind: str
    summary: str
    url: str
    notification: dict[str, Any]
    started_at: datetime | None
    action: str | None = None
    code: str | None = None
    reason: str | None = None
    source: str | None = None
    target: str | None = None
    dry_run: bool = False
    actor: str = ROLLBACK
    """Who acts: `rollback`, or an engineer by name."""

    change: Change | None = None
    lines: tuple[Line, ...] = field(default=())

    @property
    def id(self) -> uuid.UUID:
        """The row of the incident."""
        return uuid.uuid5(SPACE, f"{self.region}/{self.service}/{self.incident_id}")

    @property
    def change_id(self) -> uuid.UUID:
        """The row of its change of traffic."""
        return uuid.uuid5(self.id, "change")

    @property
    def thread(self) -> str:
        """The thread in which people are told of it."""
        return f"incident/{self.id}"

    @property
    def shifted_at(self) -> datetime:
        """When its change of traffic was asked for. Raises StopIteration where there was none."""
        return next(line.at for line in self.lines if line.type == "shifting")

    def decided(self, decision: Decision) -> Record:
        """The record with a decision in it."""
        done = replace(
            self,
            action=decision.action,
            code=decision.code,
            reason=decision.reason,
            source=decision.source,
            target=decision.target,
            dry_run=decision.dry_run,
        )
        if decision.action == "none":
            return done
        words = {"roll_back": "roll back", "notify": "leave the traffic, and tell"}
        dry = " (dry run: nothing is moved)" if decision.dry_run else ""
        return done.with_line("decided", f"{words[decision.action]}: {decision.reason}{dry}")

    def asking(self, before: Sequence[Target], after: Sequence[Target]) -> Record:
        """The record of a change about to be made."""
        change = Change(tuple(before), tuple(after))
        return replace(self, change=change).with_line("shifting", f"all traffic to {self.target}")

    def verified(self) -> Record:
        """The record of a change that was made."""
        assert self.change is not None
        done = replace(self, change=replace(self.change, state="verified"))
        mark = f"; {self.source} is marked failed" if self.source else ""
        return done.with_line("shifted", f"{self.target} has all the traffic{mark}")

    def failed(self, detail: str) -> Record:
        """The record of a change that was not made."""
        assert self.change is not None
        done = replace(self, change=replace(self.change, state="failed", detail=detail))
        return done.with_line("not_shifted", detail)

    def after(self, earlier: Record) -> Record:
        """The record as what was written of the same incident goes on with it."""
        known = {(line.type, line.text) for line in earlier.lines}
        fresh = tuple(line for line in self.lines if (line.type, line.text) not in known)
        state = "closed" if "closed" in (earlier.state, self.state) else self.state
        return replace(earlier, state=state, lines=(*earlier.lines, *fresh))

    def with_line(self, type_: str, text: str) -> Record:
        """The record with one more line, unless it says so already."""
        if any((line.type, line.text) == (type_, text) for line in self.lines):
            return self
        return replace(self, lines=(*self.lines, Line(type_, text, datetime.now(UTC))))

    def message(self) -> Message | None:
        """What people are told of it, None where there is nothing to say."""
        if self.action in (None, "none"):
            return None
        rolled_back = self.action == "roll_back" and not self.dry_run
        status: Status = "trouble"
        title = f"{self.service}: {self.summary or 'alert'}"
        if rolled_back:
            state = self.change.state if self.change else "asked"
            status = {"asked": "working", "verified": "done", "failed": "trouble"}[state]  # type: ignore[assignment]
            by = "" if self.actor == ROLLBACK else f" by {self.actor}"
            done = "rolled back" if self.source else "all traffic sent"
            title = {
                "asked": f"{self.service}: sending all traffic to {self.target}{by}",
                "verified": f"{self.service}: {done} to {self.target}{by}",
                "failed": f"{self.service}: the traffic did not go to {self.target}",
            }[state]
        elif self.state == "closed":
            status = "done"
        elif self.dry_run:
            title = f"{self.service}: would roll back to {self.target} (dry run)"
        where = f" --region {self.region}" if self.region else ""
        commands = [f"sight ops timeline {self.service}{where}"]
        if not rolled_back or (self.change is not None and self.change.state == "failed"):
            commands.append(f"sight ops rollback {self.service}{where} --reason '...'")
        facts = [("service", self.service), ("region", self.region), ("incident", self.incident_id)]
        facts += [("at fault", self.source)] if self.source else []
        facts += [("takes over", self.target)] if self.target else []
        return Message(
            title=title,
            status=status,
            text=self.reason or "",
            facts=tuple((name, value) for name, value in facts if value),
            lines=tuple(f"{line.at:%H:%M:%S} {line.type}: {line.text}" for line in self.lines),
            commands=tuple(commands),
            url=self.url,
        )

    def as_json(self) -> dict[str, Any]:
        """The record as a document; `from_json` reads it back."""
        change = self.change
        return {
            "incident_id": self.incident_id,
            "service": self.service,
            "region": self.region,
            "state": self.state,
            "kind": self.kind,
            "summary": self.summary,
            "url": self.url,
            "notification": self.notification,
            "started_at": self.started_at.isoformat() if self.started_at else None,
            "action": self.action,
            "code": self.code,
            "reason": self.reason,
            "source": self.source,
            "target": self.target,
            "dry_run": self.dry_run,
            "actor": self.actor,
            "change": None
            if change is None
            else {
                "before": targets_json(change.before),
                "after": targets_json(change.after),
                "state": change.state,
                "detail": change.detail,
            },
            "lines": [{"type": line.type, "text": line.text, "at": line.at.isoformat()} for line in self.lines],
        }

    @staticmethod
    def from_json(document: dict[str, Any]) -> Record:
        """The record of a document."""
        change, started = document["change"], document["started_at"]
        return Record(
            **{
                **document,
                "started_at": datetime.fromisoformat(started) if started else None,
                "change": None
                if change is None
                else Change(
                    targets_of(change["before"]), targets_of(change["after"]), change["state"], change["detail"]
                ),
                "lines": tuple(
                    Line(line["type"], line["text"], datetime.fromisoformat(line["at"])) for line in document["lines"]
                ),
            }
        )


def record_of(alert: Alert, notification: dict[str, Any], *, actor: str = ROLLBACK) -> Record:
    """The record of an alert that has just come, or of what an engineer asks for."""
    record = Record(
        incident_id=alert.incident_id,
        service=alert.service or "",
        region=alert.region or "",
        state=alert.state,
        kind=alert.kind,
        summary=alert.summary or alert.condition or alert.policy,
        url=alert.url,
        notification=notification,
        started_at=alert.started_at,
        actor=actor,
    )
    if actor != ROLLBACK:
        return record.with_line("by_hand", f"{actor}: {alert.summary}")
    said = alert.summary or alert.condition or alert.policy or "an alert"
    return record.with_line("closed" if alert.state == "closed" else "alert", said)


def targets_json(targets: Sequence[Target]) -> list[dict[str, Any]]:
    """Traffic as a document."""
    return [{"revision": target.revision, "percent": target.percent, "tag": target.tag} for target in targets]


def targets_of(documents: Sequence[dict[str, Any]]) -> tuple[Target, ...]:
    """Traffic of a document."""
    return tuple(Target(each["revision"], each["percent"], each["tag"]) for each in documents)
