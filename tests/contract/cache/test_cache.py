"""What every cache does, and what the shared one does beyond: across processes, and with Redis down."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from redis import Redis

from common.cache.memory import MemoryCache
from common.cache.port import Cache
from common.cache.redis import RedisCache, breaker, connect

ROOT = Path(__file__).parents[3]


@pytest.fixture
def client(redis_url: str) -> Iterator[Redis]:
    """A client of an empty Redis."""
    client = connect(redis_url)
    yield client
    client.close()


@pytest.fixture
def shared(client: Redis) -> RedisCache:
    """The cache in Redis. Its locks outlive a dead holder by less than a second."""
    return RedisCache(client, breaker(), lock_seconds=0.6)


@pytest.fixture(params=["redis", "memory"])
def cache(request: pytest.FixtureRequest) -> Cache:
    """Each cache in turn."""
    return MemoryCache() if request.param == "memory" else request.getfixturevalue("shared")


@pytest.fixture
def down(tmp_path: Path) -> RedisCache:
    """A cache whose Redis is not there."""
    return RedisCache(connect(f"unix://{tmp_path}/nothing.sock"), breaker())


def test_what_is_set_can_be_got(cache: Cache) -> None:
    """Bytes come back as they were, any bytes; what was never set is missing."""
    cache.set("a", b"\x00\xff", ttl=60)

    assert cache.get("a") == b"\x00\xff"
    assert cache.get("b") is None


def test_many_are_set_and_got_in_order(cache: Cache) -> None:
    """Missing ones leave their place empty."""
    cache.set_many({"a": b"1", "b": b"2"}, ttl=60)
    cache.set_many({}, ttl=60)

    assert cache.get_many(["b", "x", "a"]) == [b"2", None, b"1"]
    assert cache.get_many([]) == []


def test_the_newest_value_counts(cache: Cache) -> None:
    """Setting again replaces."""
    cache.set("a", b"1", ttl=60)
    cache.set("a", b"2", ttl=60)

    assert cache.get("a") == b"2"


def test_values_have_an_end(client: Redis, shared: RedisCache) -> None:
    """Everything that is kept has a time to live."""
    shared.set("a", b"1", ttl=60)
    shared.set_many({"b": b"1"}, ttl=90)
    shared.single_flight("c", lambda: b"1", ttl=30, patience=1)

    assert [client.ttl(key) for key in ("a", "b", "c")] == [60, 90, 30]


def test_one_of_many_computes(cache: Cache) -> None:
    """Twenty threads ask at once, one computes, and all have its value."""
    together, computed = threading.Barrier(20), []

    def compute() -> bytes:
        computed.append(threading.get_ident())
        threading.Event().wait(0.15)
        return b"value"

    def ask(_: int) -> bytes:
        together.wait(timeout=10)
        return cache.single_flight("key", compute, ttl=60, patience=10)

    with ThreadPoolExecutor(20) as threads:
        assert set(threads.map(ask, range(20))) == {b"value"}
    assert len(computed) == 1
    assert cache.get("key") == b"value"


def test_what_is_kept_is_not_computed(cache: Cache) -> None:
    """A value that is there is used."""
    cache.set("key", b"kept", ttl=60)

    assert cache.single_flight("key", _never, ttl=60, patience=1) == b"kept"


def test_a_failure_is_raised_and_the_next_one_computes(cache: Cache) -> None:
    """An error is the caller's own: nothing is kept of it and nobody is held up."""

    def fail() -> bytes:
        raise ValueError("no luck")

    with pytest.raises(ValueError, match="no luck"):
        cache.single_flight("key", fail, ttl=60, patience=1)
    assert cache.single_flight("key", lambda: b"value", ttl=60, patience=1) == b"value"


def test_patience_has_an_end(cache: Cache) -> None:
    """Who has waited long enough computes for themselves."""
    started, finish = threading.Event(), threading.Event()

    def slowly() -> bytes:
        started.set()
        finish.wait(timeout=10)
        return b"slow"

    slow = threading.Thread(target=cache.single_flight, args=("key", slowly), kwargs={"ttl": 60, "patience": 1})
    slow.start()
    started.wait(timeout=10)
    try:
        assert cache.single_flight("key", lambda: b"own", ttl=60, patience=0.1) == b"own"
    finally:
        finish.set()
        slow.join(timeout=10)


def test_a_holder_at_work_keeps_its_lock(client: Redis) -> None:
    """The lock is renewed for as long as the computation takes."""
    cache = RedisCache(client, breaker(), lock_seconds=2.0)

    def compute() -> bytes:
        threading.Event().wait(3.0)
        assert client.exists("lock:key")
        return b"value"

    assert cache.single_flight("key", compute, ttl=60, patience=10) == b"value"
    assert not client.exists("lock:key")


def test_a_dead_holder_is_replaced(redis_url: str, shared: RedisCache) -> None:
    """When the process that computes is killed, another one takes over as soon as its lock has run out."""
    program = (
        "import sys, time\n"
        "from common.cache.redis import RedisCache, breaker, connect\n"
        "def compute():\n"
        "    print('computing', flush=True)\n"
        "    time.sleep(60)\n"
        f"RedisCache(connect({redis_url!r}), breaker(), lock_seconds=0.6)"
        ".single_flight('key', compute, ttl=60, patience=60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"computing\n"
        holder.kill()

    assert shared.single_flight("key", lambda: b"value", ttl=60, patience=30) == b"value"
    assert shared.get("key") == b"value"


def test_a_foreign_lock_is_not_released(shared: RedisCache, client: Redis) -> None:
    """A holder whose lock ran out leaves the next one's lock alone."""

    def compute() -> bytes:
        client.set("lock:key", "somebody else")
        return b"value"

    shared.single_flight("key", compute, ttl=60, patience=1)
    assert client.get("lock:key") == b"somebody else"


def test_with_redis_down_everything_is_missing_and_nothing_fails(down: RedisCache) -> None:
    """An outage costs time, not results."""
    down.set("a", b"1", ttl=60)
    down.set_many({"b": b"1"}, ttl=60)

    assert down.get("a") is None
    assert down.get_many(["a", "b"]) == [None, None]
    assert down.single_flight("c", lambda: b"own", ttl=60, patience=10) == b"own"


def test_a_redis_that_hangs_costs_one_timeout(tmp_path: Path) -> None:
    """A server which takes connections and says nothing is asked once, whatever comes after it."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{tmp_path}/deaf.sock")
        listener.listen()
        client = connect(f"unix://{tmp_path}/deaf.sock", timeout=0.1)
        cache = RedisCache(client, breaker())
        assert [cache.get("a") for _ in range(50)] == [None] * 50
        listener.settimeout(0.1)
        connections = _accept_all(listener)
        client.close()
    assert connections <= 2


def test_a_restart_is_not_an_error(client: Redis, shared: RedisCache) -> None:
    """Connections the server closed are replaced without anyone noticing."""
    shared.set("a", b"1", ttl=60)
    for each in client.client_list():
        client.client_kill_filter(_id=each["id"], skipme=False)

    assert shared.get("a") == b"1"


def test_the_memory_cache_is_bounded() -> None:
    """The oldest values make room for new ones."""
    cache = MemoryCache(limit=2)
    for key in ("a", "b", "c"):
        cache.set(key, b"1", ttl=60)

    assert cache.get_many(["a", "b", "c"]) == [None, b"1", b"1"]


def _never() -> bytes:
    raise AssertionError("nothing is to be computed")


def _accept_all(listener: socket.socket) -> int:
    count = 0
    while True:
        try:
            listener.accept()[0].close()
        except TimeoutError:
            return count
        count += 1
