"""Both buses behind one face: publish here, see what arrives at the endpoints there."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, cast

import pytest

from common.bus import wake
from common.bus.embedded import EmbeddedBus
from common.bus.embedded_schema import ensure_schema
from common.bus.envelope import parse_push
from common.bus.port import Bus, Delivery
from common.bus.pubsub import PubSubBus
from common.bus.pubsub_admin import ensure_topology
from common.bus.topology import Subscription
from common.tasks.cloud_tasks import CloudTasks
from local.bell import Bell, ring_all
from local.cloud_tasks import TaskServer
from local.worker import Worker

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from sqlalchemy import Engine

WORK = "contract-work"
DEAD = "contract-dead"
UNHEARD = "contract-unheard"
MAX_ATTEMPTS = 5
SUBSCRIPTIONS = (
    Subscription(
        "contract-work-sub",
        WORK,
        "work",
        ack_deadline=10,
        max_attempts=MAX_ATTEMPTS,
        min_backoff=0.1,
        max_backoff=0.3,
        dead_letter_topic=DEAD,
    ),
    Subscription("contract-dead-sub", DEAD, "dead", ack_deadline=10, dead_letter_topic=None),
)


@dataclass
class Endpoint:
    """A function's endpoint: keeps every delivery with its arrival, and answers as the test says."""

    answer: Callable[[Delivery], int] = lambda delivery: 204
    deliveries: list[Delivery] = field(default_factory=list)
    arrivals: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def receive(self, body: bytes) -> int:
        """Takes one push request's body and returns the status to answer."""
        delivery = parse_push(body)
        with self.lock:
            self.deliveries.append(delivery)
            self.arrivals.append(time.time())
        return self.answer(delivery)

    def data(self) -> list[bytes]:
        """What arrived, in order of arrival."""
        with self.lock:
            return [delivery.data for delivery in self.deliveries]


@dataclass(frozen=True)
class Harness:
    """One bus with its endpoints, and what the emulator does not do."""

    bus: Bus
    work: Endpoint
    dead: Endpoint
    tells_attempts: bool = True
    tells_ordering_key: bool = True
    pushes_side_by_side: bool = True


@pytest.fixture(params=["embedded", "pubsub"])
def harness(request: pytest.FixtureRequest) -> Iterator[Harness]:
    """Each bus in turn."""
    if request.param == "embedded":
        yield from _embedded(request.getfixturevalue("empty_engine"))
    else:
        yield from _pubsub(request.getfixturevalue("pubsub_emulator"))


def _embedded(engine: Engine) -> Iterator[Harness]:
    ensure_schema(engine)
    work, dead = Endpoint(), Endpoint()
    bus = EmbeddedBus(engine, subscriptions=SUBSCRIPTIONS)
    bells = [Bell(), Bell()]
    apps = {"contract-work-sub": _app(work), "contract-dead-sub": _app(dead)}
    workers = [Worker(bus, apps, name=f"worker-{number}", threads=8, bell=bell) for number, bell in enumerate(bells)]
    threads = [threading.Thread(target=worker.run) for worker in workers]
    deaf = wake.listen(lambda: ring_all(bells))
    for thread in threads:
        thread.start()
    yield Harness(bus, work, dead)
    for worker in workers:
        worker.stop()
    for thread in threads:
        thread.join()
    deaf()
    for bell in bells:
        bell.close()


def _pubsub(emulator_host: str) -> Iterator[Harness]:
    work, dead = Endpoint(), Endpoint()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler({"/work": work, "/dead": dead}))
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    tasks = TaskServer()
    project = f"contract-{uuid.uuid4().hex[:12]}"
    base_url = f"http://127.0.0.1:{server.server_port}"
    ensure_topology(
        project=project,
        push_base_url=base_url,
        emulator_host=emulator_host,
        subscriptions=SUBSCRIPTIONS,
        topics=[WORK, DEAD, UNHEARD],
    )
    bus = PubSubBus(
        project=project,
        emulator_host=emulator_host,
        tasks=CloudTasks(project=project, location="here", queue="delayed", endpoint=tasks.url),
        push_base_url=base_url,
        subscriptions=SUBSCRIPTIONS,
    )
    yield Harness(bus, work, dead, tells_attempts=False, tells_ordering_key=False, pushes_side_by_side=False)
    bus.close()
    tasks.close()
    server.shutdown()
    server.server_close()
    serving.join()


def _app(endpoint: Endpoint) -> WSGIApplication:
    def app(environ: dict[str, Any], start_response: Callable[[str, list[Any]], object]) -> list[bytes]:
        start_response(f"{endpoint.receive(environ['wsgi.input'].read())} -", [])
        return []

    return cast("WSGIApplication", app)


def _handler(endpoints: dict[str, Endpoint]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 5

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(endpoints[self.path].receive(body))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Writes no access log."""

    return Handler
