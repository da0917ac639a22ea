"""Walks new revisions to all the traffic, and writes down what rollbacks did while the database was away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.bootstrap import services
from common.errors import Malformed
from common.notify import send
from common.releases import store
from common.releases.events import RELEASE, ReleaseDeployed, ReleaseRecorded, ReleaseStepDue
from common.releases.record import Record

if TYPE_CHECKING:
    from flask import Request


def rollout(request: Request) -> tuple[str, int]:
    """Handles a push request of the topic sight-releases."""
    return services().receiver.receive(request.get_data(), request.headers, RELEASE, _handle)


def _handle(event: ReleaseDeployed | ReleaseStepDue | ReleaseRecorded) -> None:
    s = services()
    match event:
        case ReleaseDeployed():
            s.walk.begin(event)
        case ReleaseStepDue():
            s.walk.take(event)
        case ReleaseRecorded():
            _write(event)


def _write(event: ReleaseRecorded) -> None:
    s = services()
    try:
        record = Record.from_json(event.record)
    except (KeyError, TypeError, ValueError) as error:
        raise Malformed(f"this is no record of a rollback: {error!r}") from error
    with s.engine.begin() as connection:
        told = store.write(connection, record, tuple(s.channels))
    send.offer(s.bus, told)
