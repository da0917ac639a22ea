"""Tests of the embedded Redis."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from local import redis
from local.processes import StartFailed, alive

ROOT = Path(__file__).parents[3]


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """A folder whose server is stopped after the test."""
    folder = tmp_path / "redis"
    yield folder
    redis.stop(folder)


def ping(url: str) -> bool:
    """Whether the server answers."""
    with Redis.from_url(url) as client:
        return bool(client.ping())


def test_answers_on_its_socket_and_listens_nowhere_else(data_dir: Path) -> None:
    """A started server answers at its URL and has no TCP port."""
    url = redis.start(data_dir)
    assert ping(url)
    with Redis.from_url(url) as client:
        assert client.config_get("port") == {"port": "0"}


def test_entries_make_room_for_new_ones_when_full(data_dir: Path) -> None:
    """Memory is bounded; which of the entries of the same second goes, Redis decides by sampling."""
    with Redis.from_url(redis.start(data_dir, max_memory_mb=5)) as client:
        assert client.config_get("maxmemory") == {"maxmemory": str(5 * 1024 * 1024)}
        for number in range(20):
            client.set(f"key-{number}", b"x" * 500_000)
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "allkeys-lru"}
        assert 0 < client.dbsize() < 20


def test_a_second_start_replaces_the_first(data_dir: Path) -> None:
    """Starting twice in a row leaves exactly one server, the newer one."""
    redis.start(data_dir)
    first = redis.running(data_dir)
    assert ping(redis.start(data_dir))
    assert first is not None
    assert not alive(first)


def test_starts_after_a_kill(data_dir: Path) -> None:
    """A server killed by SIGKILL leaves nothing that hinders the next."""
    redis.start(data_dir)
    pid = redis.running(data_dir)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert ping(redis.start(data_dir))


def test_a_stale_process_id_is_not_mistaken_for_the_server(data_dir: Path) -> None:
    """A process id file that names some other process is ignored, and that process is left alone."""
    data_dir.mkdir()
    (data_dir / "redis.pid").write_text(str(os.getpid()))
    assert redis.running(data_dir) is None
    assert ping(redis.start(data_dir))


def test_fits_a_long_path(tmp_path: Path) -> None:
    """A checkout too deep for a socket path gets its socket in a short private folder."""
    data_dir = tmp_path / ("deep" * 30) / "redis"
    url = redis.start(data_dir)
    try:
        assert ping(url)
        assert Path(url.removeprefix("unix://")).parent.stat().st_mode & 0o077 == 0
    finally:
        redis.stop(data_dir)


def test_ends_with_a_parent_that_is_killed(data_dir: Path) -> None:
    """When the process that started it dies by SIGKILL, the server ends too."""
    program = f"import time; from pathlib import Path; from local import redis; redis.start(Path({str(data_dir)!r}))"
    with subprocess.Popen(
        [sys.executable, "-c", f"{program}; print(1, flush=True); time.sleep(60)"], cwd=ROOT, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        pid = redis.running(data_dir)
        parent.kill()
    assert pid is not None
    deadline = time.monotonic() + 10
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive(pid)


def test_a_start_that_fails_says_why(data_dir: Path) -> None:
    """The error of a failed start holds the end of the server's log."""
    with pytest.raises(StartFailed, match="maxmemory"):
        redis.start(data_dir, max_memory_mb=-1)
