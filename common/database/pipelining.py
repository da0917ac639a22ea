"""One round trip for a statement with parameters, where pg8000 makes three.

pg8000 waits for the answer to Parse before it sends Bind, and for that to Bind before Execute, although neither
depends on the other. Postgres takes them together (https://www.postgresql.org/docs/current/protocol-flow.html,
"Pipelining"): on a busy machine most of what a short statement costs is being scheduled after each wait.
"""

from __future__ import annotations

from types import MethodType
from typing import TYPE_CHECKING, Any

from pg8000.converters import make_params
from pg8000.core import NULL_BYTE, SYNC_MSG, Context, _flush, _write
from sqlalchemy import event

if TYPE_CHECKING:
    from sqlalchemy import Engine


def pipeline(engine: Engine) -> None:
    """Has every connection the engine opens send statements this way."""
    event.listen(engine, "connect", _take_over)


def _take_over(connection: Any, _record: Any) -> None:
    connection.execute_unnamed = MethodType(_execute, connection)


def _execute(connection: Any, statement: str, vals: Any = (), oids: Any = (), stream: Any = None) -> Any:
    """Does what `pg8000.core.CoreConnection.execute_unnamed` does, waiting once."""
    if stream is not None:
        return type(connection).execute_unnamed(connection, statement, vals=vals, oids=oids, stream=stream)
    context = Context(statement)
    parameters = make_params(connection.py_types, vals)
    connection.send_PARSE(NULL_BYTE, statement, oids)
    connection.send_DESCRIBE_STATEMENT(NULL_BYTE)
    connection.send_BIND(NULL_BYTE, parameters)
    connection.send_EXECUTE()
    _write(connection._sock, SYNC_MSG)
    _flush(connection._sock)
    connection.handle_messages(context)
    return context
