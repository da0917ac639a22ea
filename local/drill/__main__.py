"""Breaks deployments on purpose, and shows how each ends: `make drill`.

Two real revisions of the API stand behind a proxy that splits traffic as Cloud Run does. Exits non-zero if anything
ends otherwise than it should.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from local.drill.scenes import SCENES, Result, Scene, policies
from local.drill.stage import Stage, staged
from local.processes import StartFailed

ROOT = Path(__file__).parents[2]
WIDTH = 110
"""Of what is written to a file."""

KEYS = (
    "fault",
    "bus",
    "detected_s",
    "decided_s",
    "shifted_s",
    "healthy_s",
    "requests",
    "failed_requests",
    "outcome",
)


def main() -> int:
    """Plays the scenes and returns the exit code."""
    parser = argparse.ArgumentParser(prog="make drill", description=__doc__)
    parser.add_argument("--bus", choices=["embedded", "pubsub"], default="embedded", help="what carries the alerts")
    parser.add_argument("--scene", choices=[scene.service for scene in SCENES], help="only this one")
    options = parser.parse_args()
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    scenes = [scene for scene in SCENES if options.scene in (None, scene.service)]
    results: list[Result] = []
    try:
        with tempfile.TemporaryDirectory(prefix="sight-drill-") as folder:
            console.print("[dim]starting Sight, a stand-in for Cloud Run and the first revision of the API ...[/dim]")
            with staged(Path(folder), options.bus, policies()) as stage:
                results += [_play(console, scene, stage) for scene in scenes]
    except StartFailed as error:
        console.print(f"[red]{error}[/red]")
        return 1
    console.print(_table(results))
    _write(results, ROOT / "build" / "drill.json")
    badly = [result.fault for result in results if not result.well]
    if badly:
        console.print(f"[red]ended badly: {', '.join(badly)}[/red]")
    return 1 if badly else 0


def _play(console: Console, scene: Scene, stage: Stage) -> Result:
    console.rule(scene.title, align="left")
    result = scene.play(stage, scene)
    for line in result.lines:
        console.print(line, highlight=False)
    mark = "[green]as it should[/green]" if result.well else f"[red]should be {result.expected}[/red]"
    console.print(f"outcome: {result.outcome}, {mark}")
    return result


def _table(results: list[Result]) -> Table:
    table = Table("fault", "bus", title="Drill: seconds since the fault reached users")
    for column in ("detected", "decided", "shifted", "healthy", "requests", "failed"):
        table.add_column(column, justify="right")
    table.add_column("outcome")
    for result in results:
        times = (result.detected_s, result.decided_s, result.shifted_s, result.healthy_s)
        table.add_row(
            result.fault,
            result.bus,
            *("" if seconds is None else f"{seconds:.2f}" for seconds in times),
            str(result.requests),
            str(result.failed_requests),
            result.outcome if result.well else f"[red]{result.outcome}[/red]",
        )
    return table


def _write(results: list[Result], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    records = [{key: asdict(result)[key] for key in KEYS} for result in results]
    path.write_text(json.dumps(records, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
