"""The Cloud Run Admin API v2 over REST.

Etags are neither sent nor compared: what counts is where the traffic is, which is read before and after.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from common.cloud_run.documents import service_of
from common.cloud_run.moving import CONFLICT, Move
from common.cloud_run.port import CloudRunRefused, CloudRunUnavailable, Service, ServiceNotFound, Target
from common.google_api import ApiError, GoogleApi

if TYPE_CHECKING:
    from common.google_tokens import Tokens

HOST = "run.googleapis.com"
MOVE_SECONDS = 45.0
"""How long moving traffic may take: attempts, the operation and its verification together."""

NOT_FOUND = 404


class CloudRunRest:
    """Cloud Run of one project. `endpoint` is another than Google's, such as a fake's."""

    def __init__(
        self,
        project: str,
        *,
        endpoint: str | None = None,
        tokens: Tokens | None = None,
        move_seconds: float = MOVE_SECONDS,
    ) -> None:
        self._api = GoogleApi(HOST, endpoint=endpoint, tokens=tokens)
        self._project = project
        self._move_seconds = move_seconds

    def service(self, name: str, region: str) -> Service:
        """Reads the service and its revisions side by side."""
        path = self._path(name, region)
        try:
            with ThreadPoolExecutor(1, thread_name_prefix="revisions") as other:
                revisions = other.submit(self._revisions, path)
                document = self._api.get(path)
                return service_of(document, revisions.result(), region)
        except ApiError as error:
            raise _explained(error, name, region) from error

    def move(
        self, name: str, region: str, traffic: Sequence[Target], *, seen: Sequence[Target] | None = None
    ) -> Service:
        """Asks for the traffic, follows it and looks where it is; the revisions are read meanwhile."""
        path, deadline = self._path(name, region), time.monotonic() + self._move_seconds
        try:
            with ThreadPoolExecutor(1, thread_name_prefix="revisions") as other:
                listed = other.submit(self._revisions, path)

                def revisions() -> list[dict[str, Any]]:
                    return self._revisions(path) if listed.exception() else listed.result()

                return Move(self._api, path, region, deadline, revisions).make(traffic, seen)
        except ApiError as error:
            raise _explained(error, name, region) from error

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
        return f"v2/projects/{self._project}/locations/{quote(region, safe='')}/services/{quote(name, safe='')}"


def _explained(error: ApiError, name: str, region: str) -> ServiceNotFound | CloudRunUnavailable | CloudRunRefused:
    if error.status == NOT_FOUND:
        return ServiceNotFound(f"there is no service {name} in {region}")
    if error.transient or error.status == CONFLICT:
        return CloudRunUnavailable(f"Cloud Run: {error}", retry_after=error.retry_after)
    return CloudRunRefused(f"Cloud Run refused: {error}")
