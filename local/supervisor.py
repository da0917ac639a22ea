"""Runs the whole stack on one machine: servers, gateway and workers, from start to Ctrl-C."""

from __future__ import annotations

import fcntl
import gc
import http.client
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from common import settings as configuration
from common.shutdown import LIMIT_SECONDS
from functions.loading import FUNCTIONS
from local import functions, roles, state
from local.bell import Bell
from local.children import Children
from local.gateway import PUSH_PATH
from local.processes import StartFailed, alive, free_port, tail
from local.servers import Servers
from local.state import State

if TYPE_CHECKING:
    from common.settings import Settings

HOST = "127.0.0.1"
BACKLOG = 512
READY_SECONDS = 90.0
TAKEOVER_SECONDS = 5.0
BUSY_TICK_SECONDS = 0.02
TICK_SECONDS = 0.25
HEALTH_SECONDS = 0.5
"""How long one look at /health may take. The socket listens before anybody serves it, so it may well take all."""

HOPELESS_DEATHS = 4
"""A process that dies so often before the stack was ever ready will not come up."""


def run(
    settings: Settings,
    *,
    folder: Path = FUNCTIONS,
    logs_to_terminal: bool = False,
    on_ready: Callable[[State], None] = lambda _: None,
) -> None:
    """Runs the stack until SIGTERM or SIGINT, then ends all of it; a second signal hurries.

    Processes that die are started again. Raises `StartFailed` when the stack does not come up, and when
    another one runs on the same data.
    """
    data_dir = Path(settings.data_dir).absolute()
    logs = data_dir / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    logs.chmod(0o700)
    with _only_one(data_dir), _listening(settings.port) as listener, _signals() as signals:
        url = f"http://{HOST}:{listener.getsockname()[1]}"
        servers = Servers(settings, data_dir, logs)
        children = Children(None if logs_to_terminal else logs)
        try:
            environment = servers.start()
            settings = _configure(settings, environment, url, data_dir)
            prepared = children.run_aside("prepare", partial(_prepare, settings, servers.database_url))
            apps = {name: functions.load(name, folder) for name in functions.NAMES}
            _preload(settings)
            prepared()
            _add_children(children, settings, apps, listener.fileno(), servers)
            # Nothing loaded by now is ever collected, so that the collector does not touch, and copy, shared pages.
            gc.collect()
            gc.freeze()
            concurrency = settings.workers * settings.worker_threads
            now = State(os.getpid(), url, servers.database_url, servers.redis_url, concurrency)
            _keep_up(now, data_dir, servers, children, signals, on_ready)
        finally:
            children.stop(LIMIT_SECONDS, hurry=lambda: signals.count > 1)
            servers.stop()
            state.remove(data_dir)


def _keep_up(
    now: State,
    data_dir: Path,
    servers: Servers,
    children: Children,
    signals: _Signals,
    on_ready: Callable[[State], None],
) -> None:
    ready = False
    deadline = time.monotonic() + READY_SECONDS
    while not signals.count:
        children.reap()
        changed = servers.mend() | children.start_due()
        if not ready and _is_healthy(now.url):
            ready = changed = True
        if changed:
            now = replace(now, ready=ready, processes=servers.pids() | children.pids())
            state.write(data_dir, now)
            if ready:
                on_ready(now)
                on_ready = _nothing
        if not ready:
            _give_up_if_hopeless(children, data_dir / "logs", late=time.monotonic() > deadline)
        signals.wait(TICK_SECONDS if ready else BUSY_TICK_SECONDS)


def _nothing(_: State) -> None:
    """What there is to do when the stack is ready again."""


def _give_up_if_hopeless(children: Children, logs: Path, *, late: bool) -> None:
    hopeless = [name for name, deaths in children.quick_deaths().items() if deaths >= HOPELESS_DEATHS]
    if hopeless:
        raise StartFailed(f"{hopeless[0]} does not start:\n{tail(logs / f'{hopeless[0]}.log')}")
    if late:
        raise StartFailed(f"the stack did not answer within {READY_SECONDS:.0f} s:\n{tail(logs / 'gateway.log')}")


