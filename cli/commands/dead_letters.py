"""`sight dead-letters`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.errors import WrongUsage
from cli.options import Json, Limit, client_of
from cli.screen import open_screen
from cli.views.tables import show_table, shown_of, when

app = typer.Typer(no_args_is_help=True, help="Messages nobody could handle, and sending them again after a fix.")


def prepare_dead_letters(letters: list[dict[str, Any]]) -> list[list[str]]:
    """Rows of a list of dead letters."""
    return [
        [
            each["id"],
            each["subscription"].rpartition("/")[2],
            str(each["attempts"]),
            each["cause_code"],
            each["cause"],
            when(each["created_at"]),
            when(each["replayed_at"]),
        ]
        for each in letters
    ]


@app.command("list")
def list_dead_letters(ctx: typer.Context, limit: Limit = 20, as_json: Json = False) -> None:
    """List dead letters with their causes, newest first.

    Example: sight dead-letters list
    """
    screen = open_screen()
    letters = client_of(ctx).pages("/dead-letters", limit=limit)
    if as_json:
        screen.json(letters)
        return
    show_table(
        screen,
        ("dead letter", "subscription", "attempts", "code", "cause", "created", "replayed"),
        prepare_dead_letters(letters),
        empty="There are no dead letters.",
        right=(2,),
    )
    screen.note(shown_of(len(letters), limit, "dead letters"))


@app.command("replay")
def replay(
    ctx: typer.Context,
    dead_letter_ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Which to send again.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that were not replayed yet.")] = False,
    as_json: Json = False,
) -> None:
    """Send dead letters again to the topics they came from. Repeats are recognised and do nothing twice.

    Examples:

    sight dead-letters replay 0190b3a2-...

    sight dead-letters replay --all
    """
    if everything == bool(dead_letter_ids):
        raise WrongUsage("say which: give ids, or --all")
    screen, client = open_screen(), client_of(ctx)
    wanted = dead_letter_ids or [each["id"] for each in client.pages("/dead-letters") if each["replayed_at"] is None]
    replayed = [client.post(f"/dead-letters/{each}:replay") for each in wanted]
    if as_json:
        screen.json(replayed)
    screen.note(f"Sent {len(replayed)} again.")
