"""Logs as JSON in the form Cloud Logging reads, from structlog and from the standard library alike."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from structlog.typing import EventDict, WrappedLogger


def configure(*, level: str, project: str) -> None:
    """Sets up logging for this process; repeating it changes nothing.

    Every line carries `severity`, `message` and, inside an event or a request, the trace it belongs to
    (`logging.googleapis.com/trace`), so that one search shows a job through every hop.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        _severity,
        _trace_of(project),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        structlog.processors.EventRenamer("message"),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    handler.addFilter(_shorten)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("urllib3", "google", "werkzeug"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def flush() -> None:
    """Has everything that was logged and printed so far written: what comes next may be the end of the process."""
    for handler in logging.getLogger().handlers:
        handler.flush()
    sys.stdout.flush()
    sys.stderr.flush()


def _shorten(record: logging.LogRecord) -> bool:
    """A pool that closes connections of a server that is gone tells of each with its traceback, which says nothing:
    who used the connection is told as well, and says what it means."""
    if record.name.startswith("sqlalchemy.pool") and record.exc_info and record.exc_info[0]:
        record.msg, record.args = f"{record.getMessage()}: {record.exc_info[0].__name__}", ()
        record.exc_info = None
    return True


def _severity(_logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    event["severity"] = {"exception": "ERROR", "warn": "WARNING"}.get(method, method.upper())
    return event


def _trace_of(project: str) -> Any:
    def add_trace(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        parts = str(event.pop("traceparent", "") or "").split("-")
        if len(parts) == 4:
            event["logging.googleapis.com/trace"] = f"projects/{project}/traces/{parts[1]}"
            event["logging.googleapis.com/spanId"] = parts[2]
        return event

    return add_trace
