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
from common.bus.port import Delivery
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

ACKNOWLEDGED = ("", 204)


@dataclass(frozen=True, slots=True)
class Receiver:
    """What receiving needs: where dead letters go, the workspace of those that name none, the proof, and
    whether this process is to end."""

    engine: Engine
    workspace_id: UUID
    prove: Prove
    shutdown: Shutdown = shutdown.PROCESS

    def receive(
        self, body: bytes, headers: Headers, reads: TypeAdapter[Any], handle: Callable[[Any], None]
    ) -> tuple[str, int]:
        """Handles the event in a push request and returns the response's body and status.

        204 acknowledges: the event was handled, or never can be and is now a dead letter with its cause, as is one
        whose data the database refuses. 503 asks for redelivery with backoff, in a process that is to end as well.
        401 refuses a sender that proves nothing. An unexpected error is logged and answered 500, which the bus
        retries too, up to its limit.
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
            return self._handle(delivery, reads, handle)

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

    def _handle(self, delivery: Delivery, reads: TypeAdapter[Any], handle: Callable[[Any], None]) -> tuple[str, int]:
        try:
            event = reads.validate_json(delivery.data)
        except ValidationError as error:
            return self._bury(delivery, "malformed_event", _explain(error))
        try:
            handle(event)
        except SightError as error:
            if error.retryable:
                log.info("event_deferred", code=error.code, detail=error.detail)
                return error.code, 503
            return self._bury(delivery, error.code, error.detail)
        except DBAPIError as error:
            if failures.refuses_data(error):
                return self._bury(delivery, "database_refused", failures.explain(error))
            return _unavailable(error) if failures.passes(error) else _unexpected()
        except PoolTimeout as error:
            return _unavailable(error)
        except Exception:
            return _unexpected()
        return ACKNOWLEDGED

    def _bury(self, delivery: Delivery, code: str, cause: str) -> tuple[str, int]:
        log.warning("dead_letter", code=code, cause=cause)
        try:
            dead_letters.record(self.engine, self.workspace_id, delivery, code=code, cause=cause)
        except (DBAPIError, PoolTimeout) as error:
            return _unavailable(error)
        return ACKNOWLEDGED


def _unavailable(error: Exception) -> tuple[str, int]:
    log.warning("database_unavailable", error=type(error).__name__)
    return "database_unavailable", 503


def _unexpected() -> tuple[str, int]:
    log.exception("event_failed")
    return "internal", 500


def _unreadable(body: bytes) -> Delivery:
    return Delivery(message_id="", subscription="", data=body, attributes={})


def _explain(error: ValidationError) -> str:
    """The first few things wrong, without the input itself."""
    found = [f"{'.'.join(map(str, e['loc'])) or 'event'}: {e['msg']}" for e in error.errors(include_url=False)[:5]]
    return "; ".join(found)
