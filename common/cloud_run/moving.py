"""Moves the traffic of one service: asks for it, follows the operation, and believes only where the traffic then is."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from common.cloud_run.documents import failure_of, same_shares, same_traffic, service_of, target_document
from common.cloud_run.merging import lost, merged, moved_by_others
from common.cloud_run.port import CloudRunUnavailable, Service, Target, TrafficNotMoved
from common.google_api import ApiError, GoogleApi, pause

SETTLE_SECONDS = 3.0
"""How long the statuses may differ from what was asked for once Cloud Run is done."""

FIRST_LOOK_SECONDS = 0.02
LONGEST_LOOK_SECONDS = 1.0
CONFLICT = 409

log = structlog.get_logger()


@dataclass(frozen=True)
class Move:
    """A change of traffic of the service at `path`, done before `deadline`, a time of the monotonic clock. `revisions`
    gives the documents of its revisions."""

    api: GoogleApi
    path: str
    region: str
    deadline: float
    revisions: Callable[[], Sequence[dict[str, Any]]]

    def make(self, traffic: Sequence[Target], seen: Sequence[Target] | None) -> Service:
        """Asks for the traffic, again where that is refused for now: a change that was refused with an error may have
        been made all the same, so that the service is looked at before it is asked for once more.

        Raises `ApiError`, `TrafficNotMoved` or `CloudRunUnavailable`.
        """
        wanted, attempt = list(traffic), 0
        while True:
            try:
                if attempt or seen is not None:
                    document = self._read()
                    if _on_its_way(service_of(document, (), self.region), wanted):
                        return self._arrived(wanted)
                    if seen is not None:
                        wanted = self._with_what_others_did(traffic, seen, document)
                body = {"name": self.path.removeprefix("v2/"), "traffic": [target_document(each) for each in wanted]}
                operation = self.api.call(
                    "PATCH", self.path, query={"updateMask": "traffic"}, body=body, deadline=self.deadline
                )
                return self._arrived(wanted, self._followed(operation))
            except ApiError as error:
                attempt += 1
                wait = pause(attempt, error.retry_after)
                again = error.transient or error.status == CONFLICT
                if not again or time.monotonic() + wait > self.deadline:
                    raise
                time.sleep(wait)

    def _with_what_others_did(
        self, traffic: Sequence[Target], seen: Sequence[Target], document: dict[str, Any]
    ) -> list[Target]:
        found = service_of(document, (), self.region)
        if moved_by_others(traffic, seen, found.traffic, found.latest_ready):
            who = found.last_modifier or "somebody"
            raise TrafficNotMoved(f"{who} moved the traffic of {found.name} meanwhile: it is left where it is")
        asked = merged(traffic, seen, found.traffic, lambda name: self._with_revisions(document).is_ready(name))
        dropped = lost(found.traffic, asked)
        if dropped:
            log.warning("tags_dropped", service=found.name, tags=dropped)
        return asked

    def _followed(self, operation: dict[str, Any]) -> str:
        """Waits for the end of an operation and returns how it failed, or nothing. One that can no longer be asked
        about has told what it can: the service is looked at in any case."""
        look = FIRST_LOOK_SECONDS
        while not operation.get("done") and time.monotonic() + look < self.deadline:
            time.sleep(look)
            look = min(look * 2, LONGEST_LOOK_SECONDS)
            try:
                operation = self.api.get(f"v2/{operation['name']}", deadline=self.deadline)
            except ApiError as error:
                log.warning("operation_lost", detail=str(error))
                return ""
        failure = operation.get("error")
        return str(failure.get("message") or "the operation failed") if failure else ""

    def _arrived(self, wanted: Sequence[Target], failure: str = "") -> Service:
        """The service once its traffic is what was asked for. Raises `TrafficNotMoved` when it rests elsewhere, and
        `CloudRunUnavailable` when it does not rest in time."""
        look = FIRST_LOOK_SECONDS
        patience = time.monotonic() + (0.0 if failure else SETTLE_SECONDS)
        while True:
            document = self._read()
            found = service_of(document, (), self.region)
            rests = not found.reconciling
            if rests and same_traffic(found.statuses, wanted, found.latest_ready):
                return self._with_revisions(document)
            out_of_time = time.monotonic() + look > self.deadline
            if out_of_time and not rests:
                raise CloudRunUnavailable(f"the traffic of {found.name} is still on its way")
            if out_of_time or (rests and time.monotonic() + look > patience):
                if failure or not same_shares(found.statuses, wanted, found.latest_ready):
                    raise TrafficNotMoved(_where(found) + f": {failure or failure_of(document) or 'nobody says why'}")
                # Cloud Run takes tags away where there are too many of them; that is no reason to say users are not
                # where they were sent.
                log.warning("tags_differ", service=found.name)
                return self._with_revisions(document)
            time.sleep(look)
            look = min(look * 2, LONGEST_LOOK_SECONDS)

    def _read(self) -> dict[str, Any]:
        return self.api.get(self.path, deadline=self.deadline)

    def _with_revisions(self, document: dict[str, Any]) -> Service:
        return service_of(document, self.revisions(), self.region)


def _on_its_way(found: Service, wanted: Sequence[Target]) -> bool:
    """Whether this has been asked for and is so, or will be. What was asked for and has failed is not."""
    latest = found.latest_ready
    asked_for = same_traffic(found.traffic, wanted, latest)
    return asked_for and (found.reconciling or same_traffic(found.statuses, wanted, latest))


def _where(found: Service) -> str:
    shares = ", ".join(f"{share} % to {revision}" for revision, share in found.serving.items()) or "nowhere"
    return f"the traffic of {found.name} is {shares}"
