"""Tests that every command in the runbooks exists: an engineer types them when there is no time to find out."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from cli.main import app

ROOT = Path(__file__).parents[3]
PAGES = sorted([*(ROOT / "docs" / "runbooks").glob("*.md"), ROOT / "docs" / "releases.md"])
PROGRAMS = frozenset({"sight", "make", "gcloud", "curl", "export"})
TABLE = Path("data") / "cli" / "gcloud_completions.py"
"""Every command of gcloud with its flags, which the SDK brings for completion in shells: nothing has to be run."""


def commands(text: str) -> Iterator[str]:
    """What is to be typed: the lines after a prompt."""
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        yield from re.findall(r"^\$ (.*)$", block, re.MULTILINE)


def mentions(text: str) -> Iterator[str]:
    """What is called by its name in a sentence."""
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    yield from (each for each in re.findall(r"`([^`\n]+)`", prose) if re.match(r"(sight|make|gcloud) \S", each))


def typed() -> list[tuple[str, list[str]]]:
    """Each command of each page, as the words a shell would make of it."""
    return [
        (f"{page.name}: {line}", shlex.split(line))
        for page in PAGES
        for line in dict.fromkeys(commands(page.read_text(encoding="utf-8")))
    ]


def of(program: str) -> list[Any]:
    """The commands that call a program, and those it is mentioned with."""
    found = typed()
    for page in PAGES:
        found += [(f"{page.name}: {each}", each.split()) for each in mentions(page.read_text(encoding="utf-8"))]
    return [pytest.param(words, id=name) for name, words in dict(found).items() if words[0] == program]


def test_every_runbook_is_listed() -> None:
    """The list of runbooks names each of them once."""
    listed = re.findall(r"^\| .* \[(.+?)\]\(\1\) \|$", (ROOT / "docs/runbooks/README.md").read_text(), re.MULTILINE)
    assert sorted([*listed, "README.md"]) == sorted(path.name for path in (ROOT / "docs" / "runbooks").iterdir())


def test_every_link_leads_somewhere() -> None:
    """Pages refer to pages that are there."""
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_command_is_one_that_is_tested() -> None:
    """No program slips in that nobody looks after, and every runbook has commands."""
    assert {words[0] for _, words in typed()} <= PROGRAMS
    assert all(list(commands(page.read_text(encoding="utf-8"))) for page in PAGES)


def parse(words: list[str]) -> None:
    """Reads a command of `sight` as far as running it. Raises what typer does."""
    command: Any = typer.main.get_command(app)
    context = command.make_context("sight", words[1:])
    while hasattr(command, "commands"):
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)


@pytest.mark.parametrize("words", [pytest.param(words, id=name) for name, words in typed() if words[0] == "sight"])
def test_commands_of_sight_parse(words: list[str]) -> None:
    """With all the arguments they need, and options they have."""
    parse(words)


@pytest.mark.parametrize("words", of("sight"))
def test_commands_of_sight_exist(words: list[str]) -> None:
    """Also those that are only mentioned, as far as they are named."""
    command: Any = typer.main.get_command(app)
    for word in words[1:]:
        if hasattr(command, "commands"):
            command = command.commands[word]
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


def told() -> list[str]:
    """The commands that messages about releases tell people to type, with names filled in."""
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "common" / "releases").glob("*.py"))
    commands = re.findall(r'f"(sight [^"]*)"', sources)
    return [re.sub(r"\{[^}]*\}", "x", command.replace("{where}", " --region x")) for command in commands]


def test_commands_that_people_are_told_parse() -> None:
    """A notification ends with what one may want to type now."""
    assert len(told()) > 3
    for command in told():
        parse(shlex.split(command))


@pytest.mark.parametrize(
    "wrong", ["sight ops explode api", "sight ops rollback", "sight ops rollback api --hard", "sight jobs list more"]
)
def test_a_command_that_is_wrong_is_noticed(wrong: str) -> None:
    """The tests above would say so."""
    with pytest.raises(Exception, match=r"No such|Missing|unexpected"):
        parse(wrong.split())


@pytest.mark.parametrize("words", of("make"))
def test_targets_of_make_exist(words: list[str]) -> None:
    """In the Makefile."""
    targets = re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert [word for word in words[1:] if "=" not in word and word not in targets] == []


@pytest.mark.parametrize("words", of("curl"))
def test_addresses_exist(words: list[str]) -> None:
    """The API has them."""
    (address,) = [word for word in words if word.startswith("$SIGHT_URL")]
    document = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
    assert address.removeprefix("$SIGHT_URL") in document["paths"]


@pytest.mark.parametrize("words", of("export"))
def test_variables_exist(words: list[str]) -> None:
    """Each is one that the command line reads."""
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert [word for word in words[1:] if f"| `{word.partition('=')[0]}` |" not in page] == []


@cache
def gcloud_tree() -> dict[str, Any]:
    """The commands of gcloud: `commands` and `flags` by name, at every level."""
    program = shutil.which("gcloud")
    table = Path(program).resolve().parents[1] / TABLE if program else None
    if table is None or not table.exists():
        pytest.skip("the Google Cloud SDK is not installed: https://cloud.google.com/sdk/docs/install")
    text = table.read_text(encoding="utf-8")
    tree: dict[str, Any] = json.loads(text[text.index("{", text.index("STATIC_COMPLETION_CLI_TREE")) :])
    return tree


@pytest.mark.parametrize("words", of("gcloud"))
def test_commands_of_gcloud_exist(words: list[str]) -> None:
    """As this version of gcloud has them, with their flags."""
    flags, level, rest = set(gcloud_tree()["flags"]), gcloud_tree(), words[1:]
    while rest and rest[0] in level["commands"]:
        level, rest = level["commands"][rest[0]], rest[1:]
        flags |= set(level["flags"])
    assert level["commands"] == {}, f"not a command: {' '.join(words)}"
    asked = {word.partition("=")[0] for word in rest if word.startswith("--")}
    assert {flag for flag in asked if flag not in flags and flag.replace("--no-", "--") not in flags} == set()
