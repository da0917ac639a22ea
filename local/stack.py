"""Starts a stack from another program, for the demo, the benchmark and the tests."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from functions.loading import FUNCTIONS
from local import state
from local.processes import POLL_SECONDS, StartFailed, alive, end, tail
from local.processes import start as start_process
from local.state import State

ROOT = Path(__file__).parents[1]
START_SECONDS = 120.0
STOP_SECONDS = 30.0
LOG = Path("logs") / "supervisor.log"


@dataclass(frozen=True)
class Stack:
    """A running stack. `concurrency` is how many messages it handles at once."""

    url: str
    database_url: str
    redis_url: str
    data_dir: Path
    concurrency: int
    supervisor: int

    def processes(self) -> dict[str, int]:
        """The process ids of what the supervisor runs now, by name: `gateway`, `worker-0`, `postgres` ...

        A process that was killed comes back under its name with another id.
        """
        return _state(self.data_dir, self.supervisor).processes

    def workers(self) -> list[int]:
        """The process ids of the workers that run now."""
        return [pid for name, pid in self.processes().items() if name.startswith("worker-")]

    def pids(self) -> list[int]:
        """The process ids of the supervisor and of all it runs."""
        return [self.supervisor, *self.processes().values()]

    def stop(self) -> None:
        """Ends the stack; messages under way are finished or handed back first, within ten seconds."""
        end(self.supervisor, within=STOP_SECONDS)

    def __enter__(self) -> Stack:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(
    *,
    data_dir: Path,
    port: int = 0,
    settings: Mapping[str, str] | None = None,
    functions: Path = FUNCTIONS,
    interrupted: Callable[[], bool] = lambda: False,
) -> Stack:
    """Starts a stack with its files in `data_dir` and returns it once it answers.

    `settings` are environment variables beyond this process's own; `port` 0 takes any free one. The stack
    ends with the calling thread, even by kill -9. Raises `StartFailed` with the end of the log, and
    `KeyboardInterrupt` once `interrupted`, when the stack has ended.
    """
    data_dir = data_dir.absolute()
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        **(settings or {}),
        "SIGHT_DATA_DIR": str(data_dir),
        "SIGHT_PORT": str(port),
    }
    log = data_dir / LOG
    log.unlink(missing_ok=True)
    program = [sys.executable, "-m", "local", "run", f"--functions={functions.absolute()}"]
    pid = start_process(program, log=log, environment=environment)
    try:
        now = _ready(data_dir, pid, interrupted)
    except BaseException:  # Ctrl-C too: whoever called has nothing yet that could be stopped
        end(pid, within=STOP_SECONDS)
        raise
    return Stack(now.url, now.database_url, now.redis_url, data_dir, now.concurrency, pid)


def _ready(data_dir: Path, supervisor: int, interrupted: Callable[[], bool]) -> State:
    deadline = time.monotonic() + START_SECONDS
    while True:
        now = state.read(data_dir)
        if now is not None and now.pid == supervisor and now.ready:
            return now
        if not alive(supervisor) or time.monotonic() > deadline:
            raise StartFailed(tail(data_dir / LOG, lines=40))
        if interrupted():
            raise KeyboardInterrupt
        time.sleep(POLL_SECONDS)


def _state(data_dir: Path, supervisor: int) -> State:
    now = state.read(data_dir)
    if now is None or now.pid != supervisor:
        raise RuntimeError(f"the stack on {data_dir} has ended")
    return now
