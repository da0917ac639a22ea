"""Tries a new revision on its own address before any user is sent there."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import structlog

if TYPE_CHECKING:
    import urllib3

PATIENCE_SECONDS = 30.0
"""So long a request is made again that fails for now: a first one waits for an instance to start."""

JOB_SECONDS = 180.0
PAUSE_SECONDS = 1.0
FOR_NOW = frozenset({429, 500, 502, 503, 504})
TURNED_AWAY = frozenset({429, 503})
"""What a request is answered that nobody began with: there is no instance for it yet, or too much to do."""

NOT_FOUND = 404
LOCKED_OUT = frozenset({401, 403})
PANEL = {
    "audience": {"name": "Smoke test", "dimensions": {"age": {"18-39": 0.5, "40+": 0.5}}},
    "size": 2,
    "budget_usd": 0.5,
}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Smoke:
    """How a smoke test went: `detail` is what failed, or what was tried. `judges` is False where what failed says
    nothing of the revision: the test had not the right key."""

    passed: bool
    detail: str
    judges: bool = True


class SmokeTest(Protocol):
    """Tries a revision on its address."""

    def __call__(self, address: str, revision: str, *, paths: Sequence[str], job: bool) -> Smoke:
        """Asks for every path and, with `job`, has a tiny panel made to its end."""
        ...


class _Failed(Exception):
    """`status` is that of the answer, None where there was none."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status

    @property
    def judges(self) -> bool:
        return self.status not in LOCKED_OUT


@dataclass(frozen=True)
class HttpSmokeTest:
    """A smoke test over HTTP, as the API's own user. Times are in seconds."""

    api_key: str | None
    patience: float = PATIENCE_SECONDS
    job_seconds: float = JOB_SECONDS
    pause: float = PAUSE_SECONDS

    def __call__(self, address: str, revision: str, *, paths: Sequence[str], job: bool) -> Smoke:
        """Stops at the first thing that fails, and leaves nothing behind that it can delete."""
        import urllib3

        base = address.rstrip("/")
        try:
            with urllib3.PoolManager(timeout=self.patience, retries=False) as http:
                for path in paths:
                    self._ask(http, "GET", base + path)
                if job:
                    self._make_panel(http, f"{base}/api/v1", revision)
        except _Failed as failure:
            return Smoke(passed=False, detail=str(failure), judges=failure.judges)
        except (KeyError, TypeError) as error:
            return Smoke(passed=False, detail=f"an answer of the API is not of its contract: {error}")
        return Smoke(passed=True, detail=f"{', '.join(paths)}{' and a panel of two' if job else ''} went well")

    def _make_panel(self, http: urllib3.PoolManager, api: str, revision: str) -> None:
        made = self._ask(http, "POST", f"{api}/projects", {"name": f"Smoke test of {revision}"})
        project = f"{api}/projects/{made['id']}"
        try:
            # A key of this try alone: one that died may have left a job in a project of its own.
            asked = self._ask(http, "POST", f"{project}/personas:generate", PANEL, key=f"smoke-{uuid.uuid4()}")
            deadline = time.monotonic() + self.job_seconds
            while (found := self._ask(http, "GET", f"{api}/jobs/{asked['id']}"))["finished_at"] is None:
                if time.monotonic() > deadline:
                    raise _Failed(f"a panel of two was not made in {self.job_seconds:.0f} s")
                time.sleep(self.pause)
            if found["state"] != "completed":
                reasons = "; ".join(reason["detail"] or reason["code"] for reason in found["reasons"])
                raise _Failed(f"a panel of two ended {found['state']}" + (f": {reasons}" if reasons else ""))
        finally:
            self._clean_up(http, project)

    def _clean_up(self, http: urllib3.PoolManager, project: str) -> None:
        """Deletes the project. That it cannot is no verdict on the revision, which has done or failed by then what it
        was asked for."""
        try:
            self._ask(http, "DELETE", project)
        except _Failed as failure:
            if failure.status != NOT_FOUND:  # it is gone where only the answer was lost, and the repeat finds nothing
                log.warning("smoke_test_left", project=project, problem=str(failure))

    def _ask(
        self, http: urllib3.PoolManager, method: str, url: str, body: dict[str, Any] | None = None, *, key: str = ""
    ) -> dict[str, Any]:
        """The JSON object of an answer, empty where it is none. What may pass is asked for again while patience lasts,
        unless that would do a thing twice: a POST without a key is only repeated where it was turned away or not
        answered, and the worst that can leave is a spare project with nothing in it. Raises `_Failed`."""
        from urllib3.exceptions import HTTPError

        headers = {"Content-Type": "application/json"} if body is not None else {}
        if self.api_key:
            headers["Authorization"] = f"Bearer {self.api_key}"
        if key:
            headers["Idempotency-Key"] = key
        data = None if body is None else json.dumps(body).encode()
        passing = FOR_NOW if method != "POST" or key else TURNED_AWAY
        shown = f"{method} /{url.split('/', 3)[3]}"
        deadline = time.monotonic() + self.patience
        while True:
            try:
                response = http.request(method, url, body=data, headers=headers)
            except HTTPError as error:
                problem, status = f"{shown} was not answered: {type(error).__name__}", None
            else:
                if response.status < 300:
                    return _object(response.data)
                problem, status = f"{shown} answered {response.status}", response.status
            again = status is None or status in passing
            if not again or time.monotonic() + self.pause > deadline:
                raise _Failed(problem, status)
            time.sleep(self.pause)


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
