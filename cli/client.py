"""Talks to the API: JSON in, JSON out, problems as exceptions. The only module that knows HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

from cli.errors import Dropped, Problem, Unreachable, WrongUsage
from cli.sse import ServerEvent, read_events

if TYPE_CHECKING:
    from requests import PreparedRequest, Response, Session

DEFAULT_URL = "http://localhost:8080"
PREFIX = "/api/v1"
CONNECT_SECONDS = 5.0
READ_SECONDS = 60.0
STREAM_SILENCE_SECONDS = 45.0
"""A stream that says nothing for so long, not even a comment, has been lost on the way."""
ATTEMPTS = 4
MAX_WAIT_SECONDS = 10.0
"""A server that asks for more patience than this gets its answer shown instead."""
CHUNK_BYTES = 65_536
PAGE_SIZE = 200

NOT_RUNNING = "Start it with `make run`, or say where it is with --url or SIGHT_URL."


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer and what its headers add."""

    status: int
    body: Any
    etag: str


@dataclass(frozen=True, slots=True)
class Client:
    """A connection to one server, whose paths begin with `prefix`; `not_running` says what to do where nothing
    answers. A request is repeated when the server says that it is busy, and when the connection drops before the
    answer, unless it would then be carried out twice."""

    url: str
    session: Session
    prefix: str = PREFIX
    not_running: str = NOT_RUNNING

    def get(self, path: str, **parameters: Any) -> Any:
        """What is at `path`. Raises `Problem` or `Unreachable`, as all of these do."""
        return self.ask("GET", path, parameters=parameters).body

    def post(self, path: str, body: Any = None, *, patient: bool = True) -> Any:
        """Does something, once. Raises `Dropped` when the answer got lost: whether it was done is then not known.
        Nor is it always where the server is busy: without patience that is not repeated either."""
        try:
            return self.ask("POST", path, body={} if body is None else body, repeatable=False, patient=patient).body
        except Dropped as error:
            hint = "It may have been done all the same: look before you repeat it."
            raise Dropped(error.message, hint=hint) from error

    def start(self, path: str, body: Any, *, idempotency_key: str | None = None) -> Any:
        """Starts a job, once however often the request has to be sent: the server knows it by its key."""
        headers = {"Idempotency-Key": idempotency_key or str(uuid4())}
        return self.ask("POST", path, body=body, headers=headers).body

    def estimate(self, path: str, body: Any) -> Any:
        """Asks something that takes a body and changes nothing."""
        return self.ask("POST", path, body=body).body

    def pages(self, path: str, *, limit: int | None = None, **parameters: Any) -> list[Any]:
        """The items of a list, from as many pages as it takes to have `limit` of them (None: all)."""
        found: list[Any] = []
        cursor = None
        while limit is None or len(found) < limit:
            size = PAGE_SIZE if limit is None else min(PAGE_SIZE, limit - len(found))
            page = self.get(path, **parameters, limit=size, cursor=cursor)
            found += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        return found

    def delete(self, path: str) -> Any:
        """Deletes what is at `path`."""
        return self.ask("DELETE", path).body

    def ask(
        self,
        method: str,
        path: str,
        *,
        parameters: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = True,
        patient: bool = True,
    ) -> Answer:
        """One request, repeated while that may help."""
        for attempt in range(1, ATTEMPTS + 1):
            wait = min(0.2 * 2**attempt, MAX_WAIT_SECONDS)
            try:
                response = self._send(method, path, parameters, body, headers, stream=False)
            except Dropped:
                if attempt == ATTEMPTS or not repeatable:
                    raise
            else:
                asked = _retry_after(response)
                hopeless = attempt == ATTEMPTS or not patient or (asked or 0.0) > MAX_WAIT_SECONDS
                if response.status_code not in (429, 503) or hopeless:
                    return Answer(response.status_code, _read(response), response.headers.get("ETag", ""))
                wait = wait if asked is None else asked
            time.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def events(self, path: str, *, after: str) -> Iterator[ServerEvent]:
        """The events of a stream after the one with id `after`, as they come; ends when the server ends it.
        Raises `Dropped` when the connection breaks or falls silent."""
        import urllib3

        headers = {"Accept": "text/event-stream", "Cache-Control": "no-cache"}
        if after:
            headers["Last-Event-ID"] = after
        response = self._send("GET", path, None, None, headers, stream=True)
        with response:
            if response.status_code == 204:
                return
            if response.status_code != 200:
                _read(response)
            try:
                yield from read_events(iter(lambda: response.raw.read1(CHUNK_BYTES), b""))
            except (urllib3.exceptions.HTTPError, OSError) as error:
                raise Dropped(f"the connection to {self.url} broke") from error

    def _send(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, Any] | None,
        body: Any,
        headers: Mapping[str, str] | None,
        *,
        stream: bool,
    ) -> Response:
        import requests

        try:
            return self.session.request(
                method,
                f"{self.url}{self.prefix}{path}",
                params={name: value for name, value in (parameters or {}).items() if value is not None},
                json=body,
                headers=dict(headers or {}),
                timeout=(CONNECT_SECONDS, STREAM_SILENCE_SECONDS if stream else READ_SECONDS),
                stream=stream,
                allow_redirects=False,
            )
        except requests.exceptions.InvalidURL as error:
            raise WrongUsage(f"{self.url} is not a URL", hint="Such as http://localhost:8080") from error
        except requests.exceptions.SSLError as error:
            raise Unreachable(f"{self.url} has no certificate that this machine trusts: {error}") from error
        except requests.exceptions.ConnectTimeout as error:
            raise Unreachable(f"{self.url} does not answer", hint=self.not_running) from error
        except requests.exceptions.ConnectionError as error:
            if _was_never_connected(error):
                raise Unreachable(f"nothing answers at {self.url}", hint=self.not_running) from error
            raise Dropped(f"the connection to {self.url} broke") from error
        except requests.exceptions.RequestException as error:
            raise Dropped(f"{self.url} did not answer: {error}") from error


