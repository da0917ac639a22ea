"""Tests of starting and ending programs."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from local import processes
from local.processes import alive, command_of, end, start, tail
from tests.fixtures.eventually import eventually


def test_output_goes_to_the_log(tmp_path: Path) -> None:
    """What a program says is in its log, after what was there."""
    log = tmp_path / "logs" / "x.log"
    log.parent.mkdir()
    log.write_text("before\n")
    pid = start([sys.executable, "-c", "import sys; print('said'); print('wrong', file=sys.stderr)"], log=log)
    eventually(lambda: not alive(pid))
    assert sorted(tail(log).splitlines()) == ["before", "said", "wrong"]
    assert len(tail(log, lines=2).splitlines()) == 2
    assert tail(tmp_path / "none") == ""


def test_a_program_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    """What outlasts the signal and the wait is killed."""
    ready = tmp_path / "ready"
    program = (
        "import signal, time; from pathlib import Path; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        f" Path({str(ready)!r}).touch(); time.sleep(60)"
    )
    pid = start([sys.executable, "-c", program], log=tmp_path / "log")
    eventually(ready.exists)
    assert alive(pid)
    assert "signal.SIG_IGN" in command_of(pid)
    end(pid, within=0.1)
    assert not alive(pid)
    end(pid)


def test_a_leashed_program_takes_its_children_along(tmp_path: Path) -> None:
    """Ending a leashed program ends what it started, in whatever process group of its own making."""
    pids = tmp_path / "pids"
    program = (
        "import os, subprocess, sys; from pathlib import Path;"
        " child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        f" Path({str(pids)!r}).write_text(f'{{os.getpid()}} {{child.pid}}'); child.wait()"
    )
    leash = start([sys.executable, "-c", program], log=tmp_path / "log", leashed=True)
    eventually(lambda: pids.exists() and len(pids.read_text().split()) == 2)
    family = [int(pid) for pid in pids.read_text().split()]
    assert all(alive(pid) for pid in [leash, *family])
    end(leash)
    eventually(lambda: not any(alive(pid) for pid in [leash, *family]))


def test_a_leash_ends_with_its_program(tmp_path: Path) -> None:
    """When a leashed program ends by itself, so does its leash."""
    leash = start([sys.executable, "-c", "pass"], log=tmp_path / "log", leashed=True)
    eventually(lambda: not alive(leash))


def test_programs_have_their_own_session(tmp_path: Path) -> None:
    """A Ctrl-C in the terminal does not reach a started program."""
    pid = start([sys.executable, "-c", "import time; time.sleep(60)"], log=tmp_path / "log")
    eventually(lambda: alive(pid) and os.getsid(pid) == pid)
    end(pid, by=signal.SIGINT)
    assert not alive(pid)


@pytest.mark.parametrize("pid", [2**22 + 1])
def test_a_process_that_never_was_is_not_alive(pid: int) -> None:
    """Ids that no process has are dead, and ending them does nothing."""
    assert not alive(pid)
    assert command_of(pid) == ""
    end(pid)


def test_a_free_port_can_be_listened_on() -> None:
    """The port found is one of this machine's."""
    assert 0 < processes.free_port() < 65536
