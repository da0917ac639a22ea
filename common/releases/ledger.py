"""Where a rollback keeps its record: in Postgres, and where that is away on the bus, in memory and by word of mouth.

Nothing here is imported with sqlalchemy in it before it is needed: the rollback's cold start pays for every import.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from common.bus.port import Message as BusMessage
from common.bus.topology import NOTIFICATIONS, RELEASES
from common.errors import SightError, Unavailable
from common.releases.models import History

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Connection, Engine

    from common.bus.port import Bus
    from common.notify.models import Message
    from common.releases.record import Record

DATABASE_SECONDS = 2.5
"""How long Postgres may take to answer at first before it counts as away."""

LOCK_SECONDS = 20.0
LOCK_PAUSE_SECONDS = 0.02

log = structlog.get_logger()


class Busy(Unavailable):
    """Another instance acts on the service right now."""

    code = "service_busy"


class RecordWaiting(Unavailable):
    """What was done could be written down nowhere but in this process's memory."""

    code = "record_waiting"


@dataclass
class Ledger:
    """What keeping records needs. `say` tells people at once and directly, where nothing else would."""

    engine: Callable[[], Engine]
    bus: Callable[[], Bus]
    say: Callable[[Message], None]
    channels: Sequence[str]
    _unwritten: list[Record] = field(default_factory=list)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def opened(self, service: str, region: str, now: datetime) -> Iterator[Page]:
        """The page of a service, while nobody else has it; without that promise where Postgres is away.

        Raises `Busy` when somebody else keeps it, and at its end `RecordWaiting` when it could not be kept.
        """
        page = self._open(service, region, now)
        try:
            yield page
        finally:
            page.close(service, region)
        if page.unwritten is not None:
            self._hand_over(page.unwritten)

    def _open(self, service: str, region: str, now: datetime) -> Page:
        # In a thread of its own, since a Postgres that hangs lets no timeout of ours pass.
        with_limit = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        try:
            opening = with_limit.submit(self._connect)
            connection = opening.result(DATABASE_SECONDS)
        except Late:
            log.warning("ledger_away", error="timeout")
            return Page(self, None, History(known=False))
        except Exception as error:
            log.warning("ledger_away", error=type(error).__name__)
            return Page(self, None, History(known=False))
        finally:
            with_limit.shutdown(wait=False)
        return self._locked(connection, service, region, now)

    def _connect(self) -> Connection:
        from common.releases import store

        connection = self.engine().connect()
        with connection.begin():
            store.ping(connection)
        with self._guard:
            late, self._unwritten = self._unwritten, []
        for number, record in enumerate(late):
            try:
                with connection.begin():
                    told = store.write(connection, record, self.channels)
            except Exception:
                with self._guard:
                    self._unwritten += late[number:]
                raise
            self.announce(told)
        return connection

    def _locked(self, connection: Connection, service: str, region: str, now: datetime) -> Page:
        from common.releases import store

        deadline = time.monotonic() + LOCK_SECONDS
        try:
            while True:
                with connection.begin():
                    if store.try_lock(connection, service, region):
                        return Page(self, connection, store.history(connection, service, region, now))
                if time.monotonic() > deadline:
                    raise Busy(f"another instance acts on {service}", retry_after=5)
                time.sleep(LOCK_PAUSE_SECONDS)
        except SightError:
            connection.close()
            raise
        except Exception as error:
            log.warning("ledger_away", error=type(error).__name__)
            connection.invalidate()
            connection.close()
            return Page(self, None, History(known=False))

    def announce(self, notifications: Sequence[UUID]) -> None:
        """Has notifications sent; where the bus is away, the maintenance sweep will."""
        if not notifications:
            return
        messages = [
            BusMessage(
                json.dumps({"type": "sight.notification.requested.v1", "notification_id": str(id_)}).encode(),
                {"type": "sight.notification.requested.v1"},
            )
            for id_ in notifications
        ]
        try:
            self.bus().publish(NOTIFICATIONS, messages)
        except SightError as error:
            log.warning("bus_unavailable", detail=error.detail, waiting=len(messages))

    def _hand_over(self, record: Record) -> None:
        message = record.message()
        if message is not None:
            try:
                self.say(message)
            except Exception as error:
                log.warning("not_said", error=type(error).__name__, title=message.title)
        event = {"type": "sight.release.recorded.v1", "record": record.as_json()}
        try:
            self.bus().publish(RELEASES, [BusMessage(json.dumps(event).encode(), {"type": str(event["type"])})])
        except Exception as error:
            log.warning("record_in_memory", error=type(error).__name__)
            with self._guard:
                self._unwritten.append(record)
            raise RecordWaiting("neither the database nor the bus took the record; it waits in memory") from error


@dataclass
class Page:
    """What is known of one service, and where its record is written. `unwritten` is what Postgres did not take."""

    ledger: Ledger
    connection: Connection | None
    history: History
    unwritten: Record | None = None

    def earlier(self, record: Record) -> Record | None:
        """What is written of the same incident already."""
        if self.connection is None:
            return None
        from common.releases import store

        try:
            with self.connection.begin():
                return store.load(self.connection, record)
        except Exception as error:
            log.warning("ledger_away", error=type(error).__name__)
            self._lose()
            return None

    def write(self, record: Record) -> None:
        """Writes the record, or keeps it for when there is somewhere to."""
        if self.connection is not None:
            from common.releases import store

            try:
                with self.connection.begin():
                    told = store.write(self.connection, record, self.ledger.channels)
            except Exception as error:
                log.warning("ledger_away", error=type(error).__name__)
                self._lose()
            else:
                self.ledger.announce(told)
                return
        self.unwritten = record

    def close(self, service: str, region: str) -> None:
        """Gives the page to whoever waits for it."""
        if self.connection is None:
            return
        from common.releases import store

        try:
            with self.connection.begin():
                store.unlock(self.connection, service, region)
            self.connection.close()
        except Exception as error:
            log.warning("ledger_away", error=type(error).__name__)
            self._lose()

    def _lose(self) -> None:
        assert self.connection is not None
        try:
            self.connection.invalidate()
            self.connection.close()
        except Exception as error:
            log.warning("ledger_away", error=type(error).__name__)
        self.connection = None
