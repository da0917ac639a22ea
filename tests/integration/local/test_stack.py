"""Tests of the stack as a whole, with small functions in place of Sight's own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from common.bus.topology import SUBSCRIPTIONS
from local import stack
from local.processes import NICENESS, StartFailed, alive
from local.stack import Stack
from tests.fixtures.eventually import eventually

ROOT = Path(__file__).parents[3]

API = """
import os
from functools import cache

from common.bus.embedded import EmbeddedBus
from common.bus.port import Message
from common.database.engine import connect


@cache
def bus():
    return EmbeddedBus(connect(os.environ["DATABASE_URL"]))


def api(request):
    if request.path == "/publish":
        return {"ids": bus().publish("sight-answers", [Message(request.get_data())])}
    return {"pid": os.getpid()}
"""

ANSWER = """
import json
import os
import time

from common.bus.envelope import parse_push


def note(kind, delivery):
    line = json.dumps({"kind": kind, "data": delivery.data.decode(), "attempt": delivery.attempt, "pid": os.getpid()})
    with open(os.path.join(os.environ["SIGHT_DATA_DIR"], "notes"), "a") as file:
        file.write(line + "\\n")


def answer(request):
    delivery = parse_push(request.get_data())
    note("begun", delivery)
    if delivery.data.startswith(b"hang") and delivery.attempt == 1:
        time.sleep(100)
    if delivery.data.startswith(b"slow"):
        time.sleep(1)
    note("done", delivery)
    return "", 204
"""

MAINTENANCE = """
import os


def maintenance(request):
    open(os.path.join(os.environ["SIGHT_DATA_DIR"], "maintained"), "w").close()
    return {}
"""

OTHER = """
def {name}(request):
    return "", 204
"""


@pytest.fixture(scope="module")
def functions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of functions that note what they are asked."""
    folder = tmp_path_factory.mktemp("functions")
    sources = {subscription.function: OTHER.format(name=subscription.function) for subscription in SUBSCRIPTIONS}
    for name, source in (sources | {"api": API, "answer": ANSWER, "maintenance": MAINTENANCE}).items():
        (folder / name).mkdir()
        (folder / name / "main.py").write_text(source)
    return folder


