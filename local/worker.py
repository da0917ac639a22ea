"""Brings messages from the embedded bus to the functions, as Pub/Sub's pushes do, inside one process."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from common.bus.embedded import MAX_LEASE_SECONDS, EmbeddedBus, Received
from common.bus.envelope import to_push
from common.bus.port import BusUnavailable
from local.bell import Bell
from local.wsgi import post

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

PACE_SECONDS = 0.01
"""The least time between two visits to the bus, so that what happens meanwhile shares one."""

IDLE_SECONDS = 0.2
"""The longest time between two visits: delayed messages and lost leases ring no bell."""

DOWN_SECONDS = 2.0
"""The longest time between two visits while the bus cannot be reached."""

ACKNOWLEDGING = frozenset({102, 200, 201, 202, 204})
"""The statuses by which a push endpoint acknowledges; https://cloud.google.com/pubsub/docs/push#receive_push"""

log = structlog.get_logger()


@dataclass(slots=True)
class _Lease:
    received: Received
    since: float
    renew_at: float


@dataclass(slots=True)
class _Settled:
    done: list[Received] = field(default_factory=list)
    failed: list[Received] = field(default_factory=list)


class Worker:
    """Handles up to `threads` messages at once.

    `apps` has the function of each subscription by the subscription's name. A message is acknowledged when
    its function answers 2xx and comes again after a backoff otherwise. No more is claimed than there are
    free threads for, so that other workers find what this one cannot begin. A lease is renewed while its
    function works, for ten minutes at most. What a predecessor of the same name held when it died is handed
    back first, and so is, when the bus was lost, what it leased to this worker in a reply that never came.
    """

    def __init__(
        self, bus: EmbeddedBus, apps: Mapping[str, WSGIApplication], *, name: str, threads: int, bell: Bell
    ) -> None:
        self._bus = bus
        self._apps = apps
        self._name = name
        self._threads = threads
        self._bell = bell
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="message")
        self._lock = threading.Lock()
        self._settled = _Settled()
        self._leases: dict[tuple[int, int], _Lease] = {}
        self._saturated = False
        self._sure = False  # whether the bus holds nothing as leased to this worker but what it knows of
        self._stopping = threading.Event()

    def run(self) -> None:
        """Works until `stop`, then finishes what is under way, however long that takes."""
        pause = 0.0
        while not self._stopping.is_set():
            self._bell.wait(pause)
            if self._stopping.is_set():
                break
            pause = self._visit_safely(pause)
            time.sleep(PACE_SECONDS)
        self._drain()

    def hand_back(self) -> None:
        """Has other workers receive at once what this one has not finished. Raises `BusUnavailable`."""
        self._bus.release(self._name)

    def stop(self) -> None:
        """Has `run` end. Safe in a signal handler."""
        self._stopping.set()
        self._bell.ring()

    def _visit_safely(self, pause: float) -> float:
        """Visits the bus and returns for how long to wait for a ring before the next visit."""
        try:
            claimed = self._visit()
        except BusUnavailable as error:
            if pause <= IDLE_SECONDS:
                log.warning("bus_lost", worker=self._name, detail=error.detail)
            return min(max(pause, IDLE_SECONDS) * 2, DOWN_SECONDS)
        if pause > IDLE_SECONDS:
            log.info("bus_found", worker=self._name)
        if claimed:
            return PACE_SECONDS
        return min(max(pause, PACE_SECONDS) * 2, IDLE_SECONDS)

    def _visit(self) -> int:
        settled = self._take_settled()
        try:
            self._make_sure(settled)
            self._refuse(settled.failed)
            settled.failed.clear()
            free = 0 if self._stopping.is_set() else self._threads - len(self._leases)
            if free:
                received = self._bus.receive(free, owner=self._name, done=settled.done)
            else:
                self._bus.ack(settled.done)
                received = []
        except BusUnavailable:
            self._put_back(settled)
            self._sure = False
            raise
        self._saturated = len(received) == free
        now = time.monotonic()
        for one in received:
            self._begin(one, now)
        self._renew(now)
        return len(received)

    def _make_sure(self, settled: _Settled) -> None:
        if not self._sure:
            with self._lock:
                working = [lease.received for lease in self._leases.values()]
                unsettled = self._settled.done + self._settled.failed
            self._bus.release(self._name, keeping=working + unsettled + settled.done + settled.failed)
            self._sure = True

    def _begin(self, received: Received, now: float) -> None:
        renew_at = now + self._bus.ack_deadline(received) / 2
        with self._lock:
            self._leases[received.id, received.delivery.attempt] = _Lease(received, now, renew_at)
        self._pool.submit(self._handle, received)

    def _handle(self, received: Received) -> None:
        delivery = received.delivery
        try:
            acknowledged = post(self._apps[delivery.subscription], to_push(delivery)) in ACKNOWLEDGING
        except Exception:
            log.exception("function_failed", subscription=delivery.subscription, message_id=delivery.message_id)
            acknowledged = False
        with self._lock:
            self._leases.pop((received.id, delivery.attempt))
            (self._settled.done if acknowledged else self._settled.failed).append(received)
        if self._saturated:
            self._bell.ring()

    def _renew(self, now: float) -> None:
        with self._lock:
            leases = list(self._leases.values())
        due = [lease for lease in leases if lease.renew_at <= now < lease.since + MAX_LEASE_SECONDS]
        self._bus.extend(lease.received for lease in due)
        for lease in due:
            lease.renew_at = now + self._bus.ack_deadline(lease.received) / 2

    def _refuse(self, failed: list[Received]) -> None:
        if self._stopping.is_set():
            self._bus.postpone(failed, seconds=0.0)  # others may try at once: most was refused for our end
        else:
            self._bus.nack(failed)

    def _take_settled(self) -> _Settled:
        with self._lock:
            settled, self._settled = self._settled, _Settled()
        return settled

    def _put_back(self, settled: _Settled) -> None:
        with self._lock:
            self._settled.done += settled.done
            self._settled.failed += settled.failed

    def _drain(self) -> None:
        try:
            under_way = True
            while under_way:
                under_way = bool(self._leases)  # before what is settled, so that nothing settles unseen
                self._settle()
                time.sleep(PACE_SECONDS)
        except BusUnavailable as error:
            log.warning("bus_lost", worker=self._name, detail=error.detail)
        self._pool.shutdown(wait=False)

    def _settle(self) -> None:
        settled = self._take_settled()
        self._bus.ack(settled.done)
        self._refuse(settled.failed)
        self._renew(time.monotonic())
