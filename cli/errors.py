"""What can end a command early, and the exit code each way of ending has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

DONE = 0
FAILED = 1
USAGE = 2
INCOMPLETE = 3
UNREACHABLE = 4
INTERRUPTED = 130

EXIT_CODES = {
    DONE: "done",
    FAILED: "the server refused the request, or a job failed",
    USAGE: "wrong options, or a file that cannot be used",
    INCOMPLETE: "a job ended as partial or cancelled: its results are not complete",
    UNREACHABLE: "the server does not answer",
    INTERRUPTED: "interrupted by Ctrl-C",
}


class CommandError(Exception):
    """Ends the command; `hint` says what to do about it."""

    exit_code = FAILED

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Unreachable(CommandError):
    """No answer from the server."""

    exit_code = UNREACHABLE


class Dropped(Unreachable):
    """The connection ended before the answer did; asking again may help."""


class UnusableFile(CommandError):
    """A file that cannot be read, or says something it may not; `findings` names each field with its line."""

    exit_code = USAGE

    def __init__(self, message: str, *, findings: tuple[Finding, ...] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.findings = findings


class WrongUsage(CommandError):
    """Options that do not fit together, or with what is there."""

    exit_code = USAGE


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: where (`panel.size`, and `run.yaml:12` where known) and what would be right."""

    field: str
    message: str
    place: str = ""


class Source(Protocol):
    """What a request was made from."""

    def locate(self, field: str, /) -> tuple[str, str]:
        """The path of a request's field there, and its place (`run.yaml:12`)."""
        ...


class Problem(CommandError):
    """The server's answer that it will not do this (RFC 9457). `body` is all it said."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(str(body.get("detail") or body.get("title") or f"the server answered {status}"))
        self.status = status
        self.code = str(body.get("code") or "")
        self.title = str(body.get("title") or "")
        self.body = body
        self.source: Source | None = None

    def about(self, source: Source | None) -> Problem:
        """The same problem, knowing what the request was made from."""
        self.source = source
        return self

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The fields the server named, at their places in what the request was made from."""
        errors = self.body.get("errors")
        found = []
        for error in errors if isinstance(errors, list) else ():
            if not isinstance(error, dict):
                continue
            field, message, place = str(error.get("field") or ""), str(error.get("message") or ""), ""
            if self.source is not None:
                field, place = self.source.locate(field)
            found.append(Finding(field, message, place))
        return tuple(found)