def connect(url: str, *, api_key: str | None, prefix: str = PREFIX, not_running: str = NOT_RUNNING) -> Client:
    """A client of the server at `url`. Raises `WrongUsage` when that is not a URL."""
    import requests

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise WrongUsage(f'"{url}" is not a URL', hint="Such as http://localhost:8080")
    session = requests.Session()
    session.headers["Accept"] = "application/json"
    if parts.hostname in ("localhost", "127.0.0.1", "::1"):
        session.trust_env = False  # a proxy for the outside does not lead back in

    def authenticate(request: PreparedRequest) -> PreparedRequest:
        if api_key:
            request.headers["Authorization"] = f"Bearer {api_key}"
        return request

    session.auth = authenticate  # also keeps a .netrc from putting its own in
    return Client(url.rstrip("/"), session, prefix, not_running)


def _was_never_connected(error: Exception) -> bool:
    """Whether the connection could not even be made, as opposed to having broken: then nothing was sent."""
    import urllib3

    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(reason, urllib3.exceptions.NewConnectionError)


def _read(response: Response) -> Any:
    """The body of a good answer. Raises `Problem` for any other."""
    if response.status_code in (204, 304):
        return None
    try:
        body = response.json()
    except ValueError:
        body = None
    if response.ok and body is not None:
        return body
    if not isinstance(body, dict):
        shown = " ".join(response.text.split())[:200]
        body = {"detail": f"the server answered {response.status_code} {response.reason or ''}".rstrip()}
        if shown:
            body["detail"] += f": {shown}"
    raise Problem(response.status_code, body)


def _retry_after(response: Response) -> float | None:
    try:
        return max(0.0, float(response.headers["Retry-After"]))
    except (KeyError, ValueError):
        return None
