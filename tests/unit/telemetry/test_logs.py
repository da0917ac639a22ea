"""Tests of what a process of Sight logs, as Cloud Logging reads it."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from typing import Any

import pytest

TRACE = "a" * 32
SPAN = "b" * 16
POOL = "Exception closing 'c': ValueError"
SCRIPT = f"""
import logging
import structlog
from common.telemetry import logs

logs.configure(level="INFO", project="p1")
logs.configure(level="INFO", project="p1")
log = structlog.get_logger("sight.test")
log.debug("too_little")
log.info("plain", count=3, name="Zażółć")
with structlog.contextvars.bound_contextvars(traceparent="00-{TRACE}-{SPAN}-01", message_id="7"):
    log.warning("traced", detail="first\\nsecond")
    logging.getLogger("other.library").error("from the %s", "library")
with structlog.contextvars.bound_contextvars(traceparent=""):
    log.info("untraced")
try:
    raise ValueError("broken")
except ValueError:
    log.exception("failed")
    logging.getLogger("sqlalchemy.pool.impl.QueuePool").error("Exception closing %r", "c", exc_info=True)
log.critical("worst")
logging.getLogger("urllib3.connectionpool").info("chatter")
"""


@pytest.fixture(scope="module")
def lines() -> dict[str, dict[str, Any]]:
    """What a process of its own logged, by message: logging is set up for a whole process."""
    ran = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, encoding="utf-8", check=True)
    assert ran.stdout == ""
    parsed = [json.loads(line) for line in ran.stderr.splitlines()]
    found = {line["message"]: line for line in parsed}
    assert len(found) == len(parsed)
    return found


def test_a_line_has_what_cloud_logging_reads(lines: dict[str, dict[str, Any]]) -> None:
    """Severity, message and an RFC 3339 time in UTC, with what was said beside them."""
    line = lines["plain"]
    assert (line["severity"], line["count"], line["name"]) == ("INFO", 3, "Zażółć")
    offset = datetime.fromisoformat(line["time"]).utcoffset()
    assert offset is not None
    assert offset.total_seconds() == 0
    assert "event" not in line
    assert "logging.googleapis.com/trace" not in line


def test_a_line_inside_a_trace_names_it(lines: dict[str, dict[str, Any]]) -> None:
    """The trace and its span are named as Cloud Trace knows them, also in lines of libraries."""
    for message, severity in (("traced", "WARNING"), ("from the library", "ERROR")):
        line = lines[message]
        assert line["severity"] == severity
        assert line["logging.googleapis.com/trace"] == f"projects/p1/traces/{TRACE}"
        assert line["logging.googleapis.com/spanId"] == SPAN
        assert line["message_id"] == "7"
        assert "traceparent" not in line
    assert "logging.googleapis.com/trace" not in lines["untraced"]
    assert "traceparent" not in lines["untraced"]


def test_an_exception_is_one_line(lines: dict[str, dict[str, Any]]) -> None:
    """The stack trace goes into the line, whose severity is ERROR."""
    line = lines["failed"]
    assert line["severity"] == "ERROR"
    assert line["exception"].endswith("ValueError: broken")
    assert lines["worst"]["severity"] == "CRITICAL"


def test_what_is_below_the_level_is_not_logged(lines: dict[str, dict[str, Any]]) -> None:
    """Neither our own details nor the chatter of libraries."""
    assert set(lines) == {"plain", "traced", "from the library", "untraced", "failed", "worst", POOL}


def test_a_pool_that_lost_its_server_says_so_in_one_line(lines: dict[str, dict[str, Any]]) -> None:
    """A restart of the database is not told as a traceback for each connection."""
    line = lines[POOL]
    assert line["severity"] == "ERROR"
    assert "exception" not in line
    assert "exception" in lines["failed"]
