"""Access tokens for Google's APIs, of the account this process runs as.

google-auth knows every kind of account, and needs `requests` and `cryptography` for it, up to 0.3 s of a cold start. On
Cloud Run there is but one kind, whose token the metadata server hands out over plain HTTP
(https://cloud.google.com/run/docs/securing/service-identity#access_tokens).
"""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from urllib3 import PoolManager

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
METADATA = "http://metadata.google.internal"
ITS_PATH = "/computeMetadata/v1/instance/service-accounts/default/token"
TOKEN_SECONDS = 3.0
"""How long the metadata server, which is on the same machine, has to answer."""

SPARE_SECONDS = 225.0
"""A token that is good for less is renewed: the metadata server has a new one four minutes before the old one ends."""

LAST_SECONDS = 5.0
"""What a token must be good for still to be used while there is no new one: the time of a request."""


class NoToken(Exception):
    """There is no account, or it could not be asked for a token."""


class Tokens(Protocol):
    """Where tokens come from. Safe for many threads."""

    def get(self, http: PoolManager) -> str:
        """A token that is good for now. Raises `NoToken`."""
        ...

    def drop(self) -> None:
        """Forgets the token, which was refused."""
        ...


class FromMetadata:
    """Tokens of the service account of this Cloud Run service. `server` is that of a fake."""

    def __init__(self, server: str = METADATA) -> None:
        self._url = server + ITS_PATH
        self._lock = threading.Lock()
        self._token = ""
        self._ends_at = 0.0

    def get(self, http: PoolManager) -> str:
        """A token that is good for now, asked for once however many threads need it. Raises `NoToken`."""
        from urllib3.exceptions import HTTPError

        with self._lock:
            left = self._ends_at - time.monotonic() if self._token else 0.0
            if left <= SPARE_SECONDS:
                try:
                    response = http.request(
                        "GET", self._url, headers={"Metadata-Flavor": "Google"}, timeout=TOKEN_SECONDS
                    )
                    found = json.loads(response.data)
                    self._token = found["access_token"]
                    self._ends_at = time.monotonic() + float(found["expires_in"])
                except (HTTPError, ValueError, KeyError, TypeError) as error:
                    if left > LAST_SECONDS:
                        return self._token
                    raise NoToken(f"the metadata server gives no token: {type(error).__name__}") from error
            return self._token

    def drop(self) -> None:
        """Forgets the token, which was refused."""
        with self._lock:
            self._token = ""


class FromGoogleAuth:
    """Tokens of whatever account google-auth finds: a person's own on their machine, a key file, another cloud's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._credentials: Any = None

    def get(self, http: PoolManager) -> str:
        """A token that is good for now. Raises `NoToken`."""
        import google.auth
        from google.auth.exceptions import GoogleAuthError
        from google.auth.transport.urllib3 import Request

        with self._lock:
            try:
                if self._credentials is None:
                    self._credentials, _ = google.auth.default(scopes=[SCOPE])
                if not self._credentials.valid:
                    self._credentials.refresh(Request(http))  # type: ignore[no-untyped-call]
            except GoogleAuthError as error:
                raise NoToken(str(error)) from error
            return str(self._credentials.token)

    def drop(self) -> None:
        """Forgets the token, which was refused."""
        with self._lock:
            if self._credentials is not None:
                self._credentials.token = None
