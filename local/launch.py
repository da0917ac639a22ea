"""Becomes another program that ends when its parent does. Run as a script, on the standard library alone.

    python -I -S launch.py PARENT SIGNAL UID GID GROUP PROGRAM [ARGUMENT ...]

PARENT is the process whose death sends SIGNAL (Linux; elsewhere the tie is not there), or 0 for none.
With GROUP 1 it stays as the program's leash instead of becoming it: a SIGTERM then kills the program and
all that it started. It runs in its own session, so that a Ctrl-C in the terminal reaches only the
supervisor. This is a program of its own because what runs between fork and exec in a process with
threads may deadlock.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""`prctl(2)`."""


def tie_to_parent(parent: int, signal_number: int) -> None:
    """Has the kernel send `signal_number` to this process when the thread that started it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
        if os.getppid() != parent:
            raise SystemExit(f"process {parent} ended before this one began")


def leash() -> None:
    """Returns in a child that leads a process group of its own; this process waits for it, and kills the
    whole group when told to end."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        return
    with contextlib.suppress(OSError):  # the child may be there first, or beyond exec
        os.setpgid(child, child)
    signal.signal(signal.SIGTERM, lambda *_: os.killpg(child, signal.SIGKILL))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    _, status = os.waitpid(child, 0)
    raise SystemExit(os.waitstatus_to_exitcode(status) & 0xFF)


def main() -> None:
    """Drops privileges where asked to, ties itself to its parent, and becomes or leashes the program."""
    parent, signal_number, uid, gid, group = (int(argument) for argument in sys.argv[1:6])
    program = sys.argv[6:]
    os.setsid()
    if uid != os.geteuid():
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)  # before the tie: changing the user clears it
    if parent:
        tie_to_parent(parent, signal_number)
    if group:
        leash()
    os.execv(program[0], program)  # noqa: S606


if __name__ == "__main__":
    main()
