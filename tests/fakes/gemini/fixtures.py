"""The fake Gemini server in a process of its own, and a fresh state of it for each test."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class FakeGemini:
    """A running fake server."""

    url: str

    def control(self, **settings: Any) -> dict[str, Any]:
        """Sets how it behaves from now on; the settings are the fields of `Behaviour`, and `reset`."""
        return self._ask("POST", "/control", settings)  # type: ignore[no-any-return]

    def counters(self) -> dict[str, Any]:
        """What it was asked since the last reset."""
        return self._ask("GET", "/control")  # type: ignore[no-any-return]

    def requests(self) -> list[dict[str, Any]]:
        """The last requests: `path` and parsed `body` of each."""
        return self._ask("GET", "/control/requests")  # type: ignore[no-any-return]

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=10)
        try:
            connection.request(method, path, json.dumps(body or {}), {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = json.loads(response.read())
        finally:
            connection.close()
        if response.status != 200:
            raise ValueError(answer["error"]["message"])
        return answer


@contextmanager
def running(*flags: str) -> Iterator[FakeGemini]:
    """Runs a server with the given command-line flags; it ends with the block, or with this process."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.gemini", "--until-stdin-ends", *flags],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield FakeGemini(json.loads(process.stdout.readline())["url"])
        finally:
            process.stdin.close()
            process.wait(timeout=10)


@pytest.fixture(scope="session")
def gemini_server() -> Iterator[FakeGemini]:
    """This test process's server."""
    with running() as server:
        yield server


@pytest.fixture
def fake_gemini(gemini_server: FakeGemini) -> FakeGemini:
    """A server which only this test uses, without latency or failures."""
    gemini_server.control(reset=True)
    return gemini_server
