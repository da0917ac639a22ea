"""Tests of what all of the code keeps to."""

from __future__ import annotations

import re
import shutil
import subprocess
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("common", "functions", "local", "cli", "tests")
MAX_LINES = 400
MAX_MAIN_LINES = 50
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = sorted(re.findall(r"^([a-z][a-z0-9-]*):", MAKEFILE, re.MULTILINE))


def lines(path: Path) -> int:
    """How long a module is."""
    return len(path.read_text(encoding="utf-8").splitlines())


def test_functions_are_thin() -> None:
    """An entry point parses, calls one handler and maps the result: that fits on a page."""
    mains = sorted((ROOT / "functions").glob("*/main.py"))
    assert len(mains) >= 8
    assert [str(path) for path in mains if lines(path) > MAX_MAIN_LINES] == []


def test_modules_are_short() -> None:
    """What has grown past the limit is split by meaning. Migrations, which only grow, are not counted."""
    modules = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    assert [str(path) for path in modules if lines(path) > MAX_LINES] == []


def test_no_module_needs_itself() -> None:
    """Imports have no circles, not even those that only types need."""
    graph = grimp.build_graph("common", "functions", "local", "cli")
    TopologicalSorter({name: graph.find_modules_directly_imported_by(name) for name in graph.modules}).prepare()


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_every_target_is_in_the_help() -> None:
    """`make help` lists every target with what it does, and so does `make` alone."""
    for arguments in ([], ["help"]):
        shown = subprocess.run(["make", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True).stdout
        listed = dict(re.findall(r"^([a-z0-9-]+) +(\S.*)$", shown, re.MULTILINE))
        assert sorted(set(listed) & set(TARGETS)) == TARGETS


def test_every_target_runs_whatever_files_there_are() -> None:
    """A file named like a target would stop it, unless the target is phony; and nothing else is said to be."""
    (phony,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert sorted(phony.split()) == TARGETS
