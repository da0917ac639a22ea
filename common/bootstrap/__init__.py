"""Wires adapters to ports, once per process. This package is the only place that picks which."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from common import shutdown
from common.settings import LOCAL_WORKSPACE, Misconfigured, Settings, settings
from common.telemetry import logs

if TYPE_CHECKING:
    from redis import Redis
    from sqlalchemy import Engine

    from common.bootstrap.databases import Databases
    from common.bus.port import Bus
    from common.cache.breaker import Breaker
    from common.cache.port import Cache
    from common.cloud_run.port import CloudRun
    from common.events.outbox import Relay
    from common.events.receive import Prove, Receiver
    from common.google_tokens import Tokens
    from common.health.service import Vitals, WarmUp
    from common.llm.gemini.adapter import Gemini
    from common.llm.models import Models
    from common.llm.port import LanguageModel
    from common.llm.prompts import Prompts
    from common.monitoring.port import Monitoring
    from common.notify.models import Message
    from common.notify.port import Channel
    from common.releases.models import Policy
    from common.releases.rollback import Rollback
    from common.releases.walk import Walk
    from common.tasks.port import Tasks

DAY_SECONDS = 86_400
ROLLBACK_DATABASE_SECONDS = 2.0
"""How long a rollback waits for any answer of the database."""

ROLLBACK_CONNECTIONS = 8
"""Twice as many as it keeps pages open at once: one for the page, one to publish where the bus is in the database."""

CALL_THE_MODEL = frozenset({"answer", "persona", "summary"})
"""The functions that do; importing a model's client takes longest of all."""

PROMPTS = Path(__file__).parents[2] / "prompts"


