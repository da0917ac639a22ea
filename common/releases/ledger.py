"""Where a rollback keeps its record: in Postgres, and where that is away on the bus, in memory and by word of mouth.

Nothing here is imported with sqlalchemy in it before it is needed: the rollback's cold start pays for every import.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from common.bus.port import Message as BusMessage
from common.bus.topology import RELEASES
from common.errors import SightError, Unavailable
from common.releases.models import ROLLBACK, History

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Connection, Engine

    from common.bus.port import Bus
    from common.notify.models import Message
    from common.releases.record import Record

DATABASE_SECONDS = 2.0
"""How long Postgres may take to let somebody in before it counts as away."""

LOCK_SECONDS = 20.0
LOCK_PAUSE_SECONDS = 0.02
AT_ONCE = 4
"""Pages that one process has open at once, each with a connection of its own."""

RECORDED = "sight.release.recorded.v1"
"""The event that brings a record which Postgres did not take."""

log = structlog.get_logger()


class Busy(Unavailable):
    """Another alert on the service is being answered right now."""

    code = "service_busy"


class RecordWaiting(Unavailable):
    """What was done could be written down nowhere but in this process's memory."""

    code = "record_waiting"


@dataclass
class Ledger:
    """What keeping records needs. `say` tells people at once and directly, where nothing else would: a message and
    the thread it is of."""

    engine: Callable[[], Engine]
    bus: Callable[[], Bus]
    say: Callable[[Message, str], None]
    channels: Sequence[str]
    _memory: dict[UUID, Record] = field(default_factory=dict)
    """What Postgres did not take, until it does."""
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _slots: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(AT_ONCE))

    @contextmanager
    def opened(self, service: str, region: str, now: datetime, *, incident_id: str = "") -> Iterator[Page]:
        """The page of a service, while nobody else has it; without that promise where Postgres is away.

        Raises `Busy` when somebody else keeps it, and at its end `RecordWaiting` when it could not be kept.
        """
        if not self._slots.acquire(timeout=LOCK_SECONDS):
            raise Busy("too many alerts at once", retry_after=5)
        try:
            page = self._open(service, region, now, incident_id)
            try:
                yield page
            finally:
                page.close(service, region)
                if page.unwritten is not None:
                    self._hand_over(page.unwritten)
        finally:
            self._slots.release()

    def history(self, service: str, region: str, now: datetime) -> History:
        """What is known of a service right now, for looking only."""
        from common.releases import store

        connection = self._within_limit()
        if connection is None:
            return self._remembered(service, region)
        try:
            with connection, connection.begin():
                return store.history(connection, service, region, now)
        except Exception as error:
            _away(error)
            return self._remembered(service, region)

    def unfinished(self, seconds: float) -> list[Record]:
        """The records of changes of traffic asked for so long ago that whoever was to make them has died."""
        from common.releases import store

        connection = self._within_limit()
        if connection is None:
            return []
        with connection, connection.begin():
            return store.unfinished(connection, seconds)

    def _open(self, service: str, region: str, now: datetime, incident_id: str) -> Page:
        connection = self._within_limit()
        if connection is None:
            return Page(self, None, self._remembered(service, region))
        from common.releases import store

        deadline = time.monotonic() + LOCK_SECONDS
        waited = False
        try:
            self._write_late(connection)
            while True:
                with connection.begin():
                    if store.try_lock(connection, service, region):
                        history = store.history(connection, service, region, now, incident_id=incident_id)
                        return Page(self, connection, history, waited=waited)
                if time.monotonic() > deadline:
                    raise Busy(f"another alert on {service} is being answered", retry_after=5)
                waited = True
                time.sleep(LOCK_PAUSE_SECONDS)
        except SightError:
            connection.close()
            raise
        except Exception as error:
            _away(error)
            _drop(connection)
            return Page(self, None, self._remembered(service, region))

    def _within_limit(self) -> Connection | None:
        from common.releases import store

        # In a thread of its own: no timeout of a driver's covers all there is to do before the first answer. What
        # has to be imported is no matter of Postgres.
        engine = self.engine()
        with_limit = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        opening = with_limit.submit(store.enter, engine)
        try:
            return opening.result(DATABASE_SECONDS)
        except Late as error:
            opening.add_done_callback(_close_late)
            _away(error)
        except Exception as error:
            _away(error)
        finally:
            with_limit.shutdown(wait=False)
        return None

    def _write_late(self, connection: Connection) -> None:
        from sqlalchemy.exc import DBAPIError

        from common.database.failures import refuses_data
        from common.releases import store

        with self._guard:
            waiting = dict(self._memory)
        for key, record in waiting.items():
            told: list[UUID] = []
            try:
                with connection.begin():
                    told = store.write(connection, record, self.channels)
            except Exception as error:
                if isinstance(error, DBAPIError) and not refuses_data(error):
                    raise
                log.exception("record_refused", record=record.as_json())  # it would be refused for ever
            with self._guard:
                if self._memory.get(key) is record:
                    del self._memory[key]
            self.announce(told)

    def announce(self, notifications: Sequence[UUID]) -> None:
        """Has notifications sent; where the bus is away, the maintenance sweep will."""
        if not notifications:
            return
        from common.notify.send import offer

        try:
            offer(self.bus(), list(notifications))
        except Exception as error:
            log.warning("bus_unavailable", error=type(error).__name__, waiting=len(notifications))

    def kept(self, record: Record) -> Record | None:
        """What this process remembers of the same incident."""
        with self._guard:
            return self._memory.get(record.id)

    def _remembered(self, service: str, region: str) -> History:
        """What this process itself did while Postgres was away."""
        with self._guard:
            ours = [each for each in self._memory.values() if (each.service, each.region) == (service, region)]
        acted = [each for each in ours if each.change is not None]
        by_hand = [each.shifted_at for each in acted if each.actor != ROLLBACK]
        return History(
            known=False,
            failed=frozenset(each.source for each in acted if each.source),
            acted_on=frozenset(each.incident_id for each in acted),
            rolled_back_at=tuple(each.shifted_at for each in acted if each.actor == ROLLBACK),
            moved_by_hand_at=max(by_hand, default=None),
        )

    def _hand_over(self, record: Record) -> None:
        with self._guard:
            known = self._memory.get(record.id)
            self._memory[record.id] = record
        message = record.message()
        if message is not None and (known is None or known.message() != message):
            try:
                self.say(message, record.thread)
            except Exception as error:
                log.warning("not_said", error=type(error).__name__, title=message.title)
        event = {"id": str(uuid.uuid4()), "type": RECORDED, "record": record.as_json()}
        try:
            self.bus().publish(RELEASES, [BusMessage(json.dumps(event).encode(), {"type": RECORDED})])
        except Exception as error:
            log.warning("record_in_memory", error=type(error).__name__)
            raise RecordWaiting("neither the database nor the bus took the record; it waits in memory") from error


