"""Connections to a real server."""

from __future__ import annotations

from typing import Any

import pg8000.dbapi
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, StatementError

from common.database import engine as engines
from common.database.engine import connect, connect_cloud_sql


def backend(engine: Engine) -> int:
    """The server process behind the next connection of the pool."""
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())


def end(pid: int, other: Engine) -> None:
    """Has the server end a connection."""
    with other.connect() as connection:
        assert connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid}).scalar_one()


def test_a_socket_folder_is_a_host(empty_database_url: str) -> None:
    """The folder in `?host=` is where the socket is, whatever the port in the URL, and the program has a name."""
    url = make_url(empty_database_url)
    assert str(url.query["host"]).startswith("/")
    engine = connect(empty_database_url, pool_size=1, application_name="sight-test")
    with engine.connect() as connection:
        row = connection.execute(
            text("SELECT current_database(), inet_server_addr(), current_setting('application_name')")
        ).one()
    assert tuple(row) == (url.database, None, "sight-test")
    engine.dispose()


def test_a_url_with_a_host_name_stays_a_tcp_url() -> None:
    """Only a folder is turned into a socket."""
    engine = connect("postgresql://u:p@db.example:6543/sight", pool_size=1)
    assert (engine.url.host, engine.url.port, engine.url.drivername) == ("db.example", 6543, "postgresql+pg8000")
    assert "unix_sock" not in engine.url.query
    engine.dispose()


class Connector:
    """Connects to a local server as the Cloud SQL connector does to one of its instances."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)

    def connect(self, instance: str, driver: str, *, user: str, db: str, enable_iam_auth: bool) -> Any:
        """A connection of the driver."""
        assert (instance, driver, enable_iam_auth) == ("project:region:instance", "pg8000", True)
        socket = f"{self.url.query['host']}/.s.PGSQL.5432"
        return pg8000.dbapi.connect(user, database=db, unix_sock=socket)


@pytest.mark.parametrize("limit", [None, 3.0])
def test_answers_of_cloud_sql_may_have_a_time_limit(empty_database_url: str, limit: float | None) -> None:
    """The limit holds for what is asked later as well, which the connector's own does not."""
    connector: Any = Connector(empty_database_url)
    engine = connect_cloud_sql(
        "project:region:instance",
        user="postgres",
        database=str(connector.url.database),
        connector=connector,
        timeout_seconds=limit,
    )
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
        driver: Any = connection.connection.driver_connection
        assert driver._usock.gettimeout() == limit
    engine.dispose()


def test_a_connection_that_rested_is_tested_before_use(
    empty_engine: Engine, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that died while it rested is replaced without an error; one just used is trusted, and its loss shown."""
    engine = connect(empty_database_url, pool_size=1)
    first = backend(engine)
    end(first, empty_engine)
    monkeypatch.setattr(engines, "RESTED_SECONDS", 0.0)
    second = backend(engine)
    assert second != first
    end(second, empty_engine)
    monkeypatch.setattr(engines, "RESTED_SECONDS", 3600.0)
    with pytest.raises(DBAPIError) as lost:
        backend(engine)
    assert lost.value.connection_invalidated
    assert backend(engine) not in (first, second)
    engine.dispose()


def test_a_test_leaves_no_transaction_open(empty_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a rested connection was tested its user begins with a clean one."""
    backend(empty_engine)
    monkeypatch.setattr(engines, "RESTED_SECONDS", 0.0)
    with empty_engine.begin() as connection:
        connection.execute(text("CREATE TABLE notes (body text)"))
    with empty_engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM notes")).scalar() == 0


def test_a_value_that_cannot_be_sent_costs_its_connection(empty_database_url: str) -> None:
    """The driver gives up between two messages: nobody may get the answer that is still on its way."""
    engine = connect(empty_database_url, pool_size=1)
    first = backend(engine)
    with engine.connect() as connection:
        with pytest.raises(UnicodeEncodeError):
            connection.execute(text("SELECT :value || '1'"), {"value": "\ud800"})
    assert backend(engine) != first
    engine.dispose()


def test_a_failed_statement_keeps_its_connection(empty_database_url: str) -> None:
    """An error that the server reports is the end of the exchange, and no reason to connect anew."""
    engine = connect(empty_database_url, pool_size=1)
    first = backend(engine)
    for statement in ("SELECT 1 / 0", "SELECT nothing", "SELECT :missing"):
        with engine.connect() as connection:
            with pytest.raises(StatementError):
                connection.execute(text(statement))
    assert backend(engine) == first
    engine.dispose()
