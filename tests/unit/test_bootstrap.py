"""Tests of how adapters are wired to ports."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pydantic import SecretStr

from common.bootstrap import Services
from common.bus.embedded import EmbeddedBus
from common.bus.oidc import TokenProof
from common.bus.pubsub import PubSubBus
from common.cache.memory import MemoryCache
from common.cache.redis import RedisCache
from common.settings import Misconfigured, Settings

NOWHERE = "postgresql://sight@/sight?host=/nowhere"


def services(**settings: Any) -> Services:
    """The services of these settings alone; aliases are given by the names in the environment."""
    return Services(Settings(_env_file=None, **{"DATABASE_URL": SecretStr(NOWHERE), "llm": "simulated", **settings}))


def test_services_open_nothing_before_they_are_used() -> None:
    """Services of servers that are not there can be made, and even the engine waits for its first use."""
    found = services(REDIS_URL=SecretStr("unix:///nowhere"))
    assert found.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    assert isinstance(found.bus, EmbeddedBus)
    assert isinstance(found.cache, RedisCache)


def test_each_service_is_made_once() -> None:
    """The functions of a process share what they use."""
    found = services()
    assert found.engine is found.engine
    assert found.relay is found.relay
    assert found.receiver.engine is found.engine


def test_a_process_without_a_database_says_what_is_missing() -> None:
    """The message names the settings."""
    with pytest.raises(Misconfigured, match="DATABASE_URL"):
        _ = services(DATABASE_URL=None).engine


def test_gemini_without_a_key_says_what_is_missing() -> None:
    """What is asked for by name is never silently replaced by the simulated model."""
    found = services(llm="gemini", GOOGLE_API_KEY=None)
    assert not found.models.simulated
    with pytest.raises(Misconfigured, match="GOOGLE_API_KEY"):
        _ = found.llm


def test_the_settings_choose_the_adapters() -> None:
    """Another bus or another model is a setting away."""
    found = services(bus="pubsub", PUBSUB_EMULATOR_HOST="127.0.0.1:1", tasks_endpoint="http://127.0.0.1:1")
    assert isinstance(found.bus, PubSubBus)
    assert isinstance(found.cache, MemoryCache)
    assert found.models.simulated
    assert found.reserve_micros("personas") == 0


def test_pushes_are_proved_where_settings_say_how() -> None:
    """An audience and a service account close the functions; without them they are as open as the network is."""
    assert isinstance(services(push_audience="https://sight", push_service_account="p@x").prove, TokenProof)
    services().prove(None)


def test_a_cold_start_loads_no_slow_client() -> None:
    """Importing the wiring imports neither a Google client, nor Redis, scipy or Flask."""
    slow = (
        "google.generativeai",
        "google.cloud.pubsub_v1",
        "google.cloud.sql",
        "grpc",
        "redis",
        "scipy",
        "flask",
        "neo4j",
    )
    script = f"import sys, common.bootstrap; print([name for name in {slow!r} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
