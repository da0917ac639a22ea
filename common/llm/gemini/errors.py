"""What Gemini's refusals and failures mean to Sight."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from google.api_core.exceptions import GoogleAPICallError

from common.errors import SightError
from common.llm.port import ModelUnavailable, RateLimited, Refused

PASSING = frozenset({408, 409, 425, 499})
"""Client errors that are not about the request: time-outs, conflicts and cancellations."""

MOST_SECONDS = 86_400.0
"""The longest wait that is believed; beyond what a database can add to a date it would be no wait at all."""

RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"


def translated(error: GoogleAPICallError, *, api_key: str) -> SightError:
    """The error of the port for one of the API. Its detail never holds the key."""
    status = int(error.code or 0)
    detail = f"Gemini answered {status}: {error.message}".replace(api_key, "***")
    if status == 429:
        return RateLimited(detail, retry_after=_retry_after(error))
    if status >= 500 or status in PASSING:
        return ModelUnavailable(detail, retry_after=_retry_after(error))
    return Refused(detail)


def _retry_after(error: GoogleAPICallError) -> float | None:
    """The longer of what the header and the RetryInfo ask for, in seconds; None where neither does."""
    headers: Mapping[str, str] = getattr(error.response, "headers", {})
    asked = [_seconds(headers.get("Retry-After")), *_delays(error.details)]
    return max((seconds for seconds in asked if seconds is not None), default=None)


def _delays(details: Iterable[Any]) -> list[float | None]:
    return [
        _seconds(str(detail.get("retryDelay", "")).removesuffix("s"))
        for detail in details
        if isinstance(detail, dict) and detail.get("@type") == RETRY_INFO
    ]


def _seconds(text: str | None) -> float | None:
    try:
        seconds = float(text or "")
    except ValueError:
        return None
    return min(seconds, MOST_SECONDS) if seconds >= 0 else None