@dataclass
class Page:
    """What is known of one service, and where its record is written. `waited` says that somebody else had it before,
    `unwritten` is what Postgres did not take."""

    ledger: Ledger
    connection: Connection | None
    history: History
    waited: bool = False
    unwritten: Record | None = None
    _to_announce: dict[UUID, None] = field(default_factory=dict)

    def earlier(self, record: Record) -> Record | None:
        """What is written of the same incident already."""
        if self.connection is not None:
            from common.releases import store

            try:
                with self.connection.begin():
                    return store.load(self.connection, record)
            except Exception as error:
                self._lose(error)
        return self.ledger.kept(record)

    def write(self, record: Record) -> None:
        """Writes the record, or keeps it for when there is somewhere to."""
        if self.connection is not None:
            from common.releases import store

            try:
                with self.connection.begin():
                    told = store.write(self.connection, record, self.ledger.channels)
            except Exception as error:
                self._lose(error)
            else:
                self._to_announce |= dict.fromkeys(told)
                return
        self.unwritten = record

    def close(self, service: str, region: str) -> None:
        """Gives the page to whoever waits for it, and has people told: nobody waited for the bus until now."""
        if self.connection is not None:
            from common.releases import store

            try:
                with self.connection.begin():
                    store.unlock(self.connection, service, region)
                self.connection.close()
            except Exception as error:
                self._lose(error)
        self.ledger.announce(list(self._to_announce))

    def _lose(self, error: Exception) -> None:
        _away(error)
        assert self.connection is not None
        _drop(self.connection)
        self.connection = None
        self.history = replace(self.history, known=False)


def _away(error: BaseException) -> None:
    log.warning("ledger_away", error=type(error).__name__, cause=type(error.__cause__).__name__)


def _drop(connection: Connection) -> None:
    try:
        connection.invalidate()
        connection.close()
    except Exception as error:
        _away(error)


def _close_late(opening: Future[Connection]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
