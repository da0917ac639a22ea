"""Connects to Postgres through pg8000: embedded, by URL, or Cloud SQL with IAM authentication."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pg8000.exceptions import Error as DriverError
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DisconnectionError

from common.database.pipelining import pipeline

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from google.cloud.sql.connector import Connector
    from sqlalchemy.engine import ExceptionContext
    from sqlalchemy.pool import ConnectionPoolEntry

POOL_WAIT_SECONDS = 10.0
RESTED_SECONDS = 5.0


def connect(
    url: str, *, pool_size: int = 2, application_name: str = "sight", timeout_seconds: float | None = None
) -> Engine:
    """An engine for a `postgresql://` URL. A socket folder goes in as `?host=/folder`, as libpq writes it.

    The pool holds `pool_size` connections and never more: the database's limit is shared by every
    instance of every function. A connection that has rested is tested before use, so that a restarted
    server costs a reconnection and no error. `timeout_seconds` is how long any answer of the server may take,
    None for however long.
    """
    parsed = make_url(url)
    query = dict(parsed.query)
    host = query.pop("host", None)
    if host is not None:
        query["unix_sock"] = f"{host}/.s.PGSQL.{parsed.port or 5432}"
        parsed = parsed.set(port=None)
    return _engine(
        parsed.set(drivername="postgresql+pg8000", query=query),
        pool_size=pool_size,
        connect_args={"application_name": application_name, "tcp_keepalive": True, "timeout": timeout_seconds},
    )


def connect_cloud_sql(
    instance: str,
    *,
    user: str,
    database: str,
    connector: Connector,
    pool_size: int = 2,
    timeout_seconds: float | None = None,
) -> Engine:
    """An engine for Cloud SQL `project:region:instance`, with IAM authentication. Pool and time limit are as those
    of `connect`."""

    def open_connection() -> Any:
        connection = connector.connect(instance, "pg8000", user=user, db=database, enable_iam_auth=True)
        connection._usock.settimeout(timeout_seconds)  # the connector's own limit ends with connecting
        return connection

    return _engine(URL.create("postgresql+pg8000"), pool_size=pool_size, creator=open_connection)


def cloud_sql_connector(closing: ExitStack) -> Connector:
    """What connects to Cloud SQL, with lazy refresh: a serverless instance has no CPU between requests for a
    background refresh to run on. `closing` ends it."""
    from google.cloud.sql.connector import Connector

    connector = Connector(refresh_strategy="LAZY")
    closing.callback(connector.close)
    return connector


def _engine(
    url: URL,
    *,
    pool_size: int,
    connect_args: dict[str, Any] | None = None,
    creator: Callable[[], Any] | None = None,
) -> Engine:
    options: dict[str, Any] = {"creator": creator} if creator else {"connect_args": connect_args or {}}
    engine = create_engine(url, pool_size=pool_size, max_overflow=0, pool_timeout=POOL_WAIT_SECONDS, **options)
    event.listen(engine, "checkin", _note_use)
    event.listen(engine, "checkout", _test_if_rested)
    event.listen(engine, "handle_error", _drop_if_interrupted)
    pipeline(engine)
    return engine


def autocommit(engine: Engine) -> Connection:
    """A connection on which every statement is its own transaction, without the round trips of BEGIN and COMMIT.

    The driver's own switch is used, since leaving SQLAlchemy's AUTOCOMMIT level costs two more round trips.
    """
    connection = engine.connect()
    driver: Any = connection.connection.driver_connection
    driver.autocommit = True
    return connection


def _note_use(connection: Any, record: ConnectionPoolEntry) -> None:
    record.info["used_at"] = time.monotonic()
    if connection is not None:
        connection.autocommit = False


def _test_if_rested(connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
    # A test before every use (SQLAlchemy's pre-ping) costs two round trips, a third of what an answer needs.
    if time.monotonic() - record.info.get("used_at", time.monotonic()) < RESTED_SECONDS:
        return
    cursor = connection.cursor()
    try:
        cursor.execute("SELECT 1")
        connection.rollback()
    except Exception as error:
        raise DisconnectionError("the connection was lost while it rested") from error
    finally:
        cursor.close()


def _drop_if_interrupted(context: ExceptionContext) -> None:
    # pg8000 binds values between two messages. One that it cannot write, such as a lone surrogate, leaves an
    # answer on its way, which whoever has the connection next would read as theirs.
    if context.execution_context is not None and not isinstance(context.original_exception, DriverError):
        context.is_disconnect = True
        context.invalidate_pool_on_disconnect = False
