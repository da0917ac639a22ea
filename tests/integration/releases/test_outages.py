"""Answering alerts while the servers that everything else needs are stopped, hang or come back."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, text

from common import bootstrap
from common.bootstrap import ROLLBACK_DATABASE_SECONDS, Services
from common.bus.envelope import to_push
from common.bus.port import Delivery
from common.bus.topology import RELEASES
from common.cloud_run.port import CloudRunUnavailable
from common.database.engine import connect
from common.database.migrate import upgrade
from common.releases import store
from common.releases.record import Record
from common.settings import Settings
from local import postgres, redis
from tests.fakes.bus import ListBus
from tests.fakes.cloud_run.server import CloudRunServer
from tests.fakes.cloud_run.world import World
from tests.fixtures.api import serve
from tests.integration.releases.conftest import BAD, GOOD, REGION, RELEASED, Watch, deploy_bad, notification


class Server:
    """A Postgres that a test may stop."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.url = postgres.start(data_dir, durable=False)
        self.pids: list[int] = []

    def stop(self) -> None:
        """Ends it."""
        postgres.stop(self.data_dir)

    def start(self) -> None:
        """Starts it unless it runs."""
        if postgres.running(self.data_dir) is None:
            postgres.start(self.data_dir, durable=False)

    def hang(self) -> None:
        """Has it take connections and never answer, those that are open as well."""
        pid = postgres.running(self.data_dir)
        assert pid is not None
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        self.pids = [pid, *map(int, children)]
        for each in self.pids:
            os.kill(each, signal.SIGSTOP)

    def wake(self) -> None:
        """Ends the hanging."""
        for each in self.pids:
            os.kill(each, signal.SIGCONT)
        self.pids = []


@pytest.fixture(scope="module")
def own_server() -> Iterator[Server]:
    """A migrated server of this module."""
    with TemporaryDirectory(prefix="sight-test-") as folder:  # pytest shuts its own to the user Postgres runs as
        server = Server(Path(folder) / "data")
        engine = connect(server.url)
        upgrade(engine)
        engine.dispose()
        yield server
        server.stop()


@pytest.fixture
def server(own_server: Server) -> Iterator[Server]:
    """That server, running and without releases."""
    own_server.start()
    engine = connect(own_server.url)
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE incidents, releases, traffic_changes, release_events, notifications CASCADE"))
    engine.dispose()
    yield own_server
    own_server.wake()
    own_server.start()


@pytest.fixture
def doomed(server: Server, cloud_run_server: CloudRunServer, world: World) -> Iterator[Watch]:
    """The watch on a database that a test may take away."""
    engine = connect(server.url, timeout_seconds=ROLLBACK_DATABASE_SECONDS, pool_size=5)
    deploy_bad(engine, world)
    world.set_traffic("api", RELEASED)
    watch = Watch(engine, cloud_run_server, world, ListBus())
    watch.requests()
    yield watch
    engine.dispose()


def events(watch: Watch) -> list[Record]:
    """The records that were published, read as their consumer does."""
    return [Record.from_json(json.loads(data)["record"]) for data in watch.bus.take(RELEASES)]


@pytest.mark.parametrize("fault", [Server.stop, Server.hang])
def test_a_database_that_is_gone_or_hangs_costs_two_seconds_and_no_rollback(
    doomed: Watch, server: Server, fault: Callable[[Server], None]
) -> None:
    """The traffic moves, people are told, and the record is written when it can be: once."""
    fault(server)
    decision = doomed.answer(notification())
    assert (decision.action, decision.target) == ("roll_back", GOOD)
    assert doomed.serving() == {GOOD: 100}
    assert [message.title for message in doomed.said] == [f"api: rolled back to {GOOD}"]
    server.wake()
    server.start()
    (record,) = events(doomed)
    doomed.engine.dispose()
    for _ in range(2):
        with doomed.engine.begin() as connection:
            store.write(connection, record, ("log",))
    assert doomed.sql("SELECT action, target FROM incidents") == [("roll_back", GOOD)]
    assert doomed.sql("SELECT state FROM traffic_changes") == [("verified",)]
    assert doomed.sql("SELECT revision FROM releases WHERE state = 'failed'") == [(BAD,)]
    assert doomed.answer(notification()).code == "already_acted"
    assert len(doomed.world.patches) == 1


@pytest.mark.parametrize("fault", [Server.stop, Server.hang])
def test_a_database_lost_while_the_traffic_moves_learns_how_it_ended(
    doomed: Watch, server: Server, fault: Callable[[Server], None]
) -> None:
    """What was asked for is written, how it ended is published."""
    instance = doomed.rollback()
    move = instance.cloud_run.move

    def lose_and_move(*arguments: object, **options: object) -> object:
        fault(server)
        return move(*arguments, **options)  # type: ignore[arg-type]

    instance.cloud_run.move = lose_and_move  # type: ignore[method-assign, assignment]
    assert instance.answer(notification()).action == "roll_back"
    server.wake()
    server.start()
    doomed.engine.dispose()
    assert doomed.sql("SELECT state FROM traffic_changes") == [("asked",)]
    (record,) = events(doomed)
    with doomed.engine.begin() as connection:
        store.write(connection, record, ("log",))
    assert doomed.sql("SELECT state FROM traffic_changes") == [("verified",)]


