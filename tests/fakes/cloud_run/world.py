"""The services, revisions and traffic the fake knows, and how the real API moves them."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.cloud_run.faults import CutOff, Faults, Refused
from tests.fakes.cloud_run.traffic import LATEST, NAMED, check, deployed, kept, obstacle

__all__ = ["LATEST", "NAMED", "FakeRevision", "FakeService", "Faults", "World"]

DEPLOYER = "deployer@project.iam.gserviceaccount.com"
REGION = "europe-central2"


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
    """Stays behind where what was asked for failed."""
    failure: str = ""
    updated: float = field(default_factory=time.time)
    modifier: str = DEPLOYER
    pending: tuple[float, str] | None = None
    """When the traffic asked for is reached, and the operation that does it."""

    @property
    def latest_ready(self) -> FakeRevision | None:
        """The newest revision that is ready."""
        ready = [revision for revision in self.revisions.values() if revision.ready]
        return max(ready, key=lambda revision: revision.created, default=None)

    @property
    def newest(self) -> FakeRevision | None:
        """The newest revision, ready or not."""
        return max(self.revisions.values(), key=lambda revision: revision.created, default=None)

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
    refused: list[dict[str, Any]] = field(default_factory=list)
    """Every PATCH that was not: the same, and the `status` it was answered with."""
    samples: list[tuple[float, str, str, str, int, float]] = field(default_factory=list)
    """Requests answered: when, service, region, revision, status, milliseconds."""
    crashes: list[tuple[float, str, str, str]] = field(default_factory=list)
    """Instances whose end was logged: when, service, region, revision."""
    probes: list[tuple[float, str, str, str, bool]] = field(default_factory=list)
    """Startup and liveness probes completed: when, service, region, revision, whether healthy."""
    lock: threading.RLock = field(default_factory=threading.RLock)

    def reset(self) -> None:
        """Forgets everything."""
        with self.lock:
            self.faults = Faults()
            for kept_ in (self.services, self.operations, self.patches, self.refused):
                kept_.clear()
            for figures in (self.samples, self.crashes, self.probes):
                figures.clear()

    def deploy(
        self,
        service: str,
        revision: str,
        *,
        region: str = REGION,
        tag: str | None = None,
        no_traffic: bool = False,
        ready: bool = True,
        message: str = "",
        address: str = "",
        created: float | None = None,
        modifier: str = DEPLOYER,
    ) -> None:
        """Deploys a revision as `gcloud run deploy` does: it gets the share of `LATEST`, which is all of it at first
        and none where all shares name their revisions. With `no_traffic` that share is given to the revision which has
        it now. A tag is taken from the revision that has it."""
        with self.lock:
            found = self.services.setdefault((region, service), FakeService(service, region))
            latest = found.latest_ready
            stamp = created if created is not None else time.time()
            found.revisions[revision] = FakeRevision(revision, stamp, ready, message, address=address)
            found.traffic = deployed(found.traffic, revision, tag, latest.name if latest and no_traffic else None)
            self._touch(found, modifier)
            self._settle(found)

    def become(self, service: str, revision: str, *, ready: bool, message: str = "", region: str = REGION) -> None:
        """Makes a revision ready, or no longer so, and the traffic follow."""
        with self.lock:
            found = self.find(service, region)
            found.revisions[revision].ready, found.revisions[revision].message = ready, message
            self._settle(found)

    def set_traffic(
        self, service: str, traffic: Sequence[dict[str, Any]], *, region: str = REGION, modifier: str = DEPLOYER
    ) -> None:
        """Moves traffic at once, as somebody else than Sight."""
        with self.lock:
            found = self.find(service, region)
            found.traffic = [kept(target) for target in traffic]
            self._touch(found, modifier)
            self._settle(found)

    def age(self, service: str, seconds: float, *, region: str = REGION) -> None:
        """Makes the last change of a service, and of its revisions, older."""
        with self.lock:
            found = self.find(service, region)
            found.updated -= seconds
            for revision in found.revisions.values():
                revision.created -= seconds

    def record(
        self,
        service: str,
        revision: str,
        *,
        status: int = 200,
        milliseconds: float = 20.0,
        count: int = 1,
        at: float | None = None,
        region: str = REGION,
    ) -> None:
        """Has a revision answer requests."""
        sample = (at if at is not None else time.time(), service, region, revision, status, milliseconds)
        with self.lock:
            self.samples += [sample] * count

    def patch(self, service: str, region: str, traffic: Sequence[dict[str, Any]], modifier: str) -> str:
        """Asks for traffic and returns the name of the operation. Raises `Refused`."""
        asked = {"service": service, "region": region, "traffic": list(map(kept, traffic)), "at": time.time()}
        with self.lock:
            try:
                found = self.find(service, region)
                self._refuse(found, traffic)
            except Refused as refused:
                self.refused.append({**asked, "status": refused.status})
                raise
            found.traffic = [kept(target) for target in traffic]
            self._touch(found, modifier)
            self.patches.append(asked)
            name = f"projects/{self.project}/locations/{region}/operations/{len(self.operations) + 1}"
            self.operations[name] = {"service": found}
            found.pending = (time.monotonic() + self.faults.operation_seconds, name)
            if self.faults.take("errors_after"):
                raise Refused(500, "Internal error encountered.")
            if self.faults.take("cut_off"):
                raise CutOff
            return name

    def operation(self, name: str) -> dict[str, Any]:
        """An operation: its `service`, and once it is done its `error`, a message that may be empty. Raises
        `Refused`."""
        with self.lock:
            record = self.operations.get(name)
            if record is None:
                raise Refused(404, f"Operation {name} not found")
            self._advance(record["service"])
            return record

    def find(self, service: str, region: str) -> FakeService:
        """A service as it is by now. Raises `Refused`."""
        with self.lock:
            found = self.services.get((region, service))
            if found is None:
                where = f"in region '{region}' in project '{self.project}'"
                raise Refused(404, f"Resource '{service}' of kind 'SERVICE' {where} does not exist.")
            self._advance(found)
            return found

    def _refuse(self, found: FakeService, traffic: Sequence[dict[str, Any]]) -> None:
        if self.faults.take("limited"):
            raise Refused(429, "Quota exceeded for quota metric 'Write requests'.", self.faults.retry_after)
        if self.faults.take("conflicts") or found.pending is not None:
            known, now = found.generation, found.generation + 1
            version = f"version '{known}' was specified but current version is '{now}'"
            raise Refused(409, f"Conflict for resource '{found.name}': {version}.")
        if self.faults.take("errors_before"):
            raise Refused(500, "Internal error encountered.")
        complaint = check(traffic)
        if complaint:
            raise Refused(400, complaint)

    def _advance(self, found: FakeService) -> None:
        if found.pending is None or time.monotonic() < found.pending[0]:
            return
        record = self.operations[found.pending[1]]
        found.pending = None
        if self.faults.take("failed_operations"):
            found.failure = "Revision is not ready and cannot serve traffic."
        else:
            self._settle(found)
        record["error"] = found.failure
        if self.faults.take("failed_though_moved"):
            record["error"] = found.failure = "Resource readiness deadline exceeded."
            found.observed = found.generation - 1
        if self.faults.take("forgotten_tags"):
            shares = [target for target in found.traffic if target.get("percent")]
            found.traffic, found.statuses = shares, [self._status(found, target) for target in shares]
        if self.faults.take("elsewhere"):
            other = next(name for name in found.revisions if found.share_of(name) == 0)
            found.statuses = [{"type": NAMED, "revision": other, "percent": 100}]

    def _settle(self, found: FakeService) -> None:
        """Makes the traffic what is asked for. Where one target cannot serve, all of it stays as it was; where the
        newest revision is not ready the service is not either, whatever its traffic does."""
        found.failure = obstacle(found.traffic, {name: each.ready for name, each in found.revisions.items()})
        if found.failure:
            return
        found.statuses = [self._status(found, target) for target in found.traffic]
        newest = found.newest
        if newest is not None and not newest.ready:
            found.failure = f"Revision '{newest.name}' is not ready and cannot serve traffic. {newest.message}".strip()
        else:
            found.observed = found.generation

    def _status(self, found: FakeService, target: dict[str, Any]) -> dict[str, Any]:
        status = kept(target)
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
