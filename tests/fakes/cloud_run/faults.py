"""What goes wrong with the fake, set by tests."""

from __future__ import annotations

from dataclasses import dataclass

REASONS = {
    400: "INVALID_ARGUMENT",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


@dataclass
class Faults:
    """What goes wrong next: each number is how many more times. Times in seconds."""

    operation_seconds: float = 0.0
    """How long an operation takes to move the traffic."""
    conflicts: int = 0
    """PATCHes answered 409, and nothing done."""
    limited: int = 0
    """PATCHes answered 429."""
    retry_after: float = 0.05
    errors_before: int = 0
    """PATCHes answered 500, and nothing done."""
    errors_after: int = 0
    """PATCHes answered 500, though the change is made."""
    cut_off: int = 0
    """PATCHes whose connection is closed without an answer, though the change is made."""
    operations_lost: int = 0
    """Operations that nobody knows any more when asked about: 404."""
    failed_operations: int = 0
    """Operations that end with an error: the traffic asked for stays asked for, and served where it was."""
    failed_though_moved: int = 0
    """Operations that end with an error, though the traffic has moved: a newest revision that is not ready does it."""
    elsewhere: int = 0
    """Operations that end well, the traffic somewhere else."""
    forgotten_tags: int = 0
    """Operations that end well, the tags taken away because there are too many of them."""
    reads_down: int = 0
    """Reads answered 503."""
    garbage: int = 0
    """Requests answered 200 with a page for people, as proxies do."""
    monitoring_down: int = 0
    """Queries of Monitoring answered 503."""
    incomplete: int = 0
    """Queries of Monitoring answered with a part of the series, and what went wrong."""
    monitoring_lag_seconds: float = 0.0
    """How old figures have to be before Monitoring shows them."""

    def take(self, name: str) -> bool:
        """Whether this goes wrong now; then it is one time fewer."""
        left: int = getattr(self, name)
        if left:
            setattr(self, name, left - 1)
        return left > 0


class Refused(Exception):
    """The API answers with an error."""

    def __init__(self, status: int, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.retry_after = retry_after

    @property
    def document(self) -> dict[str, object]:
        """The body of the answer."""
        return {"error": {"code": self.status, "message": self.message, "status": REASONS[self.status]}}


class CutOff(Exception):
    """The connection is closed without an answer."""
