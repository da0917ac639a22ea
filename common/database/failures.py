"""Tells failures of the database that pass from those that no repetition can mend.

By SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html), which pg8000 reports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

if TYPE_CHECKING:
    from collections.abc import Mapping

PASSING = ("08", "40", "53", "57")
"""Classes of errors that pass: connection, transaction rollback, resources, operator intervention."""

REFUSING = ("22", "23")
"""Classes of errors that lie in the data: values that cannot be, and constraints they violate."""


def passes(error: DBAPIError) -> bool:
    """Whether the same may succeed later, because the connection or the server was in trouble."""
    state = sqlstate(error)
    if error.connection_invalidated or state.startswith(PASSING):
        return True
    return not state and isinstance(error, InterfaceError | OperationalError)


def refuses_data(error: BaseException) -> bool:
    """Whether the database will never take what it was given."""
    if not isinstance(error, DBAPIError):
        return False
    return not error.connection_invalidated and sqlstate(error).startswith(REFUSING)


def sqlstate(error: DBAPIError) -> str:
    """The five characters that say what went wrong; none where the server did not."""
    return str(_reported(error).get("C", ""))


def explain(error: DBAPIError) -> str:
    """What the server said, without the rows it was about."""
    return f"{_reported(error).get('M', 'the database failed')} (SQLSTATE {sqlstate(error)})"


def _reported(error: DBAPIError) -> Mapping[str, Any]:
    first = error.orig.args[0] if error.orig is not None and error.orig.args else None
    return first if isinstance(first, dict) else {}
