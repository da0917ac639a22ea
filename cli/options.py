"""What commands share: the server they talk to, and options that mean the same everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cli.client import Client

Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON on stdout, and nothing else there.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="How many at most.")]
Project = Annotated[
    str | None,
    typer.Option(
        "--project",
        "-p",
        envvar="SIGHT_PROJECT",
        metavar="NAME|ID",
        help="The project. Left out: the one there is.",
        show_default=False,
    ),
]
Key = Annotated[
    str | None,
    typer.Option(
        "--idempotency-key",
        metavar="KEY",
        help="Repeating a command with the same key does nothing twice.",
        show_default=False,
    ),
]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until the job has ended, or only start it.")]
RunPath = Annotated[Path, typer.Argument(metavar="FILE", help="A YAML or JSON file; - reads standard input.")]


@dataclass(frozen=True, slots=True)
class Server:
    """Where the server is and the key it asks for."""

    url: str
    api_key: str | None


def client_of(ctx: typer.Context) -> Client:
    """A client of the server the command was told about; it is closed when the command ends."""
    from cli.client import connect

    server: Server = ctx.obj
    client = connect(server.url, api_key=server.api_key)
    ctx.call_on_close(client.session.close)
    return client
