"""`sight ops`."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.errors import WrongUsage
from cli.options import Json, Limit, Server
from cli.screen import open_screen
from cli.views.ops import show_decision, show_move, show_releases, show_timeline
from cli.views.tables import shown_of

if TYPE_CHECKING:
    from cli.client import Client
    from cli.screen import Screen

app = typer.Typer(no_args_is_help=True, help="Releases and rollbacks, for the engineer on call.")

NOT_RUNNING = (
    "The function `rollback` serves this, the API only where it stands before it:"
    " say where it is with `sight ops --url` or SIGHT_OPS_URL."
)
NO_REASON = "no reason given"

ServiceName = Annotated[str, typer.Argument(metavar="SERVICE", help="The service's name in Cloud Run.")]
Revision = Annotated[str, typer.Argument(metavar="REVISION", help="One of the service's revisions.")]
Region = Annotated[
    str | None,
    typer.Option(
        "--region",
        envvar="SIGHT_REGION",
        metavar="REGION",
        help="Where the service runs. Left out: the region the server is set up for.",
        show_default=False,
    ),
]
Reason = Annotated[str, typer.Option("--reason", "-m", help="Why, in a sentence: it goes to the timeline and Slack.")]
GivenReason = Annotated[str, typer.Option("--reason", "-m", help="Why, in a sentence.", show_default=False)]
By = Annotated[
    str | None,
    typer.Option(
        "--by", envvar="SIGHT_OPS_BY", metavar="NAME", help="Who you are. Left out: your name here.", show_default=False
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Also to a revision that is marked failed.")]


@app.callback()
def root(
    ctx: typer.Context,
    url: Annotated[
        str | None,
        typer.Option(
            "--url",
            envvar="SIGHT_OPS_URL",
            help="Where the function `rollback` is. Left out: where the server is.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Releases and rollbacks, for the engineer on call.

    These commands talk to the function `rollback`, which works without the API, the database and Redis.

    Examples:

    sight ops timeline api

    sight ops rollback api --reason "checkout is broken"
    """
    if url:
        ctx.obj = replace(ctx.obj, url=url)


@app.command("releases")
def releases(
    ctx: typer.Context,
    service: Annotated[str | None, typer.Argument(metavar="[SERVICE]", help="Only this service's.")] = None,
    region: Region = None,
    limit: Limit = 20,
    as_json: Json = False,
) -> None:
    """List releases and how far each is on its way, the latest first.

    Examples:

    sight ops releases

    sight ops releases api --json
    """
    screen = open_screen()
    found = _client(ctx).get("/releases", service=service, region=region, limit=limit)["items"]
    if as_json:
        screen.json(found)
        return
    show_releases(screen, found)
    screen.note(shown_of(len(found), limit, "releases"))


@app.command("timeline")
def timeline(
    ctx: typer.Context, service: ServiceName, region: Region = None, limit: Limit = 50, as_json: Json = False
) -> None:
    """Show what happened to a service: alerts, decisions, changes of traffic and their outcomes, the latest last.

    Example: sight ops timeline api --limit 100
    """
    screen = open_screen()
    found = _client(ctx).get("/timeline", service=service, region=region, limit=limit)["items"]
    if as_json:
        screen.json(found)
    else:
        show_timeline(screen, found)


@app.command("rollback")
def rollback(
    ctx: typer.Context,
    service: ServiceName,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="REVISION", help="Left out: the last good one, as automation would choose."),
    ] = None,
    reason: Reason = NO_REASON,
    force: Force = False,
    region: Region = None,
    by: By = None,
    as_json: Json = False,
) -> None:
    """Send all traffic of a service back to the last good revision, and mark the newest that serves failed.

    Automation then leaves the service alone for a while. Just after the traffic was moved this asks for --to, so that
    two engineers do not go back twice.

    Examples:

    sight ops rollback api --reason "checkout is broken"

    sight ops rollback api --to api-00041-abc
    """
    asked = _asked(service, region, by) | {"to": to, "reason": reason, "force": force}
    _do(ctx, "/rollback", asked, show_move, as_json=as_json, patient=False)


@app.command("promote")
def promote(
    ctx: typer.Context,
    service: ServiceName,
    revision: Revision,
    reason: Reason = NO_REASON,
    force: Force = False,
    region: Region = None,
    by: By = None,
    as_json: Json = False,
) -> None:
    """Send all traffic of a service to a revision at once. `sight ops release` walks it there instead.

    Example: sight ops promote api api-00042-def --reason "the alert was wrong"
    """
    asked = _asked(service, region, by) | {"revision": revision, "reason": reason, "force": force}
    _do(ctx, "/promote", asked, show_move, as_json=as_json, patient=False)


