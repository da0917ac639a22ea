"""The services, revisions and traffic the fake knows, and how the real API moves them."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

LATEST = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"
NAMED = "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION"
DEPLOYER = "deployer@project.iam.gserviceaccount.com"


@dataclass
class Faults:
    """What goes wrong next: each number is how many more times. Times in seconds."""

    operation_seconds: float = 0.0
    """How long an operation takes to move the traffic."""
    conflicts: int = 0
    """PATCHes answered 409, and nothing done."""
    limited: int = 0
    """PATCHes answered 429."""
    retry_after: float = 0.05
    errors_before: int = 0
    """PATCHes answered 500, and nothing done."""
    errors_after: int = 0
    """PATCHes answered 500, though the change is made."""
    failed_operations: int = 0
    """Operations that end with an error, the traffic where it was."""
    elsewhere: int = 0
    """Operations that end well, the traffic somewhere else."""
    reads_down: int = 0
    """Reads answered 503."""
    monitoring_down: int = 0
    """Queries of Monitoring answered 503."""

    def take(self, name: str) -> bool:
        """Whether this goes wrong now; then it is one time fewer."""
        left: int = getattr(self, name)
        if left:
            setattr(self, name, left - 1)
        return left > 0


class Refused(Exception):
    """The API answers with an error."""

    def __init__(self, status: int, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.retry_after = retry_after


@dataclass
class FakeRevision:
    """One revision. `address` is where its tags lead to, when something real answers there."""

    name: str
    created: float
    ready: bool = True
    message: str = ""
    image: str = "europe-docker.pkg.dev/p/sight/app:1"
    address: str = ""


@dataclass
class FakeService:
    """One service. `traffic` and `statuses` are documents as the API has them."""

    name: str
    region: str
    revisions: dict[str, FakeRevision] = field(default_factory=dict)
    traffic: list[dict[str, Any]] = field(default_factory=list)
    statuses: list[dict[str, Any]] = field(default_factory=list)
    generation: int = 1
    observed: int = 1
    updated: float = field(default_factory=time.time)
    modifier: str = DEPLOYER
    pending: tuple[float, str] | None = None
    """When the traffic asked for is reached, and the operation that does it."""

    @property
    def latest_ready(self) -> FakeRevision | None:
        """The newest revision that is ready."""
        ready = [revision for revision in self.revisions.values() if revision.ready]
        return max(ready, key=lambda revision: revision.created, default=None)

    def share_of(self, revision: str) -> int:
        """The percent of the traffic that a revision gets now."""
        latest = self.latest_ready
        return sum(
            status.get("percent", 0)
            for status in self.statuses
            if status.get("revision", latest.name if latest else "") == revision
        )


@dataclass
class World:
    """All of it, safe for many threads."""

    project: str = "sight-local"
    services: dict[tuple[str, str], FakeService] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    operations: dict[str, dict[str, Any]] = field(default_factory=dict)
    patches: list[dict[str, Any]] = field(default_factory=list)
    """Every PATCH that was carried out: `service`, `region`, `traffic`, `at` (seconds since the epoch)."""
    samples: list[tuple[float, str, str, str, int, float]] = field(default_factory=list)
    """Requests answered: when, service, region, revision, status, milliseconds."""
    crashes: list[tuple[float, str, str, str]] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def reset(self) -> None:
        """Forgets everything."""
        with self.lock:
            self.faults = Faults()
            for kept in (self.services, self.operations, self.patches, self.samples, self.crashes):
                kept.clear()

    def deploy(
        self,
        service: str,
        revision: str,
        *,
        region: str = "europe-central2",
        tag: str | None = None,
        no_traffic: bool = False,
        ready: bool = True,
        message: str = "",
        address: str = "",
        created: float | None = None,
        modifier: str = DEPLOYER,
    ) -> None:
        """Deploys a revision as `gcloud run deploy` does: with all the traffic by `LATEST`, unless the service
        names its revisions already or `no_traffic` is asked for; with a tag if there is one."""
        with self.lock:
            found = self.services.setdefault((region, service), FakeService(service, region))
            stamp = created if created is not None else time.time()
            found.revisions[revision] = FakeRevision(revision, stamp, ready, message, address=address)
            named = bool(found.traffic) and all(target.get("type") != LATEST for target in found.traffic)
            if no_traffic and not named and found.traffic:
                old = max((r for r in found.revisions.values() if r.name != revision), key=lambda r: r.created)
                found.traffic = [
                    {**target, "type": NAMED, "revision": old.name} if target.get("type") == LATEST else target
                    for target in found.traffic
                ]
            elif not named and not no_traffic:
                tags = [t for t in found.traffic if t.get("type") != LATEST and not t.get("percent")]
                found.traffic = [{"type": LATEST, "percent": 100}, *tags]
            if tag is not None:
                found.traffic = [*found.traffic, {"type": NAMED, "revision": revision, "tag": tag}]
            self._touch(found, modifier)
            self._settle(found)

    def set_traffic(
        self,
        service: str,
        traffic: Sequence[dict[str, Any]],
        *,
        region: str = "europe-central2",
        modifier: str = DEPLOYER,
    ) -> None:
        """Moves traffic at once, as somebody else than Sight."""
        with self.lock:
            found = self.find(service, region)
            found.traffic = [_sent(target) for target in traffic]
            self._touch(found, modifier)
            self._settle(found)

    def age(self, service: str, seconds: float, *, region: str = "europe-central2") -> None:
        """Makes the last change of a service, and of its revisions, older."""
        with self.lock:
            found = self.find(service, region)
            found.updated -= seconds
            for revision in found.revisions.values():
                revision.created -= seconds

    def patch(self, service: str, region: str, traffic: Sequence[dict[str, Any]], modifier: str) -> dict[str, Any]:
        """Asks for traffic and returns the operation. Raises `Refused`."""
        with self.lock:
            found = self.find(service, region)
            if self.faults.take("limited"):
                raise Refused(429, "Quota exceeded", self.faults.retry_after)
            if self.faults.take("conflicts") or found.pending is not None:
                raise Refused(409, f"Conflict for resource '{service}': another operation is under way")
            if self.faults.take("errors_before"):
                raise Refused(500, "Internal error encountered.")
            self._check(found, traffic)
            before = [dict(target) for target in found.traffic]
            found.traffic = [_sent(target) for target in traffic]
            self._touch(found, modifier)
            self.patches.append(
                {"service": service, "region": region, "traffic": list(map(dict, found.traffic)), "at": time.time()}
            )
            name = f"projects/{self.project}/locations/{region}/operations/{len(self.operations) + 1}"
            self.operations[name] = {"name": name, "before": before, "service": found}
            found.pending = (time.monotonic() + self.faults.operation_seconds, name)
            if self.faults.take("errors_after"):
                raise Refused(500, "Internal error encountered.")
            return self.operation(name)

    def operation(self, name: str) -> dict[str, Any]:
        """The document of an operation. Raises `Refused`."""
        with self.lock:
            record = self.operations.get(name)
            if record is None:
                raise Refused(404, f"Operation {name} not found")
            self._advance(record["service"])
            document: dict[str, Any] = {"name": name, "metadata": {}}
            if "done" in record:
                document |= {"done": True, **record["done"]}
            return document

    def find(self, service: str, region: str) -> FakeService:
        """A service as it is by now. Raises `Refused`."""
        with self.lock:
            found = self.services.get((region, service))
            if found is None:
                raise Refused(404, f"Resource '{service}' of kind 'SERVICE' in region '{region}' does not exist.")
            self._advance(found)
            return found

    def _advance(self, found: FakeService) -> None:
        if found.pending is None or time.monotonic() < found.pending[0]:
            return
        record = self.operations[found.pending[1]]
        found.pending = None
        if self.faults.take("failed_operations"):
            found.traffic = record["before"]
            record["done"] = {"error": {"code": 13, "message": "Revision is not ready and cannot serve traffic."}}
        else:
            record["done"] = {"response": {"name": found.name}}
        self._settle(found)
        if self.faults.take("elsewhere"):
            other = next(name for name in found.revisions if found.share_of(name) == 0)
            found.statuses = [{"type": NAMED, "revision": other, "percent": 100}]

    def _settle(self, found: FakeService) -> None:
        found.observed = found.generation
        found.statuses = [self._status(found, target) for target in found.traffic]

    def _status(self, found: FakeService, target: dict[str, Any]) -> dict[str, Any]:
        status = {key: value for key, value in target.items() if value}
        if target.get("tag"):
            latest = found.latest_ready
            revision = found.revisions.get(target.get("revision", latest.name if latest else ""))
            address = revision.address if revision else ""
            status["uri"] = address or f"https://{target['tag']}---{found.name}-x.a.run.app"
        return status

    def _touch(self, found: FakeService, modifier: str) -> None:
        found.generation += 1
        found.updated = time.time()
        found.modifier = modifier

    @staticmethod
    def _check(found: FakeService, traffic: Sequence[dict[str, Any]]) -> None:
        if sum(int(target.get("percent", 0)) for target in traffic) != 100:
            raise Refused(400, "traffic percents must add up to 100")
        tags = [target["tag"] for target in traffic if target.get("tag")]
        if len(set(tags)) != len(tags):
            raise Refused(400, "a tag must name one revision")
        for target in traffic:
            if target.get("type") == NAMED and target.get("revision") not in found.revisions:
                raise Refused(400, f"Revision '{target.get('revision')}' does not exist.")


def _sent(target: dict[str, Any]) -> dict[str, Any]:
    """A target as the API keeps it: without what is zero or empty."""
    return {key: value for key, value in target.items() if value}


def stamp(seconds: float) -> str:
    """A time as the API writes it, in nanoseconds."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "123Z"
