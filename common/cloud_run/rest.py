"""The Cloud Run Admin API v2 over REST.

Etags are neither sent nor compared: what counts is where the traffic is, which is read before and after.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from common.cloud_run.documents import same_traffic, service_of, short, target_document
from common.cloud_run.port import CloudRunUnavailable, Service, ServiceNotFound, Target, TrafficNotMoved
from common.google_api import ApiError, GoogleApi, pause

HOST = "run.googleapis.com"
MOVE_SECONDS = 45.0
"""How long moving traffic may take: attempts, the operation and its verification together."""

SETTLE_SECONDS = 3.0
"""How long the statuses may differ from what was asked for once Cloud Run is done."""

FIRST_LOOK_SECONDS = 0.02
LONGEST_LOOK_SECONDS = 1.0
CONFLICT = 409


class CloudRunRest:
    """Cloud Run of one project. `endpoint` is that of a fake, spoken to without credentials."""

    def __init__(self, project: str, *, endpoint: str | None = None, move_seconds: float = MOVE_SECONDS) -> None:
        self._api = GoogleApi(HOST, endpoint=endpoint)
        self._project = project
        self._move_seconds = move_seconds

    def service(self, name: str, region: str) -> Service:
        """Reads the service and its revisions side by side."""
        path = self._path(name, region)
        try:
            with ThreadPoolExecutor(1) as other:
                revisions = other.submit(self._revisions, path)
                document = self._api.get(path)
                return service_of(document, revisions.result(), region)
        except ApiError as error:
            raise _explained(error, name, region) from error

    def move(self, name: str, region: str, traffic: Sequence[Target]) -> Service:
        """Sends the traffic there, and again where that is refused for now: a change that was refused with an
        error may have happened all the same, so the service is read before it is asked for once more."""
        path = self._path(name, region)
        deadline = time.monotonic() + self._move_seconds
        body = {"name": path, "traffic": [target_document(target) for target in traffic]}
        attempt = 0
        while True:
            try:
                operation = self._api.call("PATCH", path, query={"updateMask": "traffic"}, body=body)
                failure = self._follow(operation, deadline)
                return self._verified(name, region, traffic, deadline, failure)
            except ApiError as error:
                attempt += 1
                wait = pause(attempt, error.retry_after)
                if not (error.transient or error.status == CONFLICT) or time.monotonic() + wait > deadline:
                    raise _explained(error, name, region) from error
                time.sleep(wait)
            if self._is_asked_for(path, traffic):
                return self._verified(name, region, traffic, deadline, "")

    def _follow(self, operation: dict[str, Any], deadline: float) -> str:
        """Waits for the end of an operation and returns how it failed, or nothing."""
        look = FIRST_LOOK_SECONDS
        while not operation.get("done") and time.monotonic() + look < deadline:
            time.sleep(look)
            look = min(look * 2, LONGEST_LOOK_SECONDS)
            operation = self._api.get(f"v2/{operation['name']}")
        if "error" in operation:
            return str(operation["error"].get("message", "the operation failed"))
        return "" if operation.get("done") else "the operation did not end in time"

    def _verified(self, name: str, region: str, traffic: Sequence[Target], deadline: float, failure: str) -> Service:
        """The service once its traffic is what was asked for. Raises `TrafficNotMoved` when it rests elsewhere."""
        look = FIRST_LOOK_SECONDS
        patience = time.monotonic() + (0.0 if failure else SETTLE_SECONDS)
        while True:
            found = self.service(name, region)
            if not found.reconciling and same_traffic(found.statuses, traffic, found.latest_ready):
                return found
            if time.monotonic() + look > (deadline if found.reconciling else min(deadline, patience)):
                where = ", ".join(f"{share} % to {revision}" for revision, share in found.serving.items()) or "nowhere"
                raise TrafficNotMoved(f"the traffic of {name} is {where}" + (f": {failure}" if failure else ""))
            time.sleep(look)
            look = min(look * 2, LONGEST_LOOK_SECONDS)

    def _is_asked_for(self, path: str, traffic: Sequence[Target]) -> bool:
        try:
            document = self._api.get(path)
        except ApiError:
            return False
        found = service_of(document, [], "")
        return same_traffic(found.traffic, traffic, short(document.get("latestReadyRevision")))

    def _revisions(self, path: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        query = {"pageSize": "100"}
        while True:
            page = self._api.get(f"{path}/revisions", query)
            found += page.get("revisions", [])
            if not page.get("nextPageToken"):
                return found
            query["pageToken"] = page["nextPageToken"]

    def _path(self, name: str, region: str) -> str:
        return f"v2/projects/{self._project}/locations/{region}/services/{name}"


def _explained(error: ApiError, name: str, region: str) -> ServiceNotFound | CloudRunUnavailable | TrafficNotMoved:
    if error.status == 404:
        return ServiceNotFound(f"there is no service {name} in {region}")
    if error.transient or error.status == CONFLICT:
        return CloudRunUnavailable(f"Cloud Run: {error}", retry_after=error.retry_after)
    return TrafficNotMoved(f"Cloud Run refused: {error}")
