"""One statement in one round trip, for the few paths where a round trip is what a message costs.

Through SQLAlchemy pg8000 parses, describes, binds and executes in three round trips, and reads the
statement character by character to find its parameters. A statement prepared once for each connection
needs one, at a quarter of the processor time on both sides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pg8000.exceptions import Error as DriverError
from sqlalchemy.exc import OperationalError

if TYPE_CHECKING:
    from sqlalchemy import Engine


def run(engine: Engine, statement: str, *parameters: str | None) -> list[list[Any]]:
    """Runs a statement as a transaction of its own and returns its rows, none when it yields no rows.

    Parameters are `$1`, `$2` ... in the statement and travel as text, so each needs a cast where Postgres
    cannot tell its type. Raises `sqlalchemy.exc.DBAPIError`, with `connection_invalidated` set when the
    connection was lost, and `sqlalchemy.exc.TimeoutError` when the pool stays empty.
    """
    try:
        pooled = engine.raw_connection()
    except (DriverError, OSError) as error:
        raise OperationalError(statement, parameters, error, connection_invalidated=True) from error
    try:
        driver: Any = pooled.driver_connection
        prepared = pooled.info.get(statement)
        if prepared is None:
            prepared = pooled.info[statement] = driver.prepare_statement(statement, ())
        name, columns, readers = prepared
        context = driver.execute_named(name, parameters, columns, readers, statement)
    except (DriverError, OSError) as error:
        pooled.invalidate(error)
        raise OperationalError(statement, parameters, error, connection_invalidated=_is_lost(error)) from error
    except BaseException as error:
        pooled.invalidate(error)  # the answer is still on its way: nobody else may read it as theirs
        raise
    finally:
        pooled.close()
    return context.rows or []


def _is_lost(error: Exception) -> bool:
    """Whether the connection broke or the server is ending it (SQLSTATE 57P01 to 57P03), as opposed to a
    statement that failed."""
    reported = error.args[0] if error.args else None
    return not isinstance(reported, dict) or str(reported.get("C", "")).startswith("57P")
