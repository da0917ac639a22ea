"""Runs the whole of Sight on this machine until Ctrl-C: `python -m local run`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from common.settings import Settings
from functions.loading import FUNCTIONS
from local import supervisor
from local.processes import StartFailed
from local.state import State


def main() -> None:
    """Reads the arguments and runs the stack; the settings come from the environment."""
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    parser.add_argument("command", choices=["run"])
    parser.add_argument("--functions", type=Path, default=FUNCTIONS, help="where the functions are")
    parser.add_argument("--logs-to-terminal", action="store_true", help="write logs here instead of to files")
    arguments = parser.parse_args()
    try:
        supervisor.run(
            Settings(),
            folder=arguments.functions,
            logs_to_terminal=arguments.logs_to_terminal,
            on_ready=_welcome,
        )
    except StartFailed as error:
        sys.exit(f"Sight did not start: {error}")


def _welcome(state: State) -> None:
    sys.stdout.write(f"Sight runs at {state.url} (documentation at {state.url}/docs). Ctrl-C ends it.\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