@dataclass(frozen=True)
class Services:
    """What the functions of one process share. Each is made when first asked for, so that a cold start
    pays only for what its function uses."""

    settings: Settings
    _closing: ExitStack = field(default_factory=ExitStack, init=False, repr=False, compare=False)
    _said: dict[tuple[str, str], str] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def engine(self) -> Engine:
        """The database."""
        return self._databases.connect()

    @cached_property
    def _databases(self) -> Databases:
        from common.bootstrap.databases import Databases

        return Databases(self.settings, self._closing)

    @cached_property
    def bus(self) -> Bus:
        """The bus events are published to."""
        s = self.settings
        if s.bus == "embedded":
            from common.bus.embedded import EmbeddedBus

            return EmbeddedBus(self.engine)
        from common.bus.pubsub import PubSubBus

        bus = PubSubBus(
            project=s.google_cloud_project,
            emulator_host=s.pubsub_emulator_host,
            tasks=self._tasks,
            push_base_url=s.push_base_url,
        )
        self._closing.callback(bus.close)
        return bus

    @cached_property
    def relay(self) -> Relay:
        """What takes events from the outbox to the bus."""
        from common.events.outbox import Relay

        bus = self.bus
        if self.settings.bus == "embedded":
            from common.bus.embedded import EmbeddedBus

            if isinstance(bus, EmbeddedBus):
                return Relay(self.engine, bus, bus.publish_along)
        return Relay(self.engine, bus)

    @cached_property
    def prove(self) -> Prove:
        """The proof that push requests and schedules carry, where one is asked for."""
        s = self.settings
        if s.push_audience is None:
            return _no_proof
        if s.push_service_account is None:
            raise Misconfigured("set SIGHT_PUSH_SERVICE_ACCOUNT as well: anyone can have a token made for an audience")
        from common.bus.oidc import GOOGLE_CERTIFICATES, TokenProof

        return TokenProof(
            audience=s.push_audience,
            service_account=s.push_service_account,
            certificates_url=s.push_certificates_url or GOOGLE_CERTIFICATES,
        )

    @cached_property
    def receiver(self) -> Receiver:
        """What reads push requests."""
        from common.events.receive import Receiver

        return Receiver(self.engine, LOCAL_WORKSPACE, self.prove, self.bus)

    @cached_property
    def cache(self) -> Cache:
        """The cache all processes share, or one of this process where there is no Redis."""
        if self._redis is None:
            from common.cache.memory import MemoryCache

            return MemoryCache()
        from common.cache.redis import RedisCache

        return RedisCache(self._redis, self._breaker)

    @cached_property
    def models(self) -> Models:
        """Which models play which part."""
        from common.bootstrap import language

        return language.models(self.settings)

    @cached_property
    def llm(self) -> LanguageModel:
        """The language model with its meter, limits, retries and cache."""
        from common.llm import stack
        from common.llm.limits.port import Rates

        s = self.settings
        return stack.build(
            self._adapter,
            models=self.models,
            prompts=self._prompts,
            limiter=stack.limiter(
                Rates(s.llm_requests_per_minute, s.llm_tokens_per_minute),
                redis=self._redis,
                breaker=self._breaker,
                processes=s.workers,
            ),
            cache=self.cache,
            cache_seconds=s.llm_cache_days * DAY_SECONDS,
            call_seconds=s.llm_timeout_seconds,
            shutdown=shutdown.PROCESS,
        )

    def interrupt(self) -> None:
        """Breaks off the calls of the model under way."""
        if "_gemini" in self.__dict__:
            self._gemini.interrupt()

    def give_up(self) -> int:
        """Frees the items that this process, which ends, still holds, asks others for them and returns how many
        there were."""
        if "engine" not in self.__dict__:
            return 0
        from common.jobs import leases, sweep

        return sweep.give_up(self.engine, self.relay, leases.owner(), counted=False)

    def close(self) -> None:
        """Closes what was opened. These services are of no use after it."""
        self._closing.close()

    @cached_property
    def cloud_run(self) -> CloudRun:
        """The services whose traffic is moved."""
        from common.bootstrap import google

        return google.cloud_run(self.settings, self._google_tokens)

    @cached_property
    def monitoring(self) -> Monitoring:
        """How revisions fare."""
        from common.bootstrap import google

        return google.monitoring(self.settings, self._google_tokens)

    @cached_property
    def _google_tokens(self) -> Tokens:
        from common.bootstrap import google

        return google.tokens(self.settings)

    @cached_property
    def policies(self) -> dict[str, Policy]:
        """How each service is released and rolled back."""
        from common.releases import policies

        return policies.read(self.settings.release_policies, dry_run=self.settings.release_dry_run)

    @cached_property
    def rollback(self) -> Rollback:
        """What answers alerts. It waits for nothing that is away: neither for the database nor for the bus."""
        from common.releases.ledger import Ledger
        from common.releases.probe import probe
        from common.releases.rollback import Rollback

        ledger = Ledger(lambda: self._hasty_engine, lambda: self._hasty_bus, self.say, tuple(self.channels))
        return Rollback(self.cloud_run, self.monitoring, probe, ledger, self.policies)

    @cached_property
    def channels(self) -> dict[str, Channel]:
        """How people are reached, by name."""
        from common.bootstrap import people

        return people.channels(self.settings)

    def say(self, message: Message, thread: str = "") -> None:
        """Tells people at once, with nothing kept: for when there is nowhere to keep it. What this process said in a
        thread before is brought up to date."""
        from common.notify.direct import send_now

        send_now(self.channels, message, thread=thread, handles=self._said)

    @cached_property
    def walk(self) -> Walk:
        """What walks new revisions to all the traffic."""
        from common.releases.probe import probe
        from common.releases.smoke import HttpSmokeTest
        from common.releases.walk import Walk

        key = self.settings.api_key
        return Walk(
            engine=self.engine,
            bus=self.bus,
            cloud_run=self.cloud_run,
            monitoring=self.monitoring,
            probe=probe,
            smoke_test=HttpSmokeTest(key.get_secret_value() if key else None),
            policies=self.policies,
            channels=tuple(self.channels),
        )

    @cached_property
    def _hasty_engine(self) -> Engine:
        return self._databases.connect(timeout_seconds=ROLLBACK_DATABASE_SECONDS, pool_size=ROLLBACK_CONNECTIONS)

    @cached_property
    def _hasty_bus(self) -> Bus:
        if self.settings.bus != "embedded":
            return self.bus
        from common.bus.embedded import EmbeddedBus

        return EmbeddedBus(self._hasty_engine)

    @cached_property
    def vitals(self) -> Vitals:
        """How what this process depends on is doing, seen through connections that nothing else uses."""
        from common.health.checks import PATIENCE_SECONDS
        from common.health.watching import watch

        databases = self._databases
        return watch(self.settings, databases.connect(timeout_seconds=PATIENCE_SECONDS) if databases.any else None)

    @cached_property
    def warm_up(self) -> WarmUp:
        """What makes this process ready."""
        from common.health.service import WarmUp

        return WarmUp(self._warm)

    def _warm(self) -> None:
        """Makes what this process's first work would have to wait for; it opens no connection."""
        function = self.settings.function
        _ = self.rollback if function == "rollback" else (self.relay, self.receiver)
        _ = self.llm if function in CALL_THE_MODEL else None

    def reserve_micros(self, kind: str) -> int:
        """What is reserved for an item of this kind of job when it is claimed."""
        from common.jobs.reserve import claim_micros

        return claim_micros(kind, self.models)

    @property
    def _adapter(self) -> LanguageModel:
        from common.bootstrap import language

        return language.simulated(self.settings, self._prompts) if self.models.simulated else self._gemini

    @cached_property
    def _gemini(self) -> Gemini:
        from common.bootstrap import language

        gemini = language.gemini(self.settings, self.models, self._prompts)
        self._closing.callback(gemini.close)
        return gemini

    @cached_property
    def _prompts(self) -> Prompts:
        from common.llm.prompts import Prompts

        return Prompts(PROMPTS)

    @cached_property
    def _redis(self) -> Redis | None:
        if self.settings.redis_url is None:
            return None
        from common.cache.redis import connect as connect_redis

        redis = connect_redis(self.settings.redis_url.get_secret_value())
        self._closing.callback(redis.close)
        return redis

    @cached_property
    def _breaker(self) -> Breaker:
        from common.cache.redis import breaker

        return breaker()

    @cached_property
    def _tasks(self) -> Tasks:
        from common.bootstrap import google

        return google.tasks(self.settings)


@cache
def services() -> Services:
    """The services of this process."""
    found = settings()
    logs.configure(level=found.log_level, project=found.google_cloud_project)
    return Services(found)


def _no_proof(_authorization: str | None) -> None:
    """Where no token is asked for, anyone who can reach the function may call it."""
