"""The shorter forms people write by hand, turned into the lists that are kept.

Each function takes raw input and returns raw input; what it does not recognise it leaves for validation to refuse.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def expand_spec(data: Any) -> Any:
    """`dimensions: {age: {shares: ...}}` or `{age: {"18-24": 0.1, ...}}` becomes a list with names, in order."""
    if not isinstance(data, dict) or not isinstance(data.get("dimensions"), dict):
        return data
    dimensions = [
        {"name": name, **body} if isinstance(body, dict) and "shares" in body else {"name": name, "shares": body}
        for name, body in data["dimensions"].items()
    ]
    return {**data, "dimensions": dimensions}


def expand_dimension(data: Any) -> Any:
    """`shares: {label: share}` becomes a list, in order."""
    if not isinstance(data, dict) or not isinstance(data.get("shares"), dict):
        return data
    return {**data, "shares": [{"label": label, "share": share} for label, share in data["shares"].items()]}


def expand_cross_tab(data: Any) -> Any:
    """`shares: {label: {label: share}}`, nested in the order of `dimensions`, becomes a list of cells."""
    if not isinstance(data, dict) or not isinstance(data.get("shares"), dict):
        return data
    dimensions = data.get("dimensions")
    if not isinstance(dimensions, list | tuple):
        return data
    cells = [
        {"cell": dict(zip(dimensions, labels, strict=False)), "share": share}
        for labels, share in _leaves(data["shares"], len(dimensions))
    ]
    return {**data, "shares": cells}


def expand_respondents(data: Any) -> Any:
    """A list of `{dimension: label, ...}` rows, each with an optional numeric `weight`, becomes a table.
    Dimensions are sorted by name: keys of a JSON object have no order that storage would keep."""
    if not isinstance(data, list | tuple) or not all(isinstance(row, dict) for row in data):
        return data
    rows = [dict(row) for row in data]
    weights = [row.pop("weight", 1.0) if _is_number(row.get("weight")) else 1.0 for row in rows]
    dimensions = sorted({name for row in rows for name in row}, key=str)
    table: dict[str, Any] = {
        "dimensions": dimensions,
        "rows": [[row.get(name) for name in dimensions] for row in rows],
    }
    return table if all(weight == 1.0 for weight in weights) else {**table, "weights": weights}


def _leaves(tree: dict[Any, Any], depth: int, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    for label, below in tree.items():
        if depth > 1 and isinstance(below, dict):
            yield from _leaves(below, depth - 1, (*path, label))
        else:
            yield (*path, label), below


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
