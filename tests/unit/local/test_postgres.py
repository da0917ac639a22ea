"""Tests of the embedded Postgres."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from common.database.engine import connect
from local import postgres
from local.processes import StartFailed, alive

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cluster which has been started once."""
    data_dir = tmp_path_factory.mktemp("postgres") / "data"
    postgres.start(data_dir)
    yield data_dir
    postgres.stop(data_dir)


def ask(url: str, question: str) -> object:
    """The one value a query yields."""
    engine = connect(url)
    try:
        with engine.connect() as connection:
            return connection.execute(text(question)).scalar()
    finally:
        engine.dispose()


def test_answers_with_pgvector_and_listens_nowhere_else(cluster: Path) -> None:
    """A started server answers at its URL, offers pgvector and has no TCP address."""
    url = postgres.start(cluster)
    assert ask(url, "SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'") == 1
    assert ask(url, "SHOW listen_addresses") == ""


def test_a_commit_is_durable_and_its_socket_private(cluster: Path) -> None:
    """Commits reach the disk before they are acknowledged, and no other user reaches the socket."""
    url = postgres.start(cluster)
    assert ask(url, "SHOW synchronous_commit") == "on"
    assert ask(url, "SHOW fsync") == "on"
    assert cluster.stat().st_mode & 0o077 == 0


def test_a_second_start_replaces_the_first(cluster: Path) -> None:
    """Starting twice in a row leaves exactly one server, the newer one."""
    postgres.start(cluster)
    first = postgres.running(cluster)
    url = postgres.start(cluster)
    assert ask(url, "SELECT 1") == 1
    assert first is not None
    assert not alive(first)


def test_starts_after_a_kill(cluster: Path) -> None:
    """A server killed by SIGKILL, with clients connected, leaves nothing that hinders the next."""
    engine = connect(postgres.start(cluster))
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        pid = postgres.running(cluster)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert ask(postgres.start(cluster), "SELECT 1") == 1
        connection.invalidate()
    engine.dispose()


def test_a_stale_process_id_is_not_mistaken_for_the_server(cluster: Path) -> None:
    """A process id file that names some other process is put away, and that process is left alone."""
    postgres.stop(cluster)
    (cluster / "postmaster.pid").write_text(f"{os.getpid()}\n{cluster}\n")
    assert postgres.running(cluster) is None
    assert ask(postgres.start(cluster), "SELECT 1") == 1


def test_a_half_made_cluster_is_made_again(tmp_path: Path) -> None:
    """What an interrupted first start left behind does not count as a cluster."""
    data_dir = tmp_path / ("deep" * 30) / "data"
    half = data_dir.with_name("data.new")
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    try:
        assert ask(postgres.start(data_dir), "SELECT 1") == 1
    finally:
        postgres.stop(data_dir)


def test_ends_with_a_parent_that_is_killed(cluster: Path) -> None:
    """When the process that started it dies by SIGKILL, the server ends too."""
    program = (
        f"import time; from pathlib import Path; from local import postgres; postgres.start(Path({str(cluster)!r}))"
    )
    command = [sys.executable, "-c", f"{program}; print(1, flush=True); time.sleep(60)"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        pid = postgres.running(cluster)
        parent.kill()
    assert pid is not None
    deadline = time.monotonic() + 10
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive(pid)


def test_a_start_that_fails_says_why(tmp_path: Path) -> None:
    """The error of a failed start holds the end of the server's log."""
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    (data_dir / "PG_VERSION").write_text("9\n")
    with pytest.raises(StartFailed, match="could not access the server configuration"):
        postgres.start(data_dir)
