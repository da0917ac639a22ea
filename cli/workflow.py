"""The main job, step by step: a panel, a focus group on it, and its analysis."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cli.errors import DONE, CommandError, Problem
from cli.progress import JobEnded, exit_code_of, show_progress
from cli.run_files import group_body, panel_body
from cli.watch import follow

if TYPE_CHECKING:
    from cli.client import Client
    from cli.documents import Part
    from cli.run_files import GroupPart, PanelPart
    from cli.screen import Screen

FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 2.0
STARTS_WITHIN_SECONDS = 120.0
"""How long the server may take to start what follows a job by itself."""
RECENT_JOBS = 50


def estimates_of(
    client: Client, panel: PanelPart | None, group: GroupPart | None, *, personas: int | None = None
) -> dict[str, dict[str, Any]]:
    """What a panel and a group are expected to take, by the kind of their job; a group without a panel is of
    so many `personas`. Raises `Problem`."""
    found: dict[str, dict[str, Any]] = {}
    if panel is not None:
        found["personas"] = client.estimate("/estimates/personas", {"size": panel.size})
    if group is not None:
        asked = group.model_dump(include={"questions", "mode", "briefing"}, exclude_none=True)
        size = personas if panel is None else panel.size
        found["focus_group"] = client.estimate("/estimates/focus-groups", {"personas": size, **asked})
    return found


def start_panel(
    client: Client, project_id: str, panel: PanelPart, *, key: str | None = None, part: Part | None = None
) -> dict[str, Any]:
    """Has a panel made and returns its job. Raises `Problem`."""
    try:
        job: dict[str, Any] = client.start(
            f"/projects/{project_id}/personas:generate", panel_body(panel), idempotency_key=key
        )
    except Problem as problem:
        raise problem.about(part) from None
    return job


def start_group(
    client: Client,
    project_id: str,
    group: GroupPart,
    *,
    panel_job_id: str | None = None,
    persona_ids: list[str] | None = None,
    key: str | None = None,
    part: Part | None = None,
) -> dict[str, Any]:
    """Has a group asked and returns its job, whose `subject_id` is the group. Raises `Problem`."""
    members = {"panel_job_id": panel_job_id} if panel_job_id else {"persona_ids": persona_ids}
    try:
        job: dict[str, Any] = client.start(
            f"/projects/{project_id}/focus-groups", group_body(group) | members, idempotency_key=key
        )
    except Problem as problem:
        raise problem.about(part) from None
    return job


def finish(client: Client, screen: Screen, job_id: str) -> dict[str, Any]:
    """Shows a job's progress until it ends, and returns it however it ended."""
    return show_progress(screen, follow(client, job_id))


def require_something(job: dict[str, Any]) -> None:
    """Raises `JobEnded` when nothing of the job can be used: it failed, was cancelled, or made nothing."""
    if job["state"] in ("failed", "cancelled") or not job["items"]["done"]:
        raise JobEnded(job)


def require_all(*jobs: dict[str, Any]) -> None:
    """Raises `JobEnded` for the first of the jobs that did not complete."""
    for job in jobs:
        if exit_code_of(job) != DONE:
            raise JobEnded(job)


def finish_summary(
    client: Client,
    screen: Screen,
    group_id: str,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Waits for a group and its analysis, and returns the analysis (None where making it failed) and its job
    (None where it is not known).

    The server starts it by itself once the group has ended. Raises `Problem` when there will be none, and
    `CommandError` when the server does not start it in time.
    """
    try:
        summary = client.get(f"/focus-groups/{group_id}/summary")
        if summary["state"] == "waiting":
            group = client.get(f"/focus-groups/{group_id}")
            if group["state"] == "running":
                finish(client, screen, group["job_id"])
        wait, latest = FIRST_WAIT_SECONDS, clock() + STARTS_WITHIN_SECONDS
        while summary["state"] == "waiting":
            if clock() > latest:
                hint = "`sight dead-letters list` shows whether a message was given up."
                raise CommandError("the server has not started the analysis", hint=hint)
            sleep(wait)
            wait = min(LONGEST_WAIT_SECONDS, wait * 1.5)
            summary = client.get(f"/focus-groups/{group_id}/summary")
        if summary["state"] != "running":
            return summary, client.get(f"/jobs/{summary['job_id']}") if summary["job_id"] else None
        job = finish(client, screen, summary["job_id"])
        return client.get(f"/focus-groups/{group_id}/summary"), job
    except Problem as problem:
        failed = _failed_summary(client, group_id) if problem.code == "summary_not_found" else None
        if failed is None:
            raise
        return None, failed


def _failed_summary(client: Client, group_id: str) -> dict[str, Any] | None:
    """The job that tried to analyse a group in vain, if there was one."""
    project_id = client.get(f"/focus-groups/{group_id}")["project_id"]
    for job in client.pages("/jobs", limit=RECENT_JOBS, project_id=project_id):
        if job["kind"] == "summary" and job["subject_id"] == group_id:
            found: dict[str, Any] = client.get(f"/jobs/{job['id']}")
            return found
    return None


def finish_review(
    client: Client,
    screen: Screen,
    panel_job: dict[str, Any],
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any] | None:
    """Waits for the review of a finished panel, which marks its duplicates, and returns its job; None when the
    server does not start one in time, as it does by itself."""
    wait, latest = FIRST_WAIT_SECONDS, clock() + STARTS_WITHIN_SECONDS
    while clock() < latest:
        for job in client.pages("/jobs", limit=RECENT_JOBS, project_id=panel_job["project_id"]):
            if job["kind"] == "panel_review" and job["subject_id"] == panel_job["id"]:
                return finish(client, screen, job["id"])
        sleep(wait)
        wait = min(LONGEST_WAIT_SECONDS, wait * 1.5)
    return None


def require_review(client: Client, screen: Screen, panel_job: dict[str, Any]) -> None:
    """Waits until the duplicates of a panel are known. Raises `CommandError` when they will not be."""
    review = finish_review(client, screen, panel_job)
    if review is None:
        hint = f"Ask the panel without it: sight group create FILE --panel {panel_job['id']}"
        raise CommandError("the server has not started the review that finds duplicates", hint=hint)
    require_all(review)


def question_texts(client: Client, group_id: str) -> list[str]:
    """The questions of a group, in order."""
    return [each["text"] for each in client.get(f"/focus-groups/{group_id}/questions")["items"]]
