"""Processes forked from one that has loaded everything, so that they share its memory, and kept alive."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from local.launch import tie_to_parent
from local.processes import POLL_SECONDS, StartFailed, tail

QUICK_SECONDS = 2.0
"""A child that lives shorter than this is started again more and more slowly."""

MAX_PAUSE_SECONDS = 5.0

log = structlog.get_logger()


@dataclass(slots=True)
class _Child:
    name: str
    main: Callable[[], None]
    pid: int = 0
    started_at: float = 0.0
    start_at: float = 0.0
    quick_deaths: int = 0


class Children:
    """Forks named processes, starts those that die again, and ends them all.

    The forking process must have no threads. Each child leads its own session, writes to `{name}.log` in
    `logs` (or to where the parent does), and is killed by the kernel when the parent dies.
    """

    def __init__(self, logs: Path | None) -> None:
        self._logs = logs
        self._children: dict[str, _Child] = {}
        self._stopping = False

    def add(self, name: str, main: Callable[[], None]) -> None:
        """Adds a process that runs `main`; `start_due` starts it."""
        self._children[name] = _Child(name, main)

    def run_aside(self, name: str, main: Callable[[], None]) -> Callable[[], None]:
        """Runs `main` in a process of its own, so that nothing it opens stays open here, and returns what waits
        for its end and raises `StartFailed` when it failed."""
        pid = self._fork(_Child(name, main))

        def wait() -> None:
            _, status = os.waitpid(pid, 0)
            if status:
                said = tail(self._logs / f"{name}.log") if self._logs is not None else "see above"
                raise StartFailed(f"{name} failed:\n{said}")

        return wait

    def start_due(self) -> bool:
        """Starts what should run and does not; whether there was any."""
        due = [child for child in self._children.values() if not child.pid and child.start_at <= time.monotonic()]
        for child in due:
            child.started_at = time.monotonic()
            child.pid = self._fork(child)
        return bool(due)

    def reap(self) -> None:
        """Notes who has died and when to start it again. Other children of this process are reaped as well."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            for child in self._children.values():
                if child.pid == pid:
                    self._bury(child, status)

    def pids(self) -> dict[str, int]:
        """The process ids of those that run."""
        return {child.name: child.pid for child in self._children.values() if child.pid}

    def quick_deaths(self) -> dict[str, int]:
        """How many times in a row each died soon after its start."""
        return {child.name: child.quick_deaths for child in self._children.values()}

    def stop(self, within: float, hurry: Callable[[], bool] = lambda: False) -> None:
        """Ends all with SIGTERM, and after `within` seconds, or when `hurry` says so, with SIGKILL."""
        self._stopping = True
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + within
        while self.pids() and time.monotonic() < deadline and not hurry():
            time.sleep(POLL_SECONDS)
            self.reap()
        self._signal(signal.SIGKILL)
        while self.pids():
            time.sleep(POLL_SECONDS)
            self.reap()

    def _bury(self, child: _Child, status: int) -> None:
        lived = time.monotonic() - child.started_at
        child.quick_deaths = child.quick_deaths + 1 if lived < QUICK_SECONDS else 0
        pause = min(0.1 * 2.0**child.quick_deaths, MAX_PAUSE_SECONDS) if child.quick_deaths else 0.0
        child.start_at = time.monotonic() + pause
        if not self._stopping:
            code = os.waitstatus_to_exitcode(status)
            log.warning("process_ended", process=child.name, pid=child.pid, exit_code=code)
        child.pid = 0

    def _signal(self, signal_number: signal.Signals) -> None:
        for pid in self.pids().values():
            os.kill(pid, signal_number)

    def _fork(self, child: _Child) -> int:
        parent = os.getpid()
        pid = os.fork()
        if pid:
            return pid
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            for signal_number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
                signal.signal(signal_number, signal.SIG_DFL)
            os.setsid()
            tie_to_parent(parent, signal.SIGKILL)
            if self._logs is not None:
                _write_to(self._logs / f"{child.name}.log")
            child.main()
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)  # nothing of the parent's is to be cleaned up here


def _write_to(path: Path) -> None:
    log_file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log_file, 1)
    os.dup2(log_file, 2)
    os.close(log_file)
