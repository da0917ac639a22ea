"""What a drill is played on: a stack of Sight, a fake Cloud Run, a proxy that splits traffic, revisions of the API."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from common.bus.embedded import EmbeddedBus
from common.bus.port import Bus, Message
from common.bus.pubsub import PubSubBus
from common.database.engine import connect
from common.database.migrate import upgrade
from local import emulator, postgres, stack
from local.drill.proxy import Proxy
from local.processes import StartFailed, alive, end, free_port, start, tail
from tests.fakes.cloud_run.server import CloudRunServer
from tests.fakes.cloud_run.world import NAMED, World

START_SECONDS = 60.0
NOWHERE = "postgresql://nobody@127.0.0.1:9/nothing"


@dataclass
class Revision:
    """A running revision of the API."""

    name: str
    address: str
    pid: int
    log: Path


@dataclass
class Stage:
    """All of it, running. `bus` carries alerts and deployments as Pub/Sub would."""

    folder: Path
    world: World
    proxy: Proxy
    bus: Bus
    bus_name: str
    engine: Engine
    api_data: Path
    api_url: str
    redis_url: str
    stable: Revision = field(init=False)

    def publish(self, topic: str, data: bytes) -> None:
        """Publishes one message."""
        self.bus.publish(topic, [Message(data)])

    def start_revision(self, name: str, *, fault: str = "none", database_url: str | None = None) -> Revision:
        """Starts a revision and waits until it answers. Raises `StartFailed`."""
        port, log = free_port(), self.folder / "logs" / f"{name}.log"
        environment = {
            **os.environ,
            "DATABASE_URL": database_url or self.api_url,
            "REDIS_URL": self.redis_url,
            "K_REVISION": name,
            "SIGHT_LLM": "simulated",
            "SIGHT_LOG_LEVEL": "WARNING",
        }
        program = [sys.executable, "-m", "local.drill.revision", "--port", str(port), "--fault", fault]
        pid = start(program, log=log, environment=environment, leashed=True)
        deadline = time.monotonic() + START_SECONDS
        while not _answers(port):
            if not alive(pid) or time.monotonic() > deadline:
                raise StartFailed(f"{name} does not start: {tail(log)}")
            time.sleep(0.1)
        return Revision(name, f"http://127.0.0.1:{port}", pid, log)

    def service(self, name: str) -> None:
        """A service whose stable revision has all the traffic, and has had it for hours."""
        self.world.deploy(name, self.stable.name, address=self.stable.address, created=time.time() - 7200)
        self.world.set_traffic(
            name,
            [
                {"type": NAMED, "revision": self.stable.name, "percent": 100},
                {"type": NAMED, "revision": self.stable.name, "tag": "stable"},
            ],
        )
        self.world.age(name, 3600)

    def lines(self, service: str) -> list[Any]:
        """The timeline of a service as the database has it: `type`, `text` and `at`."""
        with self.engine.connect() as connection:
            return list(
                connection.execute(
                    text("SELECT type, text, at FROM release_events WHERE service = :service ORDER BY at, id"),
                    {"service": service},
                )
            )

    def decision(self, service: str) -> str | None:
        """The code of what was decided on the incident of a service."""
        with self.engine.connect() as connection:
            found = connection.execute(
                text("SELECT code FROM incidents WHERE service = :service AND action IS NOT NULL"), {"service": service}
            ).scalar_one_or_none()
        return None if found is None else str(found)

    def state(self, service: str, revision: str) -> str | None:
        """How far the release of a revision is."""
        with self.engine.connect() as connection:
            found = connection.execute(
                text("SELECT state FROM releases WHERE service = :service AND revision = :revision"),
                {"service": service, "revision": revision},
            ).scalar_one_or_none()
        return None if found is None else str(found)


@contextmanager
def staged(folder: Path, bus_name: str, policies: dict[str, dict[str, Any]]) -> Iterator[Stage]:
    """Starts everything, and ends it. Raises `StartFailed`."""
    with ExitStack() as closing:
        server = CloudRunServer()
        closing.callback(server.close)
        proxy = Proxy(server.world)
        closing.callback(proxy.close)
        settings = {
            "SIGHT_BUS": bus_name,
            "SIGHT_LLM": "simulated",
            "SIGHT_CLOUD_RUN_ENDPOINT": server.url,
            "SIGHT_MONITORING_ENDPOINT": server.url,
            "SIGHT_RELEASE_POLICIES": json.dumps(policies),
        }
        if bus_name == "pubsub":
            pubsub = emulator.start(folder / "emulator")
            closing.callback(emulator.stop, pubsub)
            settings["PUBSUB_EMULATOR_HOST"] = pubsub.host
        running = stack.start(data_dir=folder / "stack", settings=settings)
        closing.callback(running.stop)
        engine = connect(running.database_url)
        closing.callback(engine.dispose)
        bus: Bus = EmbeddedBus(engine)
        if bus_name == "pubsub":
            bus = PubSubBus(project="sight-local", emulator_host=settings["PUBSUB_EMULATOR_HOST"])
            closing.callback(bus.close)
        api_data = folder / "api-postgres"
        api_url = postgres.start(api_data)
        closing.callback(postgres.stop, api_data)
        migrating = connect(api_url)
        upgrade(migrating)
        migrating.dispose()
        stage = Stage(folder, server.world, proxy, bus, bus_name, engine, api_data, api_url, running.redis_url)
        stage.stable = stage.start_revision("api-00001")
        closing.callback(end, stage.stable.pid)
        yield stage


def _answers(port: int) -> bool:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health/live")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
