"""Google's REST APIs without their generated clients, whose import alone costs a second of a cold start."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
CALL_SECONDS = 5.0
READ_SECONDS = 10.0
"""How long a read is tried, all attempts together."""

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0
TRANSIENT = frozenset({429, 500, 502, 503, 504})


class ApiError(Exception):
    """An API answered with an error, or not at all (`status` 0)."""

    def __init__(self, status: int, message: str, retry_after: float | None = None) -> None:
        super().__init__(f"{status}: {message}" if status else message)
        self.status = status
        self.message = message
        self.retry_after = retry_after

    @property
    def transient(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status == 0 or self.status in TRANSIENT


class GoogleApi:
    """One API at `https://{host}`, with the process's own credentials. `endpoint` is another `http://host:port`,
    such as a fake's, which is spoken to without any."""

    def __init__(self, host: str, *, endpoint: str | None = None) -> None:
        self._base = (endpoint or f"https://{host}").rstrip("/")
        self._anonymous = endpoint is not None
        self._lock = threading.Lock()
        self._http: Any = None

    def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Reads, again where that may help, within `READ_SECONDS`. Raises `ApiError`."""
        deadline = time.monotonic() + READ_SECONDS
        attempt = 0
        while True:
            try:
                return self.call("GET", path, query=query)
            except ApiError as error:
                attempt += 1
                wait = pause(attempt, error.retry_after)
                if not error.transient or time.monotonic() + wait > deadline:
                    raise
                time.sleep(wait)

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Makes one request and returns the JSON it is answered with. Raises `ApiError`."""
        from urllib.parse import urlencode

        from urllib3.exceptions import HTTPError

        url = f"{self._base}/{path}" + (f"?{urlencode(query)}" if query else "")
        data = None if body is None else json.dumps(body).encode()
        try:
            response: BaseHTTPResponse = self._client().request(
                method, url, body=data, headers={"Content-Type": "application/json"}
            )
        except HTTPError as error:
            raise ApiError(0, f"no answer from {self._base}: {type(error).__name__}") from error
        except Exception as error:
            if type(error).__module__.startswith("google.auth"):
                raise ApiError(0, f"no credentials for {self._base}: {error}") from error
            raise
        if response.status >= 400:
            raise ApiError(response.status, _message(response.data), _retry_after(response.headers))
        try:
            found: dict[str, Any] = json.loads(response.data or b"{}")
        except ValueError as error:
            raise ApiError(0, f"an answer of {self._base} is not JSON") from error
        return found

    def _client(self) -> Any:
        with self._lock:
            if self._http is None:
                import urllib3

                timeout = urllib3.Timeout(connect=CALL_SECONDS / 2, read=CALL_SECONDS)
                http = urllib3.PoolManager(timeout=timeout, retries=False, maxsize=8)
                self._http = http if self._anonymous else _authorized(http)
            return self._http


def pause(attempt: int, retry_after: float | None = None) -> float:
    """How many seconds to wait before the next attempt: what the API asks for, else a doubling with jitter."""
    longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0**attempt)
    return retry_after if retry_after is not None else random.uniform(longest / 2, longest)


def _authorized(http: Any) -> Any:
    import google.auth
    from google.auth.transport.urllib3 import AuthorizedHttp

    credentials, _ = google.auth.default(scopes=[SCOPE])
    return AuthorizedHttp(credentials, http)  # type: ignore[no-untyped-call]


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode(errors="replace")


def _retry_after(headers: Any) -> float | None:
    try:
        return max(0.0, float(headers.get("Retry-After", "")))
    except ValueError:
        return None
