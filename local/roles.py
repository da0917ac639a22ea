"""What each process of the stack does once it is forked."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import DBAPIError

from common.bus import wake
from common.bus.embedded import EmbeddedBus
from common.bus.topology import SUBSCRIPTIONS
from common.database.engine import connect
from common.events.outbox import Relay
from common.jobs import leases, sweep
from common.shutdown import PROCESS
from functions import process
from local import gateway, schedule
from local.bell import Bell, ring_all
from local.cloud_tasks import TaskServer
from local.functions import API, MAINTENANCE, ROLLBACK
from local.processes import work_behind
from local.worker import Worker

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from common.settings import Settings

log = structlog.get_logger()

COLLECT_AFTER = 20_000
"""Objects made before the collector looks for cycles. A message makes thousands and leaves none."""

STREAM_THREADS = 32
"""Threads of the gateway beyond those that events and requests need: each open event stream holds one."""

Apps = Mapping[str, "WSGIApplication"]


def run_gateway(apps: Apps, settings: Settings, *, listener: int, bells: Sequence[Bell]) -> None:
    """Serves the API with what engineers ask for, and the functions to Pub/Sub when that carries the events."""
    wake.listen(lambda: ring_all(bells))
    threads = settings.worker_threads + STREAM_THREADS
    pushed = settings.bus == "pubsub"
    app = gateway.route(apps[API], apps if pushed else {}, rollback=apps[ROLLBACK])
    gateway.serve(app, listener=listener, processes=settings.workers if pushed else 1, threads=threads)


def run_worker(apps: Apps, settings: Settings, *, number: int, database_url: str, bells: Sequence[Bell]) -> None:
    """Brings messages from the embedded bus to the functions. The first worker keeps the schedule as well."""
    work_behind()
    gc.set_threshold(COLLECT_AFTER)
    wake.listen(lambda: ring_all(bells))
    name = worker_name(number)
    engine = connect(database_url, pool_size=1, application_name=f"sight-{name}")
    bus = EmbeddedBus(engine)
    relay = Relay(engine, bus, bus.publish_along)
    worker = Worker(
        bus,
        {subscription.name: apps[subscription.function] for subscription in SUBSCRIPTIONS},
        name=name,
        threads=settings.worker_threads,
        bell=bells[number],
    )

    def stop(*_: object) -> None:
        PROCESS.begin()
        worker.stop()

    def hand_over() -> None:
        sweep.give_up(engine, relay, leases.owner(), counted=False)
        worker.hand_back()

    signal.signal(signal.SIGTERM, stop)
    leases.owner(name)
    try:
        sweep.give_up(engine, relay, leases.owner(), counted=True)
    except DBAPIError as error:
        log.warning("leases_kept", error=type(error).__name__)
    process.attend(hand_over)
    if number == 0:
        schedule.start(apps[MAINTENANCE])
    worker.run()
    engine.dispose()
    process.finish()


def run_scheduler(apps: Apps, *, tasks_port: int) -> None:
    """Keeps the schedule and stands in for Cloud Tasks, where Pub/Sub carries the events."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    tasks = TaskServer(tasks_port)
    schedule.start(apps[MAINTENANCE])
    ended.wait()
    tasks.close()
    process.finish()


def worker_name(number: int) -> str:
    """The name of a worker process, under which it also owns its leases."""
    return f"worker-{number}"
