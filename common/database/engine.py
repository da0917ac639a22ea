"""Connects to Postgres through pg8000: embedded, by URL, or Cloud SQL with IAM authentication."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import URL, make_url

if TYPE_CHECKING:
    from collections.abc import Callable

POOL_WAIT_SECONDS = 10.0


def connect(url: str, *, pool_size: int = 2, application_name: str = "sight") -> Engine:
    """An engine for a `postgresql://` URL. A socket folder goes in as `?host=/folder`, as libpq writes it.

    The pool holds `pool_size` connections and never more: the database's limit is shared by every
    instance of every function. A connection is tested before use, so that a restarted server costs
    one reconnection and no error.
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
        connect_args={"application_name": application_name, "tcp_keepalive": True},
    )


def connect_cloud_sql(instance: str, *, user: str, database: str, pool_size: int = 2) -> Engine:
    """An engine for Cloud SQL `project:region:instance`, with IAM authentication and lazy refresh:
    a serverless instance has no CPU between requests for a background refresh to run on."""
    from google.cloud.sql.connector import Connector

    connector = Connector(refresh_strategy="LAZY")

    def open_connection() -> Any:
        return connector.connect(instance, "pg8000", user=user, db=database, enable_iam_auth=True)

    return _engine(URL.create("postgresql+pg8000"), pool_size=pool_size, creator=open_connection)


def _engine(
    url: URL,
    *,
    pool_size: int,
    connect_args: dict[str, Any] | None = None,
    creator: Callable[[], Any] | None = None,
) -> Engine:
    options: dict[str, Any] = {"creator": creator} if creator else {"connect_args": connect_args or {}}
    return create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_pre_ping=True,
        pool_timeout=POOL_WAIT_SECONDS,
        **options,
    )
