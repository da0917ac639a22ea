"""Tries a new revision on its own address before any user is sent there."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import urllib3

CALL_SECONDS = 30.0
"""A first request waits for an instance to start."""

JOB_SECONDS = 180.0
POLL_SECONDS = 1.0
PANEL = {
    "audience": {"name": "Smoke test", "dimensions": {"age": {"18-39": 0.5, "40+": 0.5}}},
    "size": 2,
    "budget_usd": 0.5,
}


@dataclass(frozen=True, slots=True)
class Smoke:
    """How a smoke test went: `detail` is what failed, or what was tried."""

    passed: bool
    detail: str


class SmokeTest(Protocol):
    """Tries a revision on its address."""

    def __call__(self, address: str, key: str, *, paths: Sequence[str], job: bool) -> Smoke:
        """Asks for every path and, with `job`, has a tiny panel made. `key` names the try: once is enough."""
        ...


class _Failed(Exception):
    pass


@dataclass(frozen=True)
class HttpSmokeTest:
    """A smoke test over HTTP, as the API's own user."""

    api_key: str | None

    def __call__(self, address: str, key: str, *, paths: Sequence[str], job: bool) -> Smoke:
        """Stops at the first thing that fails."""
        import urllib3

        base = address.rstrip("/")
        try:
            with urllib3.PoolManager(timeout=CALL_SECONDS, retries=False) as http:
                for path in paths:
                    self._ask(http, "GET", base + path)
                if job:
                    self._make_panel(http, f"{base}/api/v1", key)
        except _Failed as failure:
            return Smoke(passed=False, detail=str(failure))
        return Smoke(passed=True, detail=f"{', '.join(paths)}{' and a panel of two' if job else ''} went well")

    def _make_panel(self, http: urllib3.PoolManager, api: str, key: str) -> None:
        project = self._ask(http, "POST", f"{api}/projects", {"name": f"Smoke test {key}"})["id"]
        try:
            asked = self._ask(http, "POST", f"{api}/projects/{project}/personas:generate", PANEL, key=f"smoke-{key}")
            deadline = time.monotonic() + JOB_SECONDS
            while True:
                found = self._ask(http, "GET", f"{api}/jobs/{asked['id']}")
                if found["finished_at"] is not None:
                    break
                if time.monotonic() > deadline:
                    raise _Failed(f"a panel of two was not made in {JOB_SECONDS:.0f} s")
                time.sleep(POLL_SECONDS)
            if found["state"] != "completed":
                reasons = "; ".join(reason["detail"] or reason["code"] for reason in found["reasons"])
                raise _Failed(f"a panel of two ended {found['state']}" + (f": {reasons}" if reasons else ""))
        finally:
            self._ask(http, "DELETE", f"{api}/projects/{project}")

    def _ask(
        self, http: urllib3.PoolManager, method: str, url: str, body: dict[str, Any] | None = None, *, key: str = ""
    ) -> dict[str, Any]:
        from urllib3.exceptions import HTTPError

        headers = {"Content-Type": "application/json"} if body is not None else {}
        if self.api_key:
            headers["Authorization"] = f"Bearer {self.api_key}"
        if key:
            headers["Idempotency-Key"] = key
        data = None if body is None else json.dumps(body).encode()
        path = "/" + url.split("/", 3)[3]
        try:
            response = http.request(method, url, body=data, headers=headers)
        except HTTPError as error:
            raise _Failed(f"{method} {path} was not answered: {type(error).__name__}") from error
        if response.status >= 300:
            raise _Failed(f"{method} {path} answered {response.status}")
        try:
            found = json.loads(response.data or b"{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}
