"""The official Pub/Sub emulator. It keeps its messages in memory, for tests and for `BUS=pubsub` on one machine."""

from __future__ import annotations

import http.client
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from local.processes import POLL_SECONDS, StartFailed, alive, command_of, end, free_port, tail
from local.processes import start as start_process

START_SECONDS = 60.0
INSTALL = (
    "the Pub/Sub emulator needs the Google Cloud CLI with its components beta and pubsub-emulator, and Java 11 or"
    " newer: https://cloud.google.com/pubsub/docs/emulator"
)


class EmulatorMissing(StartFailed):
    """Something that the emulator needs is not installed; the message says what."""


@dataclass(frozen=True)
class Emulator:
    """A running emulator: `host` is its `host:port`, `pid` leads the process group of all its processes."""

    host: str
    pid: int


def missing() -> str | None:
    """What has to be installed before the emulator can start, or None."""
    absent = [program for program in ("gcloud", "java") if shutil.which(program) is None]
    return f"{' and '.join(absent)} not found: {INSTALL}" if absent else None


def start(data_dir: Path, *, log: Path | None = None, port: int = 0, tied: bool = True) -> Emulator:
    """Starts the emulator on 127.0.0.1 and waits until it answers, some seconds.

    `tied`: it ends with the calling thread, and so does the Java process that it starts, which would outlive
    a plain kill of the emulator. Raises `EmulatorMissing` or `StartFailed`.
    """
    absent = missing()
    gcloud = shutil.which("gcloud")
    if absent is not None or gcloud is None:
        raise EmulatorMissing(absent or INSTALL)
    data_dir.mkdir(parents=True, exist_ok=True)
    log = log or data_dir / "emulator.log"
    log.unlink(missing_ok=True)
    host = f"127.0.0.1:{port or free_port()}"
    program = [
        gcloud,
        "beta",
        "emulators",
        "pubsub",
        "start",
        f"--host-port={host}",
        f"--data-dir={data_dir}",
        "--quiet",
    ]
    pid = start_process(program, log=log, tied=tied, leashed=True)
    deadline = time.monotonic() + START_SECONDS
    while not _answers(host):
        if not alive(pid) or time.monotonic() > deadline:
            end(pid)
            wrong = tail(log)
            raise (EmulatorMissing(f"{INSTALL}\n{wrong}") if "component" in wrong else StartFailed(wrong))
        time.sleep(POLL_SECONDS * 5)
    return Emulator(host, pid)


def stop(emulator: Emulator) -> None:
    """Ends the emulator and the processes it started; does nothing when it has ended."""
    if "pubsub" in command_of(emulator.pid):
        end(emulator.pid)


def _answers(host: str) -> bool:
    connection = http.client.HTTPConnection(host, timeout=1.0)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
