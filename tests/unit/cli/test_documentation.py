"""Tests that hold the documentation to the commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from cli.documents import parse_document
from cli.errors import EXIT_CODES
from cli.main import app, main
from cli.run_files import parse_run

PAGE = (Path(__file__).parents[3] / "docs" / "cli.md").read_text(encoding="utf-8")


def commands(group: Any = None, path: str = "sight") -> Iterator[tuple[str, Any]]:
    """Every command with the words that call it."""
    root: Any = group or typer.main.get_command(app)
    for name, command in root.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


@pytest.mark.parametrize(("path", "command"), list(commands()), ids=lambda value: str(value))
def test_every_command_is_documented_and_scriptable(path: str, command: Any) -> None:
    """The page lists it, its help has an example that calls it, and it can answer in JSON."""
    assert f"`{path} " in PAGE or f"`{path}`" in PAGE
    assert re.search(rf"Examples?:\s+{path} ?", command.help)
    assert "--json" in [option for parameter in command.params for option in parameter.opts]


def test_no_command_is_documented_that_is_not_there() -> None:
    """The page lists nothing else."""
    listed = re.findall(r"^\| `(sight [a-z -]+?)(?: [A-Z\[-].*)?` \|", PAGE, re.MULTILINE)
    assert sorted(listed) == sorted(path for path, _ in commands())


def test_every_exit_code_is_documented() -> None:
    """In the same words."""
    for code, meaning in EXIT_CODES.items():
        assert f"| {code} | {meaning} |" in PAGE


def test_the_run_file_of_the_page_is_one() -> None:
    """What is shown can be run."""
    text = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0]
    assert parse_run(parse_document(text, "page.yaml")).panel.size == 20


@pytest.mark.parametrize("arguments", [[], ["jobs"], ["jobs", "retry"], ["run"]])
def test_help_is_there_for_everything(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """--help and -h explain any command."""
    for option in ("--help", "-h"):
        assert main([*arguments, option]) == 0
        assert "Usage: sight" in capsys.readouterr().out