def _configure(settings: Settings, environment: dict[str, str], url: str, data_dir: Path) -> Settings:
    """Tells this process and all it forks where everything is, and returns the settings that result."""
    environment = environment | {"SIGHT_DATA_DIR": str(data_dir), "SIGHT_PORT": url.rpartition(":")[2]}
    if settings.bus == "pubsub":
        environment["SIGHT_PUSH_BASE_URL"] = f"{url}{PUSH_PATH}"
        environment["SIGHT_TASKS_ENDPOINT"] = settings.tasks_endpoint or f"http://{HOST}:{free_port()}"
    os.environ.update(environment)
    configuration.settings.cache_clear()
    return configuration.settings()


def _prepare(settings: Settings, database_url: str) -> None:
    """Migrates, and makes what carries the events. What workers of an earlier run held is handed back: none
    of them is left."""
    from common.database.engine import connect
    from common.database.migrate import upgrade

    engine = connect(database_url, pool_size=1, application_name="sight-prepare")
    upgrade(engine)
    if settings.bus == "embedded":
        from common.bus.embedded import EmbeddedBus
        from common.bus.embedded_schema import ensure_schema

        ensure_schema(engine)
        EmbeddedBus(engine).release()
    else:
        from common.bus.pubsub_admin import ensure_topology

        ensure_topology(
            project=settings.google_cloud_project,
            push_base_url=str(settings.push_base_url),
            emulator_host=settings.pubsub_emulator_host,
        )
    engine.dispose()


def _preload(settings: Settings) -> None:
    """Imports what functions import when they first need it: each of the processes to be forked would take seconds
    to do so, and keep a copy of its own in memory."""
    model = "simulated.model" if settings.llm_provider == "simulated" else "gemini.adapter"
    for module in ("llm.stack", f"llm.{model}", "cache.redis", "jobs.reserve", "audiences.panel", "health.watching"):
        import_module(f"common.{module}")


def _add_children(children: Children, settings: Settings, apps: roles.Apps, listener: int, servers: Servers) -> None:
    bells = [Bell() for _ in range(settings.workers if settings.bus == "embedded" else 0)]
    children.add("gateway", partial(roles.run_gateway, apps, settings, listener=listener, bells=bells))
    for number in range(len(bells)):
        work = partial(roles.run_worker, apps, settings, number=number, database_url=servers.database_url, bells=bells)
        children.add(roles.worker_name(number), work)
    if settings.bus == "pubsub":
        port = urlsplit(str(settings.tasks_endpoint)).port or 0
        children.add("scheduler", partial(roles.run_scheduler, apps, tasks_port=port))


def _is_healthy(url: str) -> bool:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=HEALTH_SECONDS)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    """The socket that the gateway serves: it stays when the gateway has to be started again."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError as error:
            raise StartFailed(f"port {port} is taken ({error.strerror}); SIGHT_PORT names another") from error
        listener.listen(BACKLOG)
        yield listener


@contextmanager
def _only_one(data_dir: Path) -> Iterator[None]:
    """Keeps a second stack off the same data. Processes of a killed one may hold on for a moment."""
    deadline = time.monotonic() + TAKEOVER_SECONDS
    with (data_dir / "lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                other = state.read(data_dir)
                if time.monotonic() > deadline or (other is not None and alive(other.pid)):
                    where = f" at {other.url}" if other else ""
                    raise StartFailed(f"another stack runs on {data_dir}{where}") from None
                time.sleep(BUSY_TICK_SECONDS)
        yield


@dataclass(slots=True)
class _Signals:
    """How often this process was told to end, and a wait that any signal cuts short."""

    wakeup: socket.socket
    count: int = 0

    def ended(self, _number: int, _frame: object) -> None:
        self.count += 1

    def wait(self, seconds: float) -> None:
        if select.select([self.wakeup], [], [], seconds)[0]:
            self.wakeup.recv(4096)


@contextmanager
def _signals() -> Iterator[_Signals]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        signals = _Signals(ours)
        handlers = {signal.SIGTERM: signals.ended, signal.SIGINT: signals.ended, signal.SIGCHLD: lambda *_: None}
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        signal.set_wakeup_fd(theirs.fileno())
        try:
            yield signals
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)