def test_a_process_remembers_what_nobody_took_and_writes_it_when_the_database_is_back(
    doomed: Watch, server: Server
) -> None:
    """While there is neither database nor bus every alert asks to come again, and none moves traffic twice."""
    server.stop()
    doomed.bus.broken = True
    instance = doomed.rollback()
    for _ in range(3):
        with pytest.raises(Exception, match="memory"):
            instance.answer(notification())
    with pytest.raises(Exception, match="memory"):
        instance.answer(notification("i2", revision=None))
    assert doomed.serving() == {GOOD: 100}
    assert [message.title for message in doomed.said] == [f"api: rolled back to {GOOD}"]
    server.start()
    assert instance.answer(notification()).code == "already_acted"
    assert doomed.sql("SELECT incident_id, action FROM incidents ORDER BY 1") == [("i1", "roll_back"), ("i2", "none")]
    assert doomed.sql("SELECT state FROM traffic_changes") == [("verified",)]
    assert len(doomed.world.patches) == 1


@pytest.mark.parametrize("ready", [True, False])
def test_another_process_without_database_finds_that_the_work_is_done(
    doomed: Watch, server: Server, ready: bool
) -> None:
    """The tags in Cloud Run say which revision failed, also where it crashes and can have none itself, and its last
    change that it was taken back just now."""
    doomed.world.become("api", BAD, ready=ready)
    server.stop()
    assert doomed.answer(notification()).action == "roll_back"
    assert doomed.answer(notification()).code == "already_rolled_back"
    assert doomed.answer(notification("i2", revision=None)).code == "already_rolled_back"
    assert doomed.answer(notification("i3", revision=GOOD)).code == "cooling_down"
    assert doomed.serving() == {GOOD: 100}
    assert len(doomed.world.patches) == 1


def test_what_only_the_tags_remember_is_written_down_by_the_next_process(doomed: Watch, server: Server) -> None:
    """The process that took the revision back is gone with its memory; the mark is for ever all the same."""
    server.stop()
    doomed.bus.broken = True
    with pytest.raises(Exception, match="memory"):
        doomed.answer(notification())
    server.start()
    doomed.bus.broken = False
    assert doomed.answer(notification()).code == "already_rolled_back"
    assert doomed.sql("SELECT revision FROM releases WHERE state = 'failed'") == [(BAD,)]
    assert len(doomed.world.patches) == 1


def test_a_change_begun_without_database_is_finished_by_the_same_process(doomed: Watch, server: Server) -> None:
    """Cloud Run went away in the middle: the alert comes again, and the same change is finished."""
    server.stop()
    doomed.bus.broken = True
    instance = doomed.rollback()
    move = instance.cloud_run.move

    def fail(*_: object, **__: object) -> None:
        raise CloudRunUnavailable("busy")

    instance.cloud_run.move = fail  # type: ignore[method-assign, assignment]
    with pytest.raises(Exception, match="memory"):
        instance.answer(notification())
    instance.cloud_run.move = move  # type: ignore[method-assign]
    server.start()
    assert instance.answer(notification()).action == "roll_back"
    assert doomed.serving() == {GOOD: 100}
    assert doomed.sql("SELECT state FROM traffic_changes") == [("verified",)]


def test_the_function_needs_neither_database_nor_redis_nor_bus(
    doomed: Watch, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is served, with all three stopped: 503 asks for the alert again, and the traffic has moved."""
    redis_url = redis.start(tmp_path / "redis")
    redis.stop(tmp_path / "redis")
    server.stop()
    services = Services(
        Settings(
            _env_file=None,
            DATABASE_URL=SecretStr(server.url),
            REDIS_URL=SecretStr(redis_url),
            cloud_run_endpoint=doomed.server.url,
            monitoring_endpoint=doomed.server.url,
            release_policies={"api": {}},
        )
    )
    monkeypatch.setattr(bootstrap, "services", lambda: services)
    client = serve("rollback").test_client()
    body = to_push(Delivery("1", "sight-alerts-rollback", notification(), {}))
    assert client.post("/", data=body).status_code == 503
    assert doomed.serving() == {GOOD: 100}
    server.start()
    doomed.engine.dispose()
    assert client.post("/", data=body).status_code == 204
    assert doomed.sql("SELECT state FROM traffic_changes WHERE service = 'api' AND region = :r", r=REGION) == [
        ("verified",)
    ]
    services.close()


def test_no_connection_outlives_its_alert(watch: Watch) -> None:
    """Neither locks nor connections are left, whatever the answers were."""
    for data in (notification(), notification(), notification("i2", version="test"), b"nonsense"):
        watch.answer(data)
    held = watch.sql("""
        SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database
        WHERE l.locktype = 'advisory' AND d.datname = current_database()
    """)
    assert held == []
    assert isinstance(watch.engine, Engine)
    assert watch.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


def test_a_database_that_was_restarted_is_not_taken_for_one_that_is_away(doomed: Watch, server: Server) -> None:
    """The connections it had are dead, and new ones are not."""
    assert doomed.answer(notification("i1", version="test")).code == "unknown_version"
    server.stop()
    server.start()
    assert doomed.answer(notification("i2")).action == "roll_back"
    assert events(doomed) == []
    assert doomed.sql("SELECT state FROM traffic_changes") == [("verified",)]
