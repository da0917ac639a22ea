"""Proves that a push request comes from our own Pub/Sub subscription, Cloud Tasks queue or Scheduler job."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Mapping
from typing import Any

from common.errors import Unauthenticated, Unavailable

GOOGLE_CERTIFICATES = "https://www.googleapis.com/oauth2/v1/certs"
GOOGLE_ISSUERS = ("accounts.google.com", "https://accounts.google.com")
FETCH_SECONDS = 10.0
UNKNOWN_KEY_SECONDS = 60.0
"""A token with an unknown key has the certificates fetched anew, at most this often."""

DEFAULT_MAX_AGE_SECONDS = 3600.0
CLOCK_SKEW_SECONDS = 10


class TokenProof:
    """Verifies OIDC tokens of one service account for one audience, with Google's certificates kept as long
    as their response allows.

    The audience alone would prove nothing: anybody may ask Google for a token that names it.
    """

    def __init__(self, *, audience: str, service_account: str, certificates_url: str = GOOGLE_CERTIFICATES) -> None:
        self._audience = audience
        self._service_account = service_account
        self._certificates_url = certificates_url
        self._lock = threading.Lock()
        self._certificates: Mapping[str, str] = {}
        self._fresh_until = 0.0
        self._fetched_at = 0.0

    def __call__(self, authorization: str | None) -> None:
        """Takes an Authorization header. Raises `Unauthenticated` unless it holds a good token, and
        `Unavailable` when Google's certificates cannot be had."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("a push request needs an OIDC token")
        claims = self._verified(token.strip())
        if claims.get("iss") not in GOOGLE_ISSUERS:
            raise Unauthenticated("the token is not Google's")
        if claims.get("email") != self._service_account or claims.get("email_verified") is not True:
            raise Unauthenticated("the token is not of the service account that pushes")

    def _verified(self, token: str) -> Mapping[str, Any]:
        from google.auth import jwt
        from google.auth.exceptions import GoogleAuthError

        try:
            key_id = jwt.decode_header(token).get("kid")  # type: ignore[no-untyped-call]
            certificates = self._certificates_with(key_id)
            claims: Mapping[str, Any] = jwt.decode(  # type: ignore[no-untyped-call]
                token, certs=certificates, audience=self._audience, clock_skew_in_seconds=CLOCK_SKEW_SECONDS
            )
        except (GoogleAuthError, ValueError, TypeError, KeyError) as error:
            raise Unauthenticated(f"the OIDC token is not valid: {error}") from None
        return claims

    def _certificates_with(self, key_id: Any) -> Mapping[str, str]:
        with self._lock:
            now = time.monotonic()
            unknown = key_id not in self._certificates and now > self._fetched_at + UNKNOWN_KEY_SECONDS
            if unknown or now > self._fresh_until:
                self._certificates, max_age = _fetch(self._certificates_url)
                self._fetched_at, self._fresh_until = now, now + max_age
            return self._certificates


def _fetch(url: str) -> tuple[Mapping[str, str], float]:
    """The certificates by key id, and for how many seconds they may be kept."""
    import urllib3

    try:
        # Not google-auth's transport: a cold start would have to import `requests` for it, which nothing else needs.
        with urllib3.PoolManager(timeout=FETCH_SECONDS, retries=False) as http:
            response = http.request("GET", url)
        if response.status != 200:
            raise Unavailable(f"Google's certificates answer {response.status}")
        certificates: Mapping[str, str] = json.loads(response.data)
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        raise Unavailable(f"Google's certificates cannot be fetched: {error}") from error
    max_age = re.search(r"max-age=(\d+)", response.headers.get("cache-control", ""))
    return certificates, float(max_age[1]) if max_age else DEFAULT_MAX_AGE_SECONDS
