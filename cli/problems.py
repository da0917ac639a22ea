"""Says what went wrong to a human: what it is, which field, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cli.errors import CommandError, Finding, Problem, UnusableFile

if TYPE_CHECKING:
    from cli.screen import Screen

MAX_FINDINGS = 12

_HINTS = {
    401: "Set SIGHT_API_KEY to the key the server was started with.",
    413: "Send less at once: a request may have 1 MB.",
    429: "Wait a little and try again.",
    503: "Something the server needs is down or busy. Wait a little and try again.",
    500: "The server has logged it. Trying again may help; if it does not, its log says why.",
}
_HINTS_BY_CODE = {
    "idempotency_key_reused": "Leave out --idempotency-key, or give another one.",
    "nothing_to_retry": "`sight jobs show JOB` shows what became of its items; --resume also runs what was skipped.",
    "job_not_found": "`sight jobs list` shows the jobs there are.",
    "project_not_found": "`sight projects list` shows the projects there are.",
    "persona_not_found": "`sight personas list` shows the personas there are.",
    "focus_group_not_found": "`sight group list` shows the focus groups there are.",
    "audience_not_found": "`sight audiences list` shows the audiences there are.",
    "dead_letter_not_found": "`sight dead-letters list` shows those there are.",
    "incident_not_found": "`sight ops timeline SERVICE` shows the incidents there were.",
    "nothing_to_roll_back_to": "Name one with --to REVISION; `sight ops releases` shows what became of each.",
    "service_not_found": "Look at its spelling, and whether it is in another --region.",
    "no_such_path": "The server may be of another version, or what you gave is not an id.",
}


@dataclass(frozen=True, slots=True)
class Complaint:
    """An error, ready to show: one line of what is wrong, lines of where, and one of what to do."""

    message: str
    findings: tuple[Finding, ...]
    unshown: int
    hint: str


def prepare_complaint(error: CommandError) -> Complaint:
    """What to say about an error. A single finding that only repeats the message is left out."""
    findings: tuple[Finding, ...] = ()
    hint = error.hint
    if isinstance(error, Problem):
        findings = error.findings
        hint = hint or _HINTS_BY_CODE.get(error.code) or _HINTS.get(error.status, "")
    elif isinstance(error, UnusableFile):
        findings = error.findings
    if len(findings) == 1 and not findings[0].place and findings[0].message in error.message:
        findings = ()
    return Complaint(error.message, findings[:MAX_FINDINGS], max(0, len(findings) - MAX_FINDINGS), hint)


def show_complaint(screen: Screen, error: CommandError) -> None:
    """Says it among the messages."""
    from rich.markup import escape

    complaint = prepare_complaint(error)
    notes = screen.notes
    notes.print(f"[red]{screen.symbols.bad}[/red] {escape(complaint.message)}", soft_wrap=True)
    place_width = max((len(finding.place) for finding in complaint.findings), default=0)
    field_width = max((len(finding.field) for finding in complaint.findings), default=0)
    for finding in complaint.findings:
        place = f"{finding.place.ljust(place_width)}  " if place_width else ""
        field = escape(finding.field.ljust(field_width))
        notes.print(f"    {escape(place)}[bold]{field}[/bold]  {escape(finding.message)}", soft_wrap=True)
    if complaint.unshown:
        notes.print(f"    and {complaint.unshown} more")
    if complaint.hint:
        notes.print(f"  {screen.symbols.arrow} {escape(complaint.hint)}", soft_wrap=True)
