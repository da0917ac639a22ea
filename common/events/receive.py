"""Receives one push request: proves it, reads it, handles it, and says whether it should come again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import structlog
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from common import shutdown
from common.bus.envelope import parse_push
from common.bus.port import Bus, BusUnavailable, Delivery, Message
from common.bus.topology import BY_NAME
from common.database import failures
from common.errors import Malformed, SightError, Unauthenticated, Unavailable
from common.events import dead_letters
from common.shutdown import Shutdown

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Engine

log = structlog.get_logger()


class Headers(Protocol):
    """The headers of a request, looked up by name."""

    def get(self, key: str, /) -> str | None:
        """The value of a header, or None."""
        ...


Prove = Callable[[str | None], None]
"""Takes the Authorization header and raises `Unauthenticated` unless it proves the sender, or `Unavailable`
when that cannot be told now."""

GiveUp = Callable[[Any, str], None]
"""Takes an event that will not be handled, and why."""

ACKNOWLEDGED = ("", 204)

LEAST_WAIT_SECONDS = 1.0
WAIT_SECONDS = 5.0
"""When an event comes again whose time has not come, at the earliest and where its error does not say."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """What receiving needs: where dead letters go, the workspace of those that name none, the proof, the bus by
    which events come again later, and whether this process is to end."""

    engine: Engine
    workspace_id: UUID
    prove: Prove
    bus: Bus
    shutdown: Shutdown = shutdown.PROCESS

    def receive(
        self,
        body: bytes,
        headers: Headers,
        reads: TypeAdapter[Any],
        handle: Callable[[Any], None],
        *,
        give_up: GiveUp | None = None,
    ) -> tuple[str, int]:
        """Handles the event in a push request and returns the response's body and status.

        204 acknowledges: the event was handled, or never can be and is now a dead letter with its cause, as is one
        whose data the database refuses. 503 asks for redelivery with backoff, in a process that is to end as well.
        401 refuses a sender that proves nothing. An unexpected error is logged and answered 500, which the bus
        retries too, up to its limit.

        What only has to wait is published again for then and acknowledged, so that waiting uses up none of the
        bus's attempts. `give_up` hears of an event that never can be handled, and of the unexpected error of one
        that will not be delivered again.
        """
        refused = self._refusal(headers)
        if refused is not None:
            return refused
        try:
            delivery = parse_push(body)
        except Malformed as error:
            return self._bury(_unreadable(body), error.code, error.detail)
        with structlog.contextvars.bound_contextvars(
            message_id=delivery.message_id, subscription=delivery.subscription, attempt=delivery.attempt
        ):
            return self._handle(delivery, reads, handle, give_up)

    def bury(self, body: bytes, headers: Headers) -> tuple[str, int]:
        """Keeps a message the bus gave up on as a dead letter."""
        refused = self._refusal(headers)
        if refused is not None:
            return refused
        try:
            delivery = parse_push(body)
        except Malformed as error:
            return self._bury(_unreadable(body), error.code, error.detail)
        return self._bury(delivery, "attempts_exhausted", "delivered as often as it may be, and never handled")

    def _refusal(self, headers: Headers) -> tuple[str, int] | None:
        try:
            self.shutdown.check()
            self.prove(headers.get("Authorization"))
        except (Unauthenticated, Unavailable) as error:
            log.warning("push_refused", code=error.code, detail=error.detail)
            return error.detail, error.status
        return None

    def _handle(
        self, delivery: Delivery, reads: TypeAdapter[Any], handle: Callable[[Any], None], give_up: GiveUp | None
    ) -> tuple[str, int]:
        try:
            event = reads.validate_json(delivery.data)
        except ValidationError as error:
            return self._bury(delivery, "malformed_event", _explain(error))
        try:
            handle(event)
        except SightError as error:
            if error.retryable:
                return self._defer(delivery, error)
            return self._bury(delivery, error.code, error.detail, event, give_up)
        except DBAPIError as error:
            if failures.refuses_data(error):
                return self._bury(delivery, "database_refused", failures.explain(error), event, give_up)
            if failures.passes(error):
                return _unavailable(error)
            return _unexpected(delivery, error, event, give_up)
        except PoolTimeout as error:
            return _unavailable(error)
        except Exception as error:
            return _unexpected(delivery, error, event, give_up)
        return ACKNOWLEDGED

    def _defer(self, delivery: Delivery, error: SightError) -> tuple[str, int]:
        log.info("event_deferred", code=error.code, detail=error.detail, retry_after=error.retry_after)
        subscription = BY_NAME.get(delivery.subscription)
        if not error.not_yet or subscription is None:
            return error.code, 503
        wait = max(LEAST_WAIT_SECONDS, WAIT_SECONDS if error.retry_after is None else error.retry_after)
        again = Message(delivery.data, delivery.attributes, delivery.ordering_key)
        try:
            self.bus.publish(subscription.topic, [again], delay=wait)
        except BusUnavailable as unavailable:
            log.warning("bus_unavailable", detail=unavailable.detail)
            return error.code, 503
        return ACKNOWLEDGED

    def _bury(
        self, delivery: Delivery, code: str, cause: str, event: Any = None, give_up: GiveUp | None = None
    ) -> tuple[str, int]:
        log.warning("dead_letter", code=code, cause=cause)
        try:
            if give_up is not None:
                give_up(event, cause)
            dead_letters.record(self.engine, self.workspace_id, delivery, code=code, cause=cause)
        except (DBAPIError, PoolTimeout) as error:
            return _unavailable(error)
        return ACKNOWLEDGED


def _unavailable(error: Exception) -> tuple[str, int]:
    log.warning("database_unavailable", error=type(error).__name__)
    return "database_unavailable", 503


def _unexpected(delivery: Delivery, error: Exception, event: Any, give_up: GiveUp | None) -> tuple[str, int]:
    log.exception("event_failed")
    subscription = BY_NAME.get(delivery.subscription)
    if give_up is not None and subscription is not None and delivery.attempt >= subscription.max_attempts:
        try:
            give_up(event, f"an unexpected error ({type(error).__name__})")
        except (DBAPIError, PoolTimeout) as away:
            return _unavailable(away)
    return "internal", 500


def _unreadable(body: bytes) -> Delivery:
    return Delivery(message_id="", subscription="", data=body, attributes={})


def _explain(error: ValidationError) -> str:
    """The first few things wrong, without the input itself."""
    found = [f"{'.'.join(map(str, e['loc'])) or 'event'}: {e['msg']}" for e in error.errors(include_url=False)[:5]]
    return "; ".join(found)
