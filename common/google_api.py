"""Google's REST APIs without their generated clients, whose import alone costs a second of a cold start."""

from __future__ import annotations

import json
import math
import random
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

    from common.google_tokens import Tokens

CALL_SECONDS = 5.0
READ_SECONDS = 10.0
"""How long a read is tried, all attempts together."""

LEAST_CALL_SECONDS = 0.05
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0
TRANSIENT = frozenset({429, 500, 502, 503, 504})
UNAUTHENTICATED = 401
RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"
LONGEST_MESSAGE = 500


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
    """One API at `https://{host}`. `endpoint` is another `http://host:port`, such as a fake's. Without `tokens` it is
    spoken to by nobody in particular."""

    def __init__(self, host: str, *, endpoint: str | None = None, tokens: Tokens | None = None) -> None:
        self._base = (endpoint or f"https://{host}").rstrip("/")
        self._tokens = tokens
        self._lock = threading.Lock()
        self._http: PoolManager | None = None

    def get(self, path: str, query: Mapping[str, str] | None = None, *, deadline: float = math.inf) -> dict[str, Any]:
        """Reads, again where that may help, within `READ_SECONDS` and before `deadline`, a time of the monotonic
        clock. Raises `ApiError`."""
        deadline = min(deadline, time.monotonic() + READ_SECONDS)
        attempt = 0
        while True:
            try:
                return self.call("GET", path, query=query, deadline=deadline)
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
        deadline: float = math.inf,
    ) -> dict[str, Any]:
        """Makes one request and returns the JSON it is answered with. Raises `ApiError`."""
        from urllib.parse import urlencode

        url = f"{self._base}/{path}" + (f"?{urlencode(query)}" if query else "")
        data = None if body is None else json.dumps(body).encode()
        response = self._send(method, url, data, deadline)
        if response.status == UNAUTHENTICATED and self._tokens is not None:
            # A token may be revoked before its time.
            self._tokens.drop()
            response = self._send(method, url, data, deadline)
        if response.status >= 400:
            raise _error(response)
        found = _json(response.data or b"{}")
        if not isinstance(found, dict):
            raise ApiError(0, f"an answer of {self._base} is not a JSON object")
        return found

    def _send(self, method: str, url: str, data: bytes | None, deadline: float) -> BaseHTTPResponse:
        from urllib3 import Timeout
        from urllib3.exceptions import HTTPError

        from common.google_tokens import NoToken

        left = max(LEAST_CALL_SECONDS, deadline - time.monotonic())
        timeout = Timeout(connect=min(CALL_SECONDS / 2, left), read=min(CALL_SECONDS, left))
        headers = {"Content-Type": "application/json"}
        http = self._client()
        try:
            if self._tokens is not None:
                headers["Authorization"] = f"Bearer {self._tokens.get(http)}"
            return http.request(method, url, body=data, headers=headers, timeout=timeout)
        except NoToken as error:
            raise ApiError(0, f"no credentials for {self._base}: {error}") from error
        except HTTPError as error:
            raise ApiError(0, f"no answer from {self._base}: {type(error).__name__}") from error

    def _client(self) -> PoolManager:
        with self._lock:
            if self._http is None:
                import urllib3

                self._http = urllib3.PoolManager(retries=False, maxsize=8)
            return self._http


def pause(attempt: int, retry_after: float | None = None) -> float:
    """How many seconds to wait before the next attempt: a doubling with jitter, and no less than the API asks for."""
    longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0**attempt)
    return max(retry_after or 0.0, random.uniform(longest / 2, longest))


def _error(response: BaseHTTPResponse) -> ApiError:
    found = _json(response.data)
    error = found.get("error") if isinstance(found, dict) else None
    if not isinstance(error, dict):
        error = {"message": response.data[:LONGEST_MESSAGE].decode(errors="replace")}
    header = response.headers.get("Retry-After")
    asked = [_seconds(header), *(_seconds(str(wait).removesuffix("s")) for wait in _retry_delays(error))]
    known = [seconds for seconds in asked if seconds is not None]
    return ApiError(response.status, str(error.get("message", ""))[:LONGEST_MESSAGE], max(known, default=None))


def _retry_delays(error: Mapping[str, Any]) -> list[Any]:
    """What the details of an error ask to wait, such as `3.5s`: https://google.aip.dev/194."""
    details = error.get("details") or ()
    return [each.get("retryDelay") for each in details if isinstance(each, dict) and each.get("@type") == RETRY_INFO]


def _seconds(value: str | None) -> float | None:
    """A number of seconds; a date, which is allowed as well, is none."""
    try:
        seconds = float(value or "")
    except ValueError:
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
