"""Starts programs, and ends them by their process id, whoever started them."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

POLL_SECONDS = 0.01
NICENESS = 10
"""Of what may wait for a processor while others answer somebody; it gets all that they leave."""

AUTOGROUP = Path("/proc/self/autogroup")
"""Where Linux keeps the niceness of a session as a whole, beside which that of its processes does not count outside
of it; https://man7.org/linux/man-pages/man7/sched.7.html."""

PROC = Path("/proc/self").exists()
"""Whether the system tells of processes in /proc; macOS has only `ps`."""


class StartFailed(Exception):
    """A program did not come up; the message says why and ends with its log."""


def start(
    program: Sequence[str | Path],
    *,
    log: Path,
    tied: bool = True,
    tie_signal: signal.Signals = signal.SIGTERM,
    owner: tuple[int, int] | None = None,
    leashed: bool = False,
    environment: Mapping[str, str] | None = None,
) -> int:
    """Starts a program in its own session and returns its process id.

    Its output goes to the end of `log`. A `tied` program gets `tie_signal` when the calling thread ends,
    even by kill -9. `owner` is the (uid, gid) it runs as, by default the caller's. A `leashed` program is
    killed with all that it started by SIGTERM; the id returned is then the leash's.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    uid, gid = owner or (os.geteuid(), os.getegid())
    launcher = Path(__file__).with_name("launch.py")
    parent = os.getpid() if tied else 0
    arguments = [sys.executable, "-I", "-S", launcher, parent, int(tie_signal), uid, gid, int(leashed), *program]
    return os.posix_spawn(
        sys.executable,
        [str(argument) for argument in arguments],
        dict(os.environ if environment is None else environment),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
    )


def command_of(pid: int) -> str:
    """The command line of a process, empty when there is none of that id."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "" if PROC else _ps(pid, "command=")


def alive(pid: int) -> bool:
    """Whether the process runs. One that has ended does not, even while nobody has reaped it; our own children
    are reaped."""
    try:
        reaped, _ = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return _state_of(pid) not in ("", "Z", "X")
    return reaped == 0


def _state_of(pid: int) -> str:
    """The letter of a process's state, `Z` for one that nobody has reaped; empty when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(") ")[2][:1]
    except OSError:
        return "" if PROC else _ps(pid, "stat=")[:1]


def _ps(pid: int, column: str) -> str:
    shown = subprocess.run(["ps", "-o", column, "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S603, S607
    return shown.stdout.strip()


def end(pid: int, *, by: signal.Signals = signal.SIGTERM, within: float = 10.0) -> None:
    """Sends `by` and waits; after `within` seconds, SIGKILL. Nothing happens when it has ended already."""
    for signal_number, seconds in ((by, within), (signal.SIGKILL, 5.0)):
        if not alive(pid):
            return
        try:
            os.kill(pid, signal_number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + seconds
        while alive(pid) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)


def work_behind() -> None:
    """Lets all other processes go first on a busy processor. For a process that leads its session, before it has
    threads; where the system does not take it nothing changes."""
    os.nice(NICENESS)
    for _ in range(10):
        try:
            AUTOGROUP.write_text(str(NICENESS))
        except BlockingIOError:  # one change in a tenth of a second, whoever makes it, unless it is root
            time.sleep(0.11)
        except OSError:
            return
        else:
            return


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now, and that the system gives to nobody who takes any: Linux
    gives those from 32,768 on, others higher ones."""
    while True:
        port = random.randrange(10_000, 32_768)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def tail(log: Path, *, lines: int = 15) -> str:
    """The last lines of a log, empty when there is none."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
