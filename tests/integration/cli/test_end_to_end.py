"""Tests of the command line and the demo against the real stack."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.errors import INTERRUPTED
from cli.main import main
from local import state
from local.stack import Stack, start
from tests.fixtures.eventually import eventually

ROOT = Path(__file__).parents[3]
RUN = """\
project: Small
panel:
  audience: poland-adults
  size: 4
  seed: 1
group:
  name: Short
  questions: [What do you drink?, What would you change?]
"""


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A stack of this test's own, with the simulated model."""
    with start(data_dir=tmp_path / "data", settings={"SIGHT_LLM": "simulated", "SIGHT_WORKERS": "1"}) as running:
        yield running


@pytest.fixture
def run_file(tmp_path: Path) -> Path:
    """A small run."""
    path = tmp_path / "run.yaml"
    path.write_text(RUN)
    return path


def test_the_commands_do_what_they_say(
    stack: Stack,
    run_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A run is made, read, exported, repeated and paid for by commands alone."""
    monkeypatch.setenv("SIGHT_URL", stack.url)
    for name in ("SIGHT_PROJECT", "SIGHT_API_KEY", "SIGHT_OPS_URL", "SIGHT_REGION"):
        monkeypatch.delenv(name, raising=False)

    def sight(*arguments: str, code: int = 0) -> str:
        found = main(arguments)
        out, err = capsys.readouterr()
        assert found == code, f"{arguments}: {err}"
        return out

    def read(*arguments: str, code: int = 0) -> Any:
        return json.loads(sight(*arguments, "--json", code=code))

    assert {"poland-adults", "usa-adults"} <= {each["slug"] for each in read("audiences", "list")}
    assert "Płeć (gender)" in sight("audiences", "show", "poland-adults")
    assert read("estimate", str(run_file))["personas"]["calls"] > 0

    made = read("run", str(run_file))
    panel, group = made["panel"]["job_id"], made["focus_group_id"]
    assert {kind: job["state"] for kind, job in made["jobs"].items()} == {
        "personas": "completed",
        "focus_group": "completed",
        "summary": "completed",
    }
    assert made["panel"]["personas"] == 4

    assert "Executive summary" in sight("summary", group)
    assert "1. What do you drink?" in sight("transcript", group)
    assert len(read("transcript", group, "--question", "2")) == 4
    assert "within one seat" in sight("panel", "show", panel)
    people = read("personas", "list", "--panel", panel)
    assert "[simulated]" in sight("personas", "show", people[0]["id"])
    sight("personas", "delete", people[0]["id"])
    assert len(read("personas", "list", "--panel", panel)) == 3
    sight("personas", "undelete", people[0]["id"])

    for form in ("json", "csv"):
        paths = sight("export", group, "--format", form, "-o", str(tmp_path / form)).split()
        assert all(Path(path).stat().st_size > 0 for path in paths)
    answers = json.loads((tmp_path / "json" / "answers.json").read_text(encoding="utf-8"))
    assert [entry["state"] for entry in answers] == ["answered"] * 8

    assert {job["kind"] for job in read("jobs", "list")} >= {"personas", "focus_group", "summary"}
    assert "completed" in sight("watch", panel)
    assert "4 done" in sight("jobs", "show", panel)
    sight("jobs", "cancel", panel, code=1)
    sight("jobs", "retry", panel, "--resume", code=1)
    assert read("usage", "--job", panel)["total"]["calls"] >= 4
    assert read("usage", "--by-day")["by_day"]
    assert read("dead-letters", "list") == []
    assert read("ops", "releases") == []
    sight("ops", "pause", "api", "--reason", "trying it")
    assert [line["type"] for line in read("ops", "timeline", "api")] == ["paused"]
    sight("ops", "rollback", "api", code=1)  # there is no Cloud Run here
    assert [each["id"] for each in read("group", "list")] == [group]

    again = read("group", "create", str(run_file), "--panel", panel)
    assert again["summary"]["state"] == "completed"
    kept = sight("audiences", "add", str(ROOT / "examples" / "own-audience.yaml"), "--size", "12").split()[0]
    assert read("audiences", "show", kept)["name"] == "Customers of the corner bakery"
    job = sight("panel", "create", "--audience", kept, "--size", "3", "--no-wait").strip()
    assert sight("watch", job)
    run_file.write_text(RUN.replace("poland-adults", "atlantis"))
    sight("run", str(run_file), code=1)


def test_the_demo_tells_its_story_and_leaves_nothing_running(run_file: Path, tmp_path: Path) -> None:
    """It ends well with every part told in plain text, and a Ctrl-C ends it cleanly."""
    data = tmp_path / "data"
    program = [sys.executable, "-m", "local.demo", f"--data-dir={data}", f"--file={run_file}"]
    environment = {**os.environ, "SIGHT_LLM": "simulated", "SIGHT_WORKERS": "1"}
    told = subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert told.returncode == 0, told.stdout + told.stderr
    for part in (
        "SIMULATED",
        "Each call takes 0.3 s",
        "1. A panel of 4",
        "within one seat",
        "2. A focus group of 2 questions",
        "1. What do you drink?",
        "3. The analysis",
        "Executive summary",
        "4. What it took",
        "wall / ideal",
        "Ideal is the longest chain of LLM calls",
    ):
        assert part in told.stdout
    assert "\x1b" not in told.stdout
    assert state.read(data) is None

    with subprocess.Popen(
        program, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as demo:
        eventually(lambda: (now := state.read(data)) is not None and now.ready, within=120)
        demo.send_signal(signal.SIGINT)
        out, _ = demo.communicate(timeout=60)
    # Python ends itself by the signal when the interrupt fell into source that was being `exec`uted, as that of a
    # dataclass is: a shell says 130 to both.
    assert demo.returncode in (INTERRUPTED, -signal.SIGINT), out
    assert "Interrupted" in out
    assert state.read(data) is None
