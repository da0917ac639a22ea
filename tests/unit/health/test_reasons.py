"""Tests of the words for what goes wrong."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest
from neo4j.exceptions import AuthError, ClientError, ServiceUnavailable
from pg8000.exceptions import DatabaseError, InterfaceError
from redis.exceptions import AuthenticationError, BusyLoadingError
from redis.exceptions import TimeoutError as RedisTimeout

from common.health import reasons
from common.health.reasons import reason

SECRET = "bolt://neo4j:hunter2@10.0.0.7:7687"


def caused(error: Exception, by: BaseException) -> Exception:
    """An error as a driver raises it for another."""
    error.__cause__ = by
    return error


def of_postgres(code: str) -> DatabaseError:
    """What pg8000 raises for what the server reports."""
    return DatabaseError({"S": "FATAL", "C": code, "M": SECRET})


class TooManyPasswords(ClientError):
    """What Neo4j says to the fourth wrong password."""

    @property
    def code(self) -> str:
        return "Neo.ClientError.Security.AuthenticationRateLimit"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError(SECRET), "timeout"),
        (RedisTimeout(SECRET), "timeout"),
        (caused(InterfaceError(SECRET), TimeoutError()), "timeout"),
        (caused(ServiceUnavailable(SECRET), caused(OSError(SECRET), TimeoutError())), "timeout"),
        (ConnectionRefusedError(111, SECRET), "refused"),
        (caused(InterfaceError(SECRET), FileNotFoundError()), "refused"),
        (ConnectionResetError(SECRET), "connection lost"),
        (EOFError(), "connection lost"),
        (OSError(113, SECRET), "unreachable"),
        (ServiceUnavailable(SECRET), "unreachable"),
        (socket.gaierror(-2, SECRET), "unknown host"),
        (ssl.SSLCertVerificationError(SECRET), "TLS failed"),
        (PermissionError(SECRET), "not permitted"),
        (AuthError(SECRET), "authentication failed"),
        (AuthenticationError(SECRET), "authentication failed"),
        (TooManyPasswords(SECRET), "authentication failed"),
        (of_postgres("28P01"), "authentication failed"),
        (caused(InterfaceError(SECRET), caused(BrokenPipeError(), of_postgres("28P01"))), "authentication failed"),
        (of_postgres("3D000"), "no such database"),
        (of_postgres("53300"), "no more connections"),
        (of_postgres("57P03"), "starting or stopping"),
        (BusyLoadingError(SECRET), "starting or stopping"),
        (of_postgres("XX000"), "failed"),
        (ValueError(SECRET), "failed"),
    ],
)
def test_an_error_is_a_few_words(error: Exception, words: str) -> None:
    """Each kind of trouble has its words; they never hold what the error says."""
    assert reason(error) == words


def test_all_words_are_documented() -> None:
    """Whoever reads them finds them in docs/health.md."""
    page = (Path(__file__).parents[3] / "docs/health.md").read_text()
    words = {*reasons._SQLSTATES.values(), *reasons._NAMES.values(), *(found for _, found in reasons._TYPES)}
    assert [each for each in {*words, reasons.NOT_CONFIGURED, reasons.UNKNOWN} if f"`{each}`" not in page] == []


def test_a_ring_of_causes_ends() -> None:
    """Errors that name each other as their cause keep nobody busy for ever."""
    first, second = ValueError(SECRET), KeyError(SECRET)
    first.__cause__, second.__cause__ = second, first
    assert reason(first) == "failed"
