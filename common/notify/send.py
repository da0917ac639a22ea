"""Sends notifications: at least once, one sender at a time, until there is nothing new to tell.

The row decides when: what fails is due again after a while, and is asked for then. Where the request gets lost, the
maintenance sweep asks.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from common.bus.port import BusUnavailable
from common.bus.topology import NOTIFICATIONS
from common.database.engine import autocommit
from common.notify import store
from common.notify.events import requests
from common.notify.port import NotTold, Telling

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from common.bus.port import Bus
    from common.notify.port import Channel

FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 300.0
LONGEST_ASKED_SECONDS = 3600.0
EARLY_SECONDS = 0.25
"""A request that comes before its notification is due is in vain, so it is sent to come a little later."""

OVERDUE_SECONDS = 10.0
LIMIT = 200

log = structlog.get_logger()


def send(engine: Engine, bus: Bus, channels: Mapping[str, Channel], notification_id: UUID) -> None:
    """Tells people what a notification has to tell, until there is nothing new. It never gives up: what a channel does
    not take is tried again, after 1 s, 2 s and so on up to 5 minutes, or when the channel says."""
    with structlog.contextvars.bound_contextvars(notification_id=str(notification_id)):
        while _send_newest(engine, bus, channels, notification_id):
            pass


def _send_newest(engine: Engine, bus: Bus, channels: Mapping[str, Channel], notification_id: UUID) -> bool:
    """Sends once and returns whether there is more to tell."""
    with autocommit(engine) as connection:
        held = store.hold(connection, notification_id)
    if held is None:
        return False
    try:
        channel = channels.get(held.channel)
        if channel is None:
            raise NotTold(f"the channel {held.channel} is not set up any more")
        external_id = channel.deliver(
            Telling(
                held.message,
                held.external_id,
                key=str(held.id),
                version=held.version,
                doubtful=held.attempts > 1 and held.external_id is None,
            )
        )
    except NotTold as error:
        log.warning("not_told", channel=held.channel, title=held.message.title, detail=error.detail)
        _try_later(engine, bus, held, error.detail, error.retry_after, error.handle)
        return False
    except Exception as error:
        log.exception("telling_failed", channel=held.channel, title=held.message.title)
        _try_later(engine, bus, held, f"unexpected: {type(error).__name__}")
        return False
    with autocommit(engine) as connection:
        more = store.sent(connection, held, external_id)
    if more is None:
        log.warning("lease_lost", channel=held.channel, title=held.message.title)
    return bool(more)


def _try_later(
    engine: Engine,
    bus: Bus,
    held: store.Held,
    error: str,
    retry_after: float | None = None,
    external_id: str | None = None,
) -> None:
    wait = pause(held.attempts, retry_after)
    with autocommit(engine) as connection:
        store.failed(connection, held, error, wait, external_id)
    _ask(bus, [held.id], delay=wait + EARLY_SECONDS)


def pause(attempts: int, retry_after: float | None = None) -> float:
    """How many seconds to wait after so many attempts: what the channel asks for, else a doubling with jitter."""
    if retry_after is not None:
        return min(LONGEST_ASKED_SECONDS, retry_after)
    longest = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0 ** min(attempts, 10))
    return random.uniform(longest / 2, longest)


def send_overdue(engine: Engine, bus: Bus) -> int:
    """Asks for notifications that nobody sends although they are due, and returns how many. Raises `BusUnavailable`."""
    with autocommit(engine) as connection:
        found = store.overdue(connection, OVERDUE_SECONDS, LIMIT)
    if found:
        bus.publish(NOTIFICATIONS, requests(found))
    return len(found)


def offer(bus: Bus, notifications: Sequence[UUID]) -> None:
    """Has notifications sent; when the bus is down the maintenance sweep does."""
    if notifications:
        _ask(bus, notifications)


def _ask(bus: Bus, notifications: Sequence[UUID], *, delay: float = 0.0) -> None:
    try:
        bus.publish(NOTIFICATIONS, requests(notifications), delay=delay)
    except BusUnavailable as error:
        log.warning("bus_unavailable", detail=error.detail, waiting=len(notifications))
