"""A real Neo4j on this machine, for `make neo4j` and for tests: the Community edition in a small Java program.

It is fetched from Maven Central once. Run as a program it serves until Ctrl-C: `python -m local.neo4j`.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from local.processes import POLL_SECONDS, StartFailed, alive, command_of, end, free_port, tail
from local.processes import start as start_process

ROOT = Path(__file__).parents[1]
PROGRAM = "Neo4jServer"
SOURCES = Path(__file__).with_name("neo4j_server")
LIBRARIES = SOURCES / "pom.xml"
PROGRAM_SOURCE = SOURCES / f"{PROGRAM}.java"
CACHE = ROOT / ".cache"
"""Holds the server's libraries, 130 MB. `make clean` leaves it: what is in it stays the same for ever."""

USER = "neo4j"
PORT = 7687
START_SECONDS = 120.0
STOP_SECONDS = 30.0
INSTALL = (
    "Neo4j needs Maven and a JDK, 17 or 21, and the network when it is first started; on Debian:"
    " apt-get install default-jdk-headless maven"
)
JAVA_OPTIONS = (
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xms64m",
    "-Xmx320m",
)
"""Quick to start and small, for two cores and small graphs: one collector thread, no second compiler."""

SETTINGS = {
    "dbms.security.auth_enabled": "true",
    "dbms.usage_report.enabled": "false",
    "db.tx_log.rotation.retention_policy": "1 files",
    "server.bolt.enabled": "true",
    "server.memory.pagecache.size": "32m",
    "internal.dbms.bolt.netty_server_shutdown_quiet_period": "0",
}


class Neo4jMissing(StartFailed):
    """Something that Neo4j needs is not installed; the message says what."""


@dataclass(frozen=True)
class Neo4j:
    """A running server and what its clients need."""

    url: str
    user: str
    password: str
    pid: int


def missing() -> str | None:
    """What has to be installed before Neo4j can be, or None."""
    needed = ("java",) if _installed().exists() else ("java", "javac", "mvn")
    absent = [program for program in needed if shutil.which(program) is None]
    return f"{' and '.join(absent)} not found: {INSTALL}" if absent else None


def start(data_dir: Path, *, log: Path | None = None, port: int = 0, tied: bool = True) -> Neo4j:
    """Starts Neo4j on 127.0.0.1 with its files in `data_dir` and returns it once it answers, some seconds later.

    What it needs is fetched first when it is not here. Port 0 is any free one. The password is made up on the
    first start and kept with the data. A server left from an earlier start is ended first. `tied`: it ends with
    the calling thread, even by kill -9. Raises `Neo4jMissing` or `StartFailed`.
    """
    absent = missing()
    java = shutil.which("java")
    if absent is not None or java is None:
        raise Neo4jMissing(absent or INSTALL)
    data_dir = data_dir.resolve()
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    stop(data_dir)
    log = log or data_dir / "neo4j.log"
    installed = _install(log)
    address = f"127.0.0.1:{port or free_port()}"
    settings = SETTINGS | {"server.bolt.listen_address": address, "server.bolt.advertised_address": address}
    (data_dir / "neo4j.conf").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    kept = _kept_password(data_dir)
    password = kept or secrets.token_urlsafe(16)
    environment = dict(os.environ) if kept else {**os.environ, "NEO4J_NEW_PASSWORD": password}
    class_path = f"{installed / 'classes'}:{installed / 'lib' / '*'}"
    log.unlink(missing_ok=True)
    pid = start_process(
        [java, *JAVA_OPTIONS, "-cp", class_path, PROGRAM, data_dir], log=log, tied=tied, environment=environment
    )
    (data_dir / "neo4j.pid").write_text(str(pid))
    try:
        _wait_until_ready(pid, log)
    except BaseException:
        end(pid)
        raise
    _keep_password(data_dir, password)
    return Neo4j(f"bolt://{address}", USER, password, pid)


def running(data_dir: Path) -> int | None:
    """The process id of the server of `data_dir`, if it runs."""
    try:
        pid = int((data_dir / "neo4j.pid").read_text())
    except (OSError, ValueError):
        return None
    return pid if alive(pid) and f"{PROGRAM} {data_dir.resolve()}" in command_of(pid) else None


def stop(data_dir: Path) -> None:
    """Ends the server of `data_dir`, whoever started it; does nothing when none runs."""
    pid = running(data_dir)
    if pid is not None:
        end(pid, within=STOP_SECONDS)
    (data_dir / "neo4j.pid").unlink(missing_ok=True)


def _wait_until_ready(pid: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while "ready" not in _lines(log):
        if not alive(pid) or time.monotonic() > deadline:
            raise StartFailed(f"Neo4j did not start:\n{tail(log)}")
        time.sleep(POLL_SECONDS * 5)


def _lines(log: Path) -> list[str]:
    return log.read_text(errors="replace").splitlines() if log.exists() else []


def _kept_password(data_dir: Path) -> str | None:
    kept = data_dir / "password"
    return kept.read_text() if kept.exists() else None


def _keep_password(data_dir: Path, password: str) -> None:
    kept = data_dir / "password"
    kept.touch(mode=0o600)
    kept.write_text(password)


def _installed() -> Path:
    """Where the server is installed, or is to be: another folder for another version."""
    sources = LIBRARIES.read_bytes() + PROGRAM_SOURCE.read_bytes()
    return CACHE / f"neo4j-{hashlib.sha256(sources).hexdigest()[:12]}"


def _install(log: Path) -> Path:
    """Fetches the libraries and compiles the program, beside their place, so that half of it is never found."""
    installed = _installed()
    if installed.exists():
        return installed
    fresh = installed.with_suffix(f".{os.getpid()}")
    fresh.mkdir(parents=True)
    try:
        fetch = ["mvn", "--quiet", "--batch-mode", "--strict-checksums", "-f", str(LIBRARIES)]
        _run([*fetch, "dependency:copy-dependencies", f"-DoutputDirectory={fresh / 'lib'}"], log)
        _run(["javac", "-cp", fresh / "lib" / "*", "-d", fresh / "classes", PROGRAM_SOURCE], log)
        with suppress(OSError):  # somebody else has just installed it
            fresh.rename(installed)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return installed


def _run(program: Sequence[str | Path], log: Path) -> None:
    with log.open("a") as output:
        ended = subprocess.run(program, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False)  # noqa: S603
    if ended.returncode != 0:
        raise Neo4jMissing(f"{INSTALL}\n{tail(log)}")


def main() -> None:
    """Serves until Ctrl-C, and says how to use it."""
    parser = argparse.ArgumentParser(prog="python -m local.neo4j", description="Runs Neo4j until Ctrl-C.")
    parser.add_argument("--port", type=int, default=PORT, help=f"the port of 127.0.0.1 to listen on, {PORT} by default")
    parser.add_argument("--data", type=Path, default=Path(".sight/neo4j"), help="where it keeps its files")
    arguments = parser.parse_args()
    try:
        server = start(arguments.data, port=arguments.port)
        sys.stdout.write(
            f"Neo4j answers at {server.url}. Ctrl-C ends it. For Sight to use it, in another terminal:\n\n"
            f"  NEO4J_URL={server.url} NEO4J_USER={server.user} NEO4J_PASSWORD={server.password} make run\n"
        )
        sys.stdout.flush()
        while alive(server.pid):
            time.sleep(POLL_SECONDS * 10)
    except StartFailed as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        return
    finally:
        stop(arguments.data)
    sys.exit(f"Neo4j has ended:\n{tail(arguments.data / 'neo4j.log')}")


if __name__ == "__main__":
    main()
