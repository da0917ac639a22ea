"""How fast a rollback is, against a fake Cloud Run without latency: warm on a running stack, and cold from nothing."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import quantiles

from sqlalchemy import Engine, text

from common.bus.embedded import EmbeddedBus
from common.bus.envelope import to_push
from common.bus.port import Delivery, Message
from common.bus.topology import ALERTS
from common.database.engine import connect
from local.bench.figures import Figure
from local.processes import free_port
from local.stack import ROOT, Stack, start
from tests.fakes.cloud_run.notifications import notification
from tests.fakes.cloud_run.server import CloudRunServer
from tests.fakes.cloud_run.world import NAMED, World
from tests.fakes.issuer import Issuer, issuing

WARM_TIMES = 40
COLD_TIMES = 10
GIVE_UP_SECONDS = 30.0
REGION = "europe-central2"
GOOD, BAD = "api-00001", "api-00002"


def warm() -> Iterable[Figure]:
    """From an alert published to the traffic verified, on a running stack, one alert at a time."""
    with _stack(WARM_TIMES + 1) as (stack, server):
        engine = connect(stack.database_url)
        bus = EmbeddedBus(engine)
        seconds = []
        for number in range(WARM_TIMES + 1):
            service = _service(server.world, number)
            began = time.time()
            bus.publish(ALERTS, [Message(notification(f"i{number}", service=service, revision=BAD))])
            seconds.append(_verified(engine, service) - began)
        engine.dispose()
    cuts = quantiles(seconds[1:], n=100, method="inclusive")
    case = "rollback, warm"
    yield Figure(case, "alerts", WARM_TIMES, "")
    yield Figure(case, "alert published to traffic verified, p50", cuts[49], "s")
    yield Figure(case, "alert published to traffic verified, p95", cuts[94], "s", 1.0)


def cold() -> Iterable[Figure]:
    """From the start of a process of the function to the traffic shifted, with a push that has to be proved."""
    with issuing() as issuer, _stack(COLD_TIMES) as (stack, server):
        seconds = [_cold_start(stack, server, issuer, number) for number in range(COLD_TIMES)]
    cuts = quantiles(seconds, n=100, method="inclusive")
    case = "rollback, cold"
    yield Figure(case, "starts", COLD_TIMES, "")
    yield Figure(case, "process start to traffic shifted, p50", cuts[49], "s")
    yield Figure(case, "process start to traffic shifted, max", max(seconds), "s", 3.0)


def _cold_start(stack: Stack, server: CloudRunServer, issuer: Issuer, number: int) -> float:
    service, port = _service(server.world, number), free_port()
    environment = {
        # A container has its bytecode with it; without, every start would compile all of Sight.
        **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        **_settings(server.url, COLD_TIMES),
        **issuer.settings(),
        "FUNCTION_TARGET": "rollback",
        "PORT": str(port),
        "DATABASE_URL": stack.database_url,
        "REDIS_URL": stack.redis_url,
    }
    alert = notification(f"c{number}", service=service, revision=BAD)
    body, token = to_push(Delivery("m1", "sight-alerts-rollback", alert, {})), issuer.token()
    began = time.time()
    process = subprocess.Popen([sys.executable, "-m", "functions.serve"], cwd=ROOT, env=environment)
    try:
        _post(port, body, token)
        return float(next(patch["at"] for patch in server.world.patches if patch["service"] == service)) - began
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)


def _post(port: int, body: bytes, token: str) -> None:
    """Posts as soon as somebody listens, as Cloud Run holds a request until the container does."""
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=GIVE_UP_SECONDS)
        try:
            connection.request("POST", "/", body, {"Authorization": f"Bearer {token}"})
            response = connection.getresponse()
            if response.status != 204:
                raise RuntimeError(f"the rollback answered {response.status}")
            return
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)
        finally:
            connection.close()


def _verified(engine: Engine, service: str) -> float:
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while time.monotonic() < deadline:
        with engine.connect() as connection:
            at = connection.execute(
                text("SELECT at FROM release_events WHERE service = :service AND type = 'shifted'"),
                {"service": service},
            ).scalar_one_or_none()
        if at is not None:
            return float(at.timestamp())
        time.sleep(0.02)
    raise RuntimeError(f"the traffic of {service} was not shifted")


def _service(world: World, number: int) -> str:
    name, now = f"api-{number}", time.time()
    world.deploy(name, GOOD, created=now - 7200)
    world.deploy(name, BAD, created=now - 300, no_traffic=True)
    world.set_traffic(
        name,
        [{"type": NAMED, "revision": BAD, "percent": 100}, {"type": NAMED, "revision": GOOD, "tag": "stable"}],
    )
    # The address of the tag leads nowhere: what asking there takes is the other revision's, not ours.
    world.services[REGION, name].revisions[GOOD].address = "http://127.0.0.1:9"
    world.set_traffic(name, world.services[REGION, name].traffic)
    with world.lock:
        world.samples += [(now, name, REGION, BAD, 500, 20.0)] * 100
    return name


def _settings(url: str, services: int) -> dict[str, str]:
    return {
        "SIGHT_LLM": "simulated",
        "SIGHT_LOG_LEVEL": "ERROR",
        "SIGHT_CLOUD_RUN_ENDPOINT": url,
        "SIGHT_MONITORING_ENDPOINT": url,
        "SIGHT_RELEASE_POLICIES": json.dumps({f"api-{number}": {} for number in range(services)}),
    }


@contextmanager
def _stack(services: int) -> Iterator[tuple[Stack, CloudRunServer]]:
    server = CloudRunServer()
    try:
        with tempfile.TemporaryDirectory(prefix="sight-bench-") as folder:
            with start(data_dir=Path(folder), settings=_settings(server.url, services)) as stack:
                yield stack, server
    finally:
        server.close()