@app.command("release")
def release(
    ctx: typer.Context,
    service: ServiceName,
    revision: Annotated[
        str | None, typer.Argument(metavar="[REVISION]", help="A revision deployed without traffic.")
    ] = None,
    tag: Annotated[str | None, typer.Option("--tag", metavar="TAG", help="The revision that has this tag.")] = None,
    region: Region = None,
    by: By = None,
    as_json: Json = False,
) -> None:
    """Start to release a revision: smoke test, then a growing share of the traffic, then all, or back.

    Examples:

    sight ops release api api-00042-def

    sight ops release api --tag candidate
    """
    if bool(revision) == bool(tag):
        raise WrongUsage("say which revision: name it, or give --tag")
    asked = _asked(service, region, by) | ({"revision": revision} if revision else {"tag": tag})

    def show(screen: Screen, begun: dict[str, Any]) -> None:
        show_releases(screen, [begun])
        screen.note(f"See how it goes with: sight ops timeline {service}")

    _do(ctx, "/release", asked, show, as_json=as_json)


@app.command("abort")
def abort(
    ctx: typer.Context,
    service: ServiceName,
    reason: GivenReason,
    region: Region = None,
    by: By = None,
    as_json: Json = False,
) -> None:
    """End the release that is under way: users go back to the stable revision, and nothing is marked failed.

    Example: sight ops abort api --reason "wrong branch"
    """
    asked = _asked(service, region, by) | {"reason": reason}
    _do(ctx, "/abort", asked, lambda screen, ended: show_releases(screen, [ended]), as_json=as_json, patient=False)


@app.command("pause")
def pause(
    ctx: typer.Context,
    service: ServiceName,
    reason: GivenReason,
    region: Region = None,
    by: By = None,
    as_json: Json = False,
) -> None:
    """Pause automation for a service: alerts and releases are recorded and told, and no traffic is moved.

    Example: sight ops pause api --reason "we are looking into it"
    """
    _do(ctx, "/pause", _asked(service, region, by) | {"reason": reason}, _show_paused, as_json=as_json)


@app.command("resume")
def resume(
    ctx: typer.Context,
    service: ServiceName,
    reason: GivenReason,
    region: Region = None,
    by: By = None,
    as_json: Json = False,
) -> None:
    """Let automation act for a service again.

    Example: sight ops resume api --reason "found and fixed"
    """
    _do(ctx, "/resume", _asked(service, region, by) | {"reason": reason}, _show_paused, as_json=as_json)


@app.command("replay")
def replay(
    ctx: typer.Context,
    alert: Annotated[
        str,
        typer.Argument(
            metavar="FILE|INCIDENT", help="A notification as Cloud Monitoring publishes it, or an incident's id."
        ),
    ],
    as_json: Json = False,
) -> None:
    """Show what an alert would have Sight do if it came now. Nothing is done.

    Examples:

    sight ops replay alert.json

    sight ops replay 0.nabcdef123456
    """
    from cli.documents import read_document

    screen, client = open_screen(), _client(ctx)
    is_file = alert == "-" or Path(alert).is_file()
    asked = {"notification": read_document(Path(alert)).data} if is_file else {"incident_id": alert}
    decision = client.estimate("/replay", asked)
    if as_json:
        screen.json(decision)
    else:
        show_decision(screen, decision)


def _client(ctx: typer.Context) -> Client:
    """A client of the function `rollback`; it is closed when the command ends."""
    from cli.client import connect

    server: Server = ctx.obj
    client = connect(server.url, api_key=server.api_key, prefix="/ops", not_running=NOT_RUNNING)
    ctx.call_on_close(client.session.close)
    return client


def _asked(service: str, region: str | None, by: str | None) -> dict[str, Any]:
    return {"service": service, "by": by or _name_here()} | ({"region": region} if region else {})


def _name_here() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a user who has no name
        raise WrongUsage("say who you are with --by NAME or SIGHT_OPS_BY") from None


def _do(
    ctx: typer.Context,
    path: str,
    asked: dict[str, Any],
    show: Callable[[Screen, dict[str, Any]], None],
    *,
    as_json: bool,
    patient: bool = True,
) -> None:
    """Has something done, and shows what came of it."""
    screen = open_screen()
    found = _client(ctx).post(path, asked, patient=patient)
    if as_json:
        screen.json(found)
    else:
        show(screen, found)


def _show_paused(screen: Screen, found: dict[str, Any]) -> None:
    screen.note(f"Automation {'is paused' if found['paused'] else 'acts again'} for {found['service']}.")
