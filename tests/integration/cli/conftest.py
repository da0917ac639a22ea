"""The fake API and a client of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cli.client import Client, connect
from tests.integration.cli.fake_api import FakeApi, serve


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """A fake API on loopback."""
    with serve() as api:
        yield api


@pytest.fixture
def client(api: FakeApi) -> Iterator[Client]:
    """A client of the fake API."""
    client = connect(api.url, api_key="secret")
    yield client
    client.session.close()