@pytest.fixture(scope="module")
def running(functions: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with two workers of four threads."""
    settings = {"SIGHT_WORKERS": "2", "SIGHT_WORKER_THREADS": "4"}
    with stack.start(data_dir=tmp_path_factory.mktemp("stack"), functions=functions, settings=settings) as started:
        yield started


def ask(url: str, body: bytes | None = None) -> dict[str, object]:
    """What the API answers."""
    with urllib.request.urlopen(url, data=body, timeout=30) as response:
        answer: dict[str, object] = json.load(response)
    return answer


def notes(started: Stack, data: str, kind: str) -> list[dict[str, int]]:
    """What the answer function noted of a message."""
    try:
        lines = (started.data_dir / "notes").read_text().splitlines()
    except FileNotFoundError:
        return []
    found = [json.loads(line) for line in lines]
    return [note for note in found if (note["data"], note["kind"]) == (data, kind)]


def kill(started: Stack, name: str) -> None:
    """Kills a process of the stack with SIGKILL and waits until another has taken its place."""
    pid = started.processes()[name]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: started.processes().get(name, pid) != pid)


def test_a_message_goes_from_the_api_to_its_function(running: Stack) -> None:
    """What the API publishes reaches the function of its subscription, once."""
    ask(f"{running.url}/publish", b"hello")
    eventually(lambda: notes(running, "hello", "done"))
    assert len(notes(running, "hello", "begun")) == 1
    assert running.concurrency == 8


def test_the_processes_are_named(running: Stack) -> None:
    """The stack tells the ids of its processes by name, for those who watch or kill them."""
    assert set(running.processes()) == {"gateway", "worker-0", "worker-1", "postgres", "redis"}
    assert len(running.workers()) == 2
    assert all(alive(pid) for pid in running.pids())


def test_a_killed_worker_is_replaced_and_its_messages_come_back(running: Stack) -> None:
    """What a worker had in hand when it was killed is handled by its successor, long before the lease ends."""
    ask(f"{running.url}/publish", b"hang 1")
    eventually(lambda: notes(running, "hang 1", "begun"))
    holder = notes(running, "hang 1", "begun")[0]["pid"]
    os.kill(holder, signal.SIGKILL)
    eventually(lambda: notes(running, "hang 1", "done"))
    assert notes(running, "hang 1", "done")[0]["attempt"] == 2
    eventually(lambda: len(running.workers()) == 2 and holder not in running.workers())


@pytest.mark.parametrize("server", ["postgres", "redis"])
def test_a_killed_server_comes_back(running: Stack, server: str) -> None:
    """After a server was killed messages are handled again, with nobody's help."""
    kill(running, server)

    def published() -> bool:
        try:
            return bool(ask(f"{running.url}/publish", server.encode()))
        except OSError:
            return False

    eventually(published)
    eventually(lambda: notes(running, server, "done"))


def test_what_was_published_survives_its_database(running: Stack) -> None:
    """A message that was accepted is handled even when Postgres is killed right after."""
    ask(f"{running.url}/publish", b"slow and safe")
    kill(running, "postgres")
    eventually(lambda: notes(running, "slow and safe", "done"))


def test_a_killed_gateway_comes_back_at_its_address(running: Stack) -> None:
    """The address stays when the process that serves it has to be replaced."""
    kill(running, "gateway")
    assert ask(f"{running.url}/")["pid"]


def test_maintenance_is_called(running: Stack) -> None:
    """The maintenance function is called every few seconds."""
    (running.data_dir / "maintained").unlink(missing_ok=True)
    eventually((running.data_dir / "maintained").exists)


def test_workers_let_others_go_first(running: Stack) -> None:
    """The API stays quick when the workers have all cores busy: their niceness counts beyond their own session too."""

    def niceness(pid: int) -> list[int]:
        group = Path(f"/proc/{pid}/autogroup")
        of_session = [int(group.read_text().split()[-1])] if group.exists() else []
        return [os.getpriority(os.PRIO_PROCESS, pid), *of_session]

    workers = running.workers()
    assert workers
    assert {each for pid in workers for each in niceness(pid)} == {NICENESS}
    assert {*niceness(running.processes()["gateway"])} == {0}


def test_a_second_stack_keeps_off_the_same_data(running: Stack, functions: Path) -> None:
    """Starting on data that is in use fails and says where the other stack is."""
    with pytest.raises(StartFailed, match=running.url):
        stack.start(data_dir=running.data_dir, functions=functions)
    assert ask(f"{running.url}/")


def test_a_killed_stack_leaves_nothing_that_hinders_the_next(functions: Path, tmp_path: Path) -> None:
    """After a kill -9 of the supervisor all its processes end, and the next start goes on where it stopped."""
    settings = {"SIGHT_WORKERS": "1", "SIGHT_WORKER_THREADS": "2"}
    first = stack.start(data_dir=tmp_path / "data", functions=functions, settings=settings)
    pids = first.pids()
    ask(f"{first.url}/publish", b"hang 2")
    eventually(lambda: notes(first, "hang 2", "begun"))
    os.kill(first.supervisor, signal.SIGKILL)
    with stack.start(data_dir=tmp_path / "data", functions=functions, settings=settings) as second:
        eventually(lambda: notes(second, "hang 2", "done"))
        eventually(lambda: not any(alive(pid) for pid in pids))
    assert not alive(second.supervisor)


def test_stopping_finishes_what_is_under_way(functions: Path, tmp_path: Path) -> None:
    """A message being handled when the stack is told to end is finished, and nothing stays behind."""
    started = stack.start(data_dir=tmp_path / "data", functions=functions, settings={"SIGHT_WORKERS": "1"})
    pids = started.pids()
    ask(f"{started.url}/publish", b"slow at the end")
    eventually(lambda: notes(started, "slow at the end", "begun"))
    started.stop()
    assert len(notes(started, "slow at the end", "done")) == 1
    assert not any(alive(pid) for pid in pids)


def test_a_function_that_cannot_be_loaded_is_named(functions: Path, tmp_path: Path) -> None:
    """A stack whose function is missing does not start, and says which."""
    broken = tmp_path / "functions"
    broken.mkdir()
    for folder in functions.iterdir():
        if folder.name != "answer":
            (broken / folder.name).symlink_to(folder)
    with pytest.raises(StartFailed, match="answer"):
        stack.start(data_dir=tmp_path / "data", functions=broken)


def test_an_interrupted_start_ends_the_stack_first(functions: Path, tmp_path: Path) -> None:
    """Whoever gives up waiting for a stack gets its interrupt when nothing of the stack is left."""
    data = tmp_path / "data"
    pid_file = data / "postgres" / "postmaster.pid"
    begun: list[int] = []

    def interrupted() -> bool:
        if pid_file.exists():
            begun.extend(int(word) for word in pid_file.read_text().split()[:1])
        return bool(begun)

    with pytest.raises(KeyboardInterrupt):
        stack.start(data_dir=data, functions=functions, settings={"SIGHT_WORKERS": "1"}, interrupted=interrupted)
    assert not alive(begun[0])
    assert not pid_file.exists()


def test_servers_that_run_elsewhere_are_used(
    functions: Path, tmp_path: Path, empty_database_url: str, redis_url: str
) -> None:
    """Where a database and a Redis are named the stack starts none of its own, and leaves them running."""
    settings = {"DATABASE_URL": empty_database_url, "REDIS_URL": redis_url, "SIGHT_WORKERS": "1"}
    with stack.start(data_dir=tmp_path / "data", functions=functions, settings=settings) as started:
        assert set(started.processes()) == {"gateway", "worker-0"}
        assert (started.database_url, started.redis_url) == (empty_database_url, redis_url)
        ask(f"{started.url}/publish", b"elsewhere")
        eventually(lambda: notes(started, "elsewhere", "done"))
    with Redis.from_url(redis_url) as client:
        assert client.ping()


def test_an_unreachable_database_is_named(functions: Path, tmp_path: Path, redis_url: str) -> None:
    """A stack whose database cannot be reached does not start, and says that preparing it failed."""
    settings = {"DATABASE_URL": f"postgresql://nobody@/none?host={tmp_path}", "REDIS_URL": redis_url}
    with pytest.raises(StartFailed, match="prepare failed"):
        stack.start(data_dir=tmp_path / "data", functions=functions, settings=settings)


def test_a_gateway_that_keeps_dying_is_named(functions: Path, tmp_path: Path, redis_url: str) -> None:
    """A process that dies again and again before the stack was ready ends the start."""
    broken = tmp_path / "functions"
    broken.mkdir()
    for folder in functions.iterdir():
        (broken / folder.name).symlink_to(folder)
    (broken / "answer").unlink()
    (broken / "answer").mkdir()
    (broken / "answer" / "main.py").write_text(
        "import os\nos.register_at_fork(after_in_child=lambda: os._exit(3))\ndef answer(request):\n    return ''\n"
    )
    with pytest.raises(StartFailed, match="does not start"):
        stack.start(data_dir=tmp_path / "data", functions=broken, settings={"REDIS_URL": redis_url})


def test_a_taken_port_is_named(functions: Path, tmp_path: Path) -> None:
    """A stack whose port is taken does not start, and says how to choose another."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(StartFailed, match=f"port {port} is taken"):
            stack.start(data_dir=tmp_path / "data", functions=functions, port=port)


def test_runs_in_a_terminal_until_interrupted(functions: Path, tmp_path: Path) -> None:
    """`python -m local run` says where it runs, and a Ctrl-C ends it and all it started, without an error."""
    environment = {**os.environ, "SIGHT_DATA_DIR": str(tmp_path / "data"), "SIGHT_PORT": "0"}
    program = [sys.executable, "-m", "local", "run", f"--functions={functions}"]
    with subprocess.Popen(program, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        welcome = process.stdout.readline()
        assert "Sight runs at http://127.0.0.1:" in welcome
        pids = json.loads((tmp_path / "data" / "stack.json").read_text())["processes"].values()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
    assert not any(alive(pid) for pid in pids)
