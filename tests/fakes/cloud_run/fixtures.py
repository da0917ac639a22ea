"""The fake Cloud Run and Monitoring in this process, fresh for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.cloud_run.server import CloudRunServer
from tests.fakes.cloud_run.world import World


@pytest.fixture
def cloud_run_server() -> Iterator[CloudRunServer]:
    """A server that knows no service yet."""
    server = CloudRunServer()
    yield server
    server.close()


@pytest.fixture
def world(cloud_run_server: CloudRunServer) -> World:
    """What the server knows."""
    return cloud_run_server.world
