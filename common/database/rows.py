"""Writes many rows in one statement: pg8000's executemany makes a round trip for each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection


def insert_rows(
    connection: Connection,
    table: str,
    columns: Mapping[str, str],
    rows: Sequence[Sequence[Any]],
    *,
    on_conflict: str = "",
) -> int:
    """Inserts `rows` into `table` and returns how many were written.

    `columns` maps each column to its Postgres type, in the order of the rows' values. All rows travel as
    one JSON parameter, so that the statement is the same, and short, however many there are. `on_conflict`
    is an `ON CONFLICT ...` clause.
    """
    if not rows:
        return 0
    names = ", ".join(columns)
    types = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    records = [dict(zip(columns, map(_plain, row), strict=True)) for row in rows]
    result = connection.execute(
        text(
            f"INSERT INTO {table} ({names})"
            f" SELECT {names} FROM jsonb_to_recordset(CAST(:records AS jsonb)) AS r({types}) {on_conflict}"
        ),
        {"records": json.dumps(records, ensure_ascii=False)},
    )
    return result.rowcount


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value
