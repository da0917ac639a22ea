"""Measures speed and memory: prints a table and writes build/bench.json."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from local.bench import rollbacks
from local.bench.cases import CASES, SETTINGS
from local.bench.figures import Figure
from local.bench.rig import ROOT, rig

ROLLBACKS = {"rollback": rollbacks.warm, "rollback-cold": rollbacks.cold}
"""The cases that need no language model."""


def main() -> None:
    """Runs the cases asked for, all unless told otherwise."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--case", choices=[*CASES, *ROLLBACKS], help="only this one")
    chosen = parser.parse_args().case
    figures: list[Figure] = []
    console = Console()
    for name in [chosen] if chosen else [*CASES, *ROLLBACKS]:
        about = (CASES.get(name) or ROLLBACKS[name]).__doc__ or ""
        console.print(f"[dim]{name}: {about.splitlines()[0]}[/dim]")
        if name in ROLLBACKS:
            figures += ROLLBACKS[name]()
        else:
            with rig(SETTINGS.get(name, {})) as running:
                figures += CASES[name](running)
    console.print(_table(figures))
    _write(figures, ROOT / "build" / "bench.json")


def _table(figures: list[Figure]) -> Table:
    table = Table("case", "metric", title="Speed and memory")
    for column in ("value", "target", "holds"):
        table.add_column(column, justify="right")
    shown = ""
    for figure in figures:
        target = "" if figure.target is None else f"<= {figure.target:g}"
        holds = {None: "", True: "yes", False: "[bold]NO[/bold]"}[figure.holds]
        case = "" if figure.case == shown else figure.case
        shown = figure.case
        table.add_row(case, figure.metric, f"{figure.value:,.3g} {figure.unit}".rstrip(), target, holds)
    return table


def _write(figures: list[Figure], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    records = [asdict(figure) | {"holds": figure.holds} for figure in figures]
    path.write_text(json.dumps(records, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
