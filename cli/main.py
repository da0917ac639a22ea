"""`sight`: the command line, a client of the API."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from cli.commands import audiences, dead_letters, groups, jobs, ops, panels, personas, projects, run, usage
from cli.errors import EXIT_CODES, INTERRUPTED, CommandError
from cli.options import Server

_CODES = "\n\n".join(f"{code}: {meaning}" for code, meaning in EXIT_CODES.items())

app = typer.Typer(
    name="sight",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
    epilog=f"Exit codes:\n\n{_CODES}",
)
app.command("run")(run.run)
app.command("estimate")(usage.estimate)
app.add_typer(projects.app, name="projects")
app.add_typer(audiences.app, name="audiences")
app.add_typer(panels.app, name="panel")
app.add_typer(personas.app, name="personas")
app.add_typer(groups.app, name="group")
app.command("transcript")(groups.transcript)
app.command("summary")(groups.summary)
app.command("export")(run.export)
app.command("watch")(jobs.watch)
app.add_typer(jobs.app, name="jobs")
app.command("usage")(usage.usage)
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(ops.app, name="ops")


@app.callback()
def root(
    ctx: typer.Context,
    url: Annotated[
        str, typer.Option("--url", envvar="SIGHT_URL", help="Where the server is.")
    ] = "http://localhost:8080",
) -> None:
    """Virtual focus groups with AI personas: describe an audience, draw a panel, ask it, read what it says.

    The server is started with `make run`. Where it asks for a key, set SIGHT_API_KEY.

    Examples:

    sight run examples/poland-oat-drink.yaml

    sight audiences list
    """
    ctx.obj = Server(url, os.environ.get("SIGHT_API_KEY") or None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    try:
        app(args=arguments, prog_name="sight")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except CommandError as error:
        from cli.problems import show_complaint
        from cli.screen import open_screen

        show_complaint(open_screen(), error)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
