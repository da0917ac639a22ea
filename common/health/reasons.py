"""Why a dependency is down, in words that give nothing away."""

from __future__ import annotations

from collections.abc import Iterator

TIMEOUT = "timeout"
REFUSED = "refused"
UNAUTHENTICATED = "authentication failed"
NOT_CONFIGURED = "not configured"
UNREACHABLE = "unreachable"
UNKNOWN = "failed"

_SQLSTATES = {
    "28": UNAUTHENTICATED,
    "3D": "no such database",
    "42": "not migrated",
    "53": "no more connections",
    "57": "starting or stopping",
}
"""Classes of https://www.postgresql.org/docs/current/errcodes-appendix.html."""

_NAMES = {
    "AuthError": UNAUTHENTICATED,
    "AuthenticationError": UNAUTHENTICATED,
    "BusyLoadingError": "starting or stopping",
    "ConnectionAcquisitionTimeoutError": TIMEOUT,
    "DatabaseUnavailable": "starting or stopping",
    "NoPermissionError": "not permitted",
    "SSLError": "TLS failed",
    "TimeoutError": TIMEOUT,
    "gaierror": "unknown host",
}
"""Errors of drivers, by name: a driver that is not in use need not be imported to know them."""

_NEO4J_SECURITY = "Neo.ClientError.Security."
"""The start of codes such as that for too many wrong passwords."""

_TYPES: tuple[tuple[type[BaseException], str], ...] = (
    (ConnectionRefusedError, REFUSED),
    (FileNotFoundError, REFUSED),  # the socket of a local server that is not there
    (PermissionError, "not permitted"),
    (ConnectionError, "connection lost"),
    (EOFError, "connection lost"),
    (OSError, UNREACHABLE),
)


def reason(error: BaseException) -> str:
    """A few words for an error of a driver: for what the server said, and else for what happened to the connection,
    whichever of the errors in its chain of causes tells."""
    chain = list(_chain(error))
    for tell in (_reported, _named, _typed):
        for each in chain:
            words = tell(each)
            if words is not None:
                return words
    # Neo4j's driver does not say why none of the servers of a cluster can be reached.
    return UNREACHABLE if any(type(each).__name__ == "ServiceUnavailable" for each in chain) else UNKNOWN


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each
        each = each.__cause__ or each.__context__


def _reported(error: BaseException) -> str | None:
    if str(getattr(error, "code", "")).startswith(_NEO4J_SECURITY):
        return UNAUTHENTICATED
    said = error.args[0] if error.args else None
    return _SQLSTATES.get(str(said["C"])[:2]) if isinstance(said, dict) and "C" in said else None


def _named(error: BaseException) -> str | None:
    return next((_NAMES[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in _NAMES), None)


def _typed(error: BaseException) -> str | None:
    return next((words for kind, words in _TYPES if isinstance(error, kind)), None)
