"""Picks how the database is reached."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from common.settings import Misconfigured, Settings

if TYPE_CHECKING:
    from google.cloud.sql.connector import Connector
    from sqlalchemy import Engine


@dataclass(frozen=True)
class Databases:
    """Connects to the one database, for each purpose with a pool of its own. What it opens `closing` closes."""

    settings: Settings
    closing: ExitStack

    @property
    def any(self) -> bool:
        """Whether settings name a database."""
        return bool(self.settings.cloud_sql_instance or self.settings.database_url)

    def connect(self, *, timeout_seconds: float | None = None, pool_size: int | None = None) -> Engine:
        """A pool of connections, none open yet. Raises `Misconfigured`."""
        from common.database.engine import connect, connect_cloud_sql

        s = self.settings
        if s.cloud_sql_instance:
            engine = connect_cloud_sql(
                s.cloud_sql_instance,
                user=s.database_user,
                database=s.database_name,
                pool_size=pool_size or s.database_pool_size,
                connector=self._connector,
                timeout_seconds=timeout_seconds,
            )
        elif s.database_url is not None:
            url = s.database_url.get_secret_value()
            engine = connect(url, pool_size=pool_size or s.database_pool_size, timeout_seconds=timeout_seconds)
        else:
            raise Misconfigured("set DATABASE_URL or SIGHT_CLOUD_SQL_INSTANCE, or start the whole stack: make run")
        self.closing.callback(engine.dispose)
        return engine

    @cached_property
    def _connector(self) -> Connector:
        from common.database.engine import cloud_sql_connector

        return cloud_sql_connector(self.closing)
