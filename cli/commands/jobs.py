"""`sight jobs` and `sight watch`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.errors import DONE
from cli.options import Json, Limit, Project, client_of
from cli.progress import JobEnded, exit_code_of, show_progress
from cli.projects import find_project
from cli.screen import open_screen
from cli.views.jobs import show_job, show_jobs
from cli.views.tables import shown_of
from cli.watch import follow

app = typer.Typer(no_args_is_help=True, help="Jobs: how they stand, stopping them, and running what is left of them.")

JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")]


@app.command("list")
def list_jobs(ctx: typer.Context, project: Project = None, limit: Limit = 20, as_json: Json = False) -> None:
    """List jobs, newest first; of all projects unless --project says which.

    Example: sight jobs list --json
    """
    screen, client = open_screen(), client_of(ctx)
    project_id = find_project(client, project)["id"] if project else None
    jobs = client.pages("/jobs", limit=limit, project_id=project_id)
    if as_json:
        screen.json(jobs)
        return
    show_jobs(screen, jobs)
    screen.note(shown_of(len(jobs), limit, "jobs"))


@app.command("show")
def show(ctx: typer.Context, job_id: JobId, as_json: Json = False) -> None:
    """Show how a job stands, and why what failed did.

    Example: sight jobs show 0190b3a2-...
    """
    screen = open_screen()
    job = client_of(ctx).get(f"/jobs/{job_id}")
    if as_json:
        screen.json(job)
    else:
        show_job(screen, job)


@app.command("cancel")
def cancel(ctx: typer.Context, job_id: JobId, as_json: Json = False) -> None:
    """Cancel a running job. What is under way may still be recorded; nothing new begins.

    Example: sight jobs cancel 0190b3a2-...
    """
    screen = open_screen()
    job = client_of(ctx).post(f"/jobs/{job_id}:cancel")
    if as_json:
        screen.json(job)
    else:
        show_job(screen, job)


@app.command("retry")
def retry(
    ctx: typer.Context,
    job_id: JobId,
    resume: Annotated[bool, typer.Option("--resume", help="Also run what a stop kept from running.")] = False,
    budget: Annotated[
        float | None,
        typer.Option("--budget", min=0.000001, help="A new budget in USD, of all the job ever spent."),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the job has ended again.")] = False,
    as_json: Json = False,
) -> None:
    """Run again what failed of an ended job. What is done stays done.

    Examples:

    sight jobs retry 0190b3a2-... --wait

    sight jobs retry 0190b3a2-... --resume --budget 5
    """
    screen, client = open_screen(), client_of(ctx)
    body = {"resume": resume} | ({} if budget is None else {"budget_usd": budget})
    job = client.post(f"/jobs/{job_id}:retry", body)
    if wait:
        job = show_progress(screen, follow(client, job_id))
    if as_json:
        screen.json(job)
    else:
        show_job(screen, job)
    if wait and exit_code_of(job) != DONE:
        raise JobEnded(job)


def watch(ctx: typer.Context, job_id: JobId, as_json: Json = False) -> None:
    """Watch a job with a progress bar until it ends; Ctrl-C ends the watching, not the job.

    The exit code tells how the job ended: 0 completed, 1 failed, 3 partial or cancelled.

    Example: sight watch 0190b3a2-...
    """
    screen, client = open_screen(), client_of(ctx)
    job = show_progress(screen, follow(client, job_id))
    if as_json:
        screen.json(job)
    if exit_code_of(job) != DONE:
        raise JobEnded(job)
    if not as_json:
        show_job(screen, job)
