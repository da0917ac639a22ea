"""Becomes another program that ends when its parent does. Run as a script, on the standard library alone.

    python -I -S launch.py PARENT SIGNAL UID GID PROGRAM [ARGUMENT ...]

PARENT is the process whose death sends SIGNAL (Linux; elsewhere the tie is not there), or 0 for none.
It runs in its own session, so that a Ctrl-C in the terminal reaches only the supervisor. This is a
program of its own because a function that runs between fork and exec may deadlock where threads run.
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
"""`prctl(2)`."""


def tie_to_parent(parent: int, signal_number: int) -> None:
    """Has the kernel send `signal_number` to this process when the thread that started it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
        if os.getppid() != parent:
            raise SystemExit(f"process {parent} ended before this one began")


def main() -> None:
    """Drops privileges where asked to, ties itself to its parent, and becomes the program."""
    parent, signal_number, uid, gid = (int(argument) for argument in sys.argv[1:5])
    program = sys.argv[5:]
    os.setsid()
    if uid != os.geteuid():
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)  # before the tie: changing the user clears it
    if parent:
        tie_to_parent(parent, signal_number)
    os.execv(program[0], program)  # noqa: S606


if __name__ == "__main__":
    main()
