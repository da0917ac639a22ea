"""Tests of pages and of the filters that lists share."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import pytest

from common.errors import InvalidInput
from functions.api.pages import PageQuery, read_page, segment_of, segments_of


@dataclass(frozen=True)
class Row:
    """Something with an id."""

    id: UUID


ROWS = [Row(UUID(int=number)) for number in range(5, 0, -1)]


def read(limit: int, before: UUID | None) -> list[Row]:
    """Rows below an id, the highest first."""
    return [row for row in ROWS if before is None or row.id < before][:limit]


def test_a_page_says_where_the_next_begins() -> None:
    """The cursor is the last id shown, and there is none where nothing follows."""
    items, cursor = read_page(PageQuery(limit=2), read)
    assert (items, cursor) == (ROWS[:2], ROWS[1].id)
    assert read_page(PageQuery(limit=3, cursor=cursor), read) == (ROWS[2:], None)
    assert read_page(PageQuery(limit=5), read) == (ROWS, None)


def test_a_label_may_hold_a_colon() -> None:
    """Only the first colon parts the dimension from its label."""
    assert segment_of("segment", "hours:9:00-17:00") == ("hours", "9:00-17:00")


@pytest.mark.parametrize("value", ["", "age", "age:", ":18-24", "age:\x00"])
def test_what_is_no_segment_is_refused(value: str) -> None:
    """The field is named."""
    with pytest.raises(InvalidInput) as raised:
        segment_of("segment", value)
    assert raised.value.errors[0].field == "segment"


def test_segments_gather_labels_by_dimension() -> None:
    """Labels of the same dimension are alternatives."""
    wanted = segments_of("segment", ["age:18-24", "gender:female", "age:25-34"])
    assert wanted == {"age": ["18-24", "25-34"], "gender": ["female"]}
