"""The servers a stack runs for itself, and the environment that tells the functions where they are."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from local import emulator, postgres, redis
from local.emulator import Emulator
from local.processes import StartFailed, alive

if TYPE_CHECKING:
    from common.settings import Settings

PAUSE_SECONDS = 1.0
"""The least time between two tries to bring a server back."""

log = structlog.get_logger()


@dataclass(slots=True)
class Servers:
    """Postgres and Redis where the settings name none, and the Pub/Sub emulator where Pub/Sub carries the events
    and none is named. All end with the thread that starts them."""

    settings: Settings
    data_dir: Path
    logs: Path
    database_url: str = ""
    redis_url: str = ""
    _emulator: Emulator | None = None
    _mended_at: float = field(default=0.0)

    def start(self) -> dict[str, str]:
        """Starts them and returns the environment that names them. Raises `StartFailed`."""
        s = self.settings
        self.database_url = s.database_url.get_secret_value() if s.database_url else self._start_postgres()
        self.redis_url = s.redis_url.get_secret_value() if s.redis_url else self._start_redis()
        environment = {"DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url}
        if s.bus == "pubsub":
            environment["PUBSUB_EMULATOR_HOST"] = s.pubsub_emulator_host or self._start_emulator()
        return environment

    def mend(self) -> bool:
        """Starts again those that have died; whether there was any. Raises `StartFailed` when the emulator has
        died, since the topics and messages went with it."""
        if self._emulator is not None and not alive(self._emulator.pid):
            raise StartFailed("the Pub/Sub emulator has ended")
        down = [name for name, pid in self._own_pids().items() if pid is None]
        if not down or time.monotonic() < self._mended_at + PAUSE_SECONDS:
            return False
        self._mended_at = time.monotonic()
        for name in down:
            log.warning("server_ended", server=name)
            try:
                self._start_postgres() if name == "postgres" else self._start_redis()
            except StartFailed as error:
                log.error("server_does_not_start", server=name, detail=str(error))
        return True

    def pids(self) -> dict[str, int]:
        """The process ids of those that run."""
        emulators = {} if self._emulator is None else {"emulator": self._emulator.pid}
        return {name: pid for name, pid in self._own_pids().items() if pid is not None} | emulators

    def stop(self) -> None:
        """Ends them."""
        if self._emulator is not None:
            emulator.stop(self._emulator)
        if not self.settings.redis_url:
            redis.stop(self.data_dir / "redis")
        if not self.settings.database_url:
            postgres.stop(self.data_dir / "postgres")

    def _own_pids(self) -> dict[str, int | None]:
        pids: dict[str, int | None] = {}
        if not self.settings.database_url:
            pids["postgres"] = postgres.running(self.data_dir / "postgres")
        if not self.settings.redis_url:
            pids["redis"] = redis.running(self.data_dir / "redis")
        return pids

    def _start_postgres(self) -> str:
        return postgres.start(self.data_dir / "postgres", log=self.logs / "postgres.log")

    def _start_redis(self) -> str:
        return redis.start(self.data_dir / "redis", log=self.logs / "redis.log")

    def _start_emulator(self) -> str:
        self._emulator = emulator.start(self.data_dir / "emulator", log=self.logs / "emulator.log")
        return self._emulator.host
