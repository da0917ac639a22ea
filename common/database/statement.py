"""Statements with named parameters, prepared once for each connection, for the paths every item takes."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError

from common.database import prepared

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Engine

_PARAMETER = re.compile(r"(?<!:):([a-z_][a-z0-9_]*)")


def run(engine: Engine, statement: str, parameters: Mapping[str, object]) -> list[list[Any]]:
    """Runs `statement` as a transaction of its own and returns its rows, none when it yields no rows.

    Parameters are written `:name`, as in `sqlalchemy.text`; parameters that the statement does not name
    are ignored. They travel as text, so each needs a cast where Postgres cannot tell its type. Raises as
    `prepared.run` does, and KeyError for a parameter without a value.
    """
    positional, names = _positional(statement)
    return prepared.run(engine, positional, *(_as_text(parameters[name]) for name in names))


def run_repeatable(engine: Engine, statement: str, parameters: Mapping[str, object]) -> list[list[Any]]:
    """Runs a statement that may safely be repeated, once more over a new connection when the first was lost: the
    server may have been restarted, or may have carried it out and died before its reply. Raises as `run`."""
    try:
        return run(engine, statement, parameters)
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
    engine.dispose()  # what else the pool holds is as dead
    return run(engine, statement, parameters)


@cache
def _positional(statement: str) -> tuple[str, tuple[str, ...]]:
    numbers: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        return f"${numbers.setdefault(match[1], len(numbers) + 1)}"

    return _PARAMETER.sub(number, statement), tuple(numbers)


def _as_text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
