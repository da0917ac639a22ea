"""`sight group`, `sight transcript` and `sight summary`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from cli.errors import CommandError, WrongUsage
from cli.options import Json, Key, Limit, Project, RunPath, Wait, client_of
from cli.projects import ensure_project, find_project
from cli.screen import open_screen
from cli.views.summary import prepare_summary, show_summary
from cli.views.tables import show_table, shown_of, when
from cli.views.transcript import prepare_transcript, show_transcript

app = typer.Typer(no_args_is_help=True, help="Focus groups: asking a panel questions.")

GroupId = Annotated[str, typer.Argument(metavar="GROUP", help="The focus group's id.")]


@app.command("create")
def create(
    ctx: typer.Context,
    file: RunPath,
    panel: Annotated[
        str | None, typer.Option("--panel", metavar="JOB", help="Ask the panel that this job made.", show_default=False)
    ] = None,
    persona: Annotated[
        list[str] | None,
        typer.Option("--persona", metavar="ID", help="Ask this persona; may be given again.", show_default=False),
    ] = None,
    project: Project = None,
    wait: Wait = True,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Ask a panel the questions of a file: a run file, or its part `group` by itself.

    Examples:

    sight group create examples/poland-oat-drink.yaml --panel 0190b3a2-...

    sight group create questions.yaml --persona 0190b3a2-... --persona 0190b3a3-... --no-wait --json
    """
    from cli.documents import read_document
    from cli.run_files import parse_group
    from cli.workflow import finish, finish_summary, require_all, require_something, start_group

    if bool(panel) == bool(persona):
        raise WrongUsage("say who is asked: give --panel, or --persona for each", hint="See `sight jobs list`.")
    screen, client = open_screen(), client_of(ctx)
    wanted, part = parse_group(read_document(file))
    if panel and project is None:  # the panel is asked where it is
        project_id = client.get(f"/jobs/{panel}")["project_id"]
    elif wanted.project and project is None:
        project_id = ensure_project(client, wanted.project)["id"]
    else:
        project_id = find_project(client, project)["id"]
    job = start_group(
        client,
        project_id,
        wanted.group,
        panel_job_id=panel,
        persona_ids=persona,
        key=key,
        part=part,
    )
    if not wait:
        if as_json:
            screen.json(job)
        else:
            screen.out.print(job["subject_id"], markup=False)
            screen.note(f"Watch it with: sight watch {job['id']}")
        return
    job = finish(client, screen, job["id"])
    require_something(job)
    summary, summary_job = finish_summary(client, screen, job["subject_id"])
    if as_json:
        screen.json({"job": job, "focus_group_id": job["subject_id"], "summary": summary})
    else:
        screen.out.print(f"focus group {job['subject_id']}", markup=False)
        if summary is not None:
            show_summary(screen, prepare_summary(summary))
    require_all(*(each for each in (job, summary_job) if each is not None))


@app.command("list")
def list_groups(ctx: typer.Context, project: Project = None, limit: Limit = 20, as_json: Json = False) -> None:
    """List a project's focus groups, newest first.

    Example: sight group list --project "Oat drink in Poland"
    """
    screen, client = open_screen(), client_of(ctx)
    found = find_project(client, project)
    groups = client.pages(f"/projects/{found['id']}/focus-groups", limit=limit)
    if as_json:
        screen.json(groups)
        return
    rows = [
        [
            each["id"],
            each["name"],
            each["mode"],
            str(each["members"]),
            str(each["questions"]),
            each["state"],
            f"{each['items']['done']}/{each['items']['total']}",
            when(each["created_at"]),
        ]
        for each in groups
    ]
    headings = ("focus group", "name", "mode", "personas", "questions", "state", "answers", "created")
    show_table(screen, headings, rows, empty="There are no focus groups in this project yet.", right=(3, 4, 6))
    screen.note(shown_of(len(rows), limit, "focus groups"))


def transcript(
    ctx: typer.Context,
    group_id: GroupId,
    order: Annotated[
        Literal["persona", "question"], typer.Option(help="Everything each one said, or all answers to each question.")
    ] = "persona",
    persona: Annotated[
        str | None, typer.Option("--persona", metavar="ID", help="Only this persona.", show_default=False)
    ] = None,
    question: Annotated[
        int | None, typer.Option("--question", "-q", min=1, max=50, help="Only this question, counted from 1.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, help="How many answers at most.", show_default="all")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what was said in a focus group, with the reason wherever an answer is missing.

    Examples:

    sight transcript 0190b3a2-... --order question

    sight transcript 0190b3a2-... --question 2 --json
    """
    from cli.workflow import question_texts

    screen, client = open_screen(), client_of(ctx)
    position = None if question is None else question - 1
    entries = client.pages(
        f"/focus-groups/{group_id}/transcript", limit=limit, order=order, persona_id=persona, question=position
    )
    if as_json:
        screen.json(entries)
        return
    show_transcript(screen, prepare_transcript(entries, question_texts(client, group_id), order=order))
    if limit is not None:
        screen.note(shown_of(len(entries), limit, "answers"))


def summary(
    ctx: typer.Context,
    group_id: GroupId,
    quotes: Annotated[int, typer.Option(min=0, max=20, help="Quotes shown under each insight.")] = 2,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for an analysis that is under way.")] = True,
    as_json: Json = False,
) -> None:
    """Show the analysis of a focus group: its insights, each with the quotes it rests on.

    Example: sight summary 0190b3a2-... --quotes 5
    """
    from cli.workflow import finish_summary, require_all

    screen, client = open_screen(), client_of(ctx)
    job = None
    if wait:
        found, job = finish_summary(client, screen, group_id)
    else:
        found = client.get(f"/focus-groups/{group_id}/summary")
    if as_json:
        screen.json(found)
    elif found is not None and found["report"] is None:
        raise CommandError(f"there is no analysis yet: {found['reason'] or found['state']}")
    elif found is not None:
        show_summary(screen, prepare_summary(found, quotes=quotes))
    if job is not None:
        require_all(job)
