"""What both limiters do, and what the shared one does beyond: across processes, and with Redis down."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from common.cache.redis import breaker, connect
from common.llm.limits.local import LocalLimiter
from common.llm.limits.port import BURST_SECONDS, Limiter, Rates
from common.llm.limits.shared import LEASE_LIMIT, SharedLimiter

ROOT = Path(__file__).parents[3]
MODEL = "gemini-2.5-flash"
LATE = 2.0
"""How much time may pass on the server's clock between the steps of a test, in seconds."""


@pytest.fixture
def client(redis_url: str) -> Iterator[Redis]:
    """A client of an empty Redis."""
    client = connect(redis_url)
    yield client
    client.close()


def limiter(kind: str, client: Redis, rates: Rates) -> Limiter:
    """A limiter of either kind."""
    return SharedLimiter(client, breaker(), rates) if kind == "shared" else LocalLimiter(rates)


kinds = pytest.mark.parametrize("kind", ["shared", "local"])


@kinds
def test_after_a_burst_calls_are_spaced_out(kind: str, client: Redis) -> None:
    """Six requests a minute: one passes at once, each further one ten seconds after the one before."""
    limits = limiter(kind, client, Rates(6, 1e9))

    assert [limits.reserve(MODEL, 1, 10, patience=100) for _ in range(4)] == pytest.approx([0, 10, 20, 30], abs=LATE)


@kinds
def test_tokens_are_limited_too(kind: str, client: Redis) -> None:
    """Whichever of requests and tokens runs out decides."""
    limits = limiter(kind, client, Rates(1e6, 600))

    assert [limits.reserve(MODEL, 1, 100, patience=100) for _ in range(3)] == pytest.approx([0, 10, 20], abs=LATE)


@kinds
def test_beyond_the_patience_nothing_is_reserved(kind: str, client: Redis) -> None:
    """Who does not wait takes nobody's place."""
    limits = limiter(kind, client, Rates(6, 1e9))
    limits.reserve(MODEL, 1, 10, patience=0)

    assert [limits.reserve(MODEL, 1, 10, patience=1) for _ in range(3)] == pytest.approx([10] * 3, abs=LATE)


@kinds
def test_retry_after_stops_everyone(kind: str, client: Redis) -> None:
    """No call is made before the time the server asked for, not even one that has its place."""
    limits = limiter(kind, client, Rates(60_000, 1e9))
    assert limits.reserve(MODEL, 1, 10, patience=0) == 0
    limits.turned_away(MODEL, 30.0)

    assert limits.reserve(MODEL, 1, 10, patience=0) == pytest.approx(30, abs=LATE)
    assert limits.reserve(MODEL, 0, 0, patience=0) == pytest.approx(30, abs=LATE)
    assert limits.reserve("another", 1, 10, patience=0) == 0


@kinds
def test_a_429_halves_the_rate(kind: str, client: Redis) -> None:
    """Many at the same moment halve it once."""
    limits = limiter(kind, client, Rates(6, 1e9))
    for _ in range(10):
        limits.turned_away(MODEL, None)

    assert [limits.reserve(MODEL, 1, 10, patience=100) for _ in range(3)] == pytest.approx([0, 20, 40], abs=2 * LATE)


def test_processes_share_one_limit(redis_url: str) -> None:
    """Two processes asking as fast as they can get together what one would be allowed."""
    rate, seconds = 1800, 0.5
    program = (
        "import json, sys, time\n"
        "from common.cache.redis import breaker, connect\n"
        "from common.llm.limits.port import Rates\n"
        "from common.llm.limits.shared import SharedLimiter\n"
        f"limits = SharedLimiter(connect({redis_url!r}), breaker(), Rates({rate}, 1e9))\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "start = time.time(); granted = refused = 0\n"
        f"while time.time() < start + {seconds} or not refused:\n"
        f"    wait = limits.reserve({MODEL!r}, 1, 1, patience=0)\n"
        "    granted += wait == 0; refused += wait > 0\n"
        "print(json.dumps([granted, start, time.time()]))\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    results = [json.loads(process.communicate("go\n", timeout=30)[0].splitlines()[-1]) for process in processes]

    granted = sum(result[0] for result in results)
    elapsed = max(result[2] for result in results) - min(result[1] for result in results)
    burst = rate / 60 * BURST_SECONDS
    assert burst <= granted <= burst + rate / 60 * elapsed + 1


def test_a_429_in_one_process_stops_the_others(client: Redis) -> None:
    """What one process hears, all obey."""
    one, other = (SharedLimiter(client, breaker(), Rates(6, 1e9)) for _ in range(2))
    one.turned_away(MODEL, 30.0)

    assert other.reserve(MODEL, 1, 10, patience=0) == pytest.approx(30, abs=LATE)


def test_where_the_limit_is_high_places_are_taken_in_blocks(client: Redis) -> None:
    """A thousand calls a second do not need a round trip each."""
    limits = SharedLimiter(client, breaker(), Rates(600_000, 1e9))
    before = client.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0)
    started = time.monotonic()
    assert {limits.reserve(MODEL, 1, 100, patience=0) for _ in range(320)} == {0.0}
    asked = client.info("commandstats")["cmdstat_evalsha"]["calls"] - before

    if time.monotonic() - started < LATE:  # a block that was not used for a while is given up
        assert asked <= 320 / LEASE_LIMIT * 1.5
    until = float(client.hget(f"llm:limit:{MODEL}", "requests_until") or 0)
    assert until > 0


def test_with_redis_down_a_process_keeps_to_its_share(tmp_path: Path) -> None:
    """The limit holds without Redis, divided by the number of processes."""
    nowhere = connect(f"unix://{tmp_path}/nothing.sock")
    limits = SharedLimiter(nowhere, breaker(), Rates(12, 1e9), processes=2)

    assert [limits.reserve(MODEL, 1, 10, patience=100) for _ in range(3)] == pytest.approx([0, 10, 20], abs=LATE)
    limits.turned_away(MODEL, 300.0)
    assert limits.reserve(MODEL, 1, 10, patience=0) == pytest.approx(300, abs=LATE)


def test_the_state_is_forgotten_when_it_no_longer_matters(client: Redis) -> None:
    """Nothing stays in Redis for ever."""
    SharedLimiter(client, breaker(), Rates(6, 1e9)).reserve(MODEL, 1, 10, patience=0)

    assert 0 < client.ttl(f"llm:limit:{MODEL}") <= 700
