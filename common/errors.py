"""The one tree of errors: what went wrong, who can act on it, and whether trying again may help."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field of a request that is wrong: its path (`audience.dimensions[0].shares`) and what would be right."""

    field: str
    message: str


class SightError(Exception):
    """Base of every error Sight raises on purpose.

    `code` is stable and meant for programs, `status` is the HTTP status it maps to, and `retryable`
    says whether the same request may succeed later without anybody changing it. `not_yet` says that nothing
    went wrong at all: what was asked for has to wait, and to wait is no failed attempt at it.
    """

    code = "internal"
    status = 500
    title = "Internal error"
    retryable = False
    not_yet = False

    def __init__(self, detail: str, *, errors: tuple[FieldError, ...] = (), retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors
        self.retry_after = retry_after


class InvalidInput(SightError):
    """The request is understood and wrong; `errors` names each field."""

    code = "invalid_input"
    status = 422
    title = "Invalid input"

    @classmethod
    def of(cls, field: str, message: str) -> InvalidInput:
        """The common case of a single wrong field."""
        return cls(f"{field}: {message}", errors=(FieldError(field, message),))


class Malformed(SightError):
    """The body or message cannot be read at all."""

    code = "malformed"
    status = 400
    title = "Malformed request"


class Unauthenticated(SightError):
    """No credential, or one that proves nothing."""

    code = "unauthenticated"
    status = 401
    title = "Authentication required"


class NotFound(SightError):
    """Nothing of that id in this workspace."""

    code = "not_found"
    status = 404
    title = "Not found"


class Conflict(SightError):
    """The request contradicts the present state."""

    code = "conflict"
    status = 409
    title = "Conflict"


class TooLarge(SightError):
    """The body exceeds the limit."""

    code = "too_large"
    status = 413
    title = "Request too large"


class Unavailable(SightError):
    """A dependency is down or busy; trying again later is right."""

    code = "unavailable"
    status = 503
    title = "Temporarily unavailable"
    retryable = True
