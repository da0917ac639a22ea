"""CSV that spreadsheets open as it is meant: nothing in it is run, and letters are what they were.

A cell whose text begins like a formula is run by spreadsheets when the file is opened (OWASP, "CSV
Injection"), so an apostrophe goes before it, which makes it text. The same goes for what would begin a cell
where a spreadsheet expects semicolons or tabs between cells, as it does in countries with a decimal comma.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

Cell = str | int | float | bool | None

_BEGINS_LIKE_A_FORMULA = re.compile(
    r'(\A|[;\t\r\n])(?=[\t\r\n]|["\s\x00-\x1f\u200b\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20])'
)


def harmless(text: str) -> str:
    """The text with an apostrophe before whatever in it a spreadsheet might run."""
    return _BEGINS_LIKE_A_FORMULA.sub(r"\1'", text)


def to_csv(headings: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """A table as CSV (RFC 4180, every text quoted). Numbers stay numbers, None is an empty cell, true and
    false are 1 and 0."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    for row in (headings, *rows):
        writer.writerow([_cell(cell) for cell in row])
    return file.getvalue()


def _cell(cell: Cell) -> str | int | float:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return int(cell)
    return harmless(cell) if isinstance(cell, str) else cell
