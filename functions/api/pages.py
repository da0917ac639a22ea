"""Pages of lists: how callers ask for one, and what they get."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Generic, Protocol, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from common.errors import InvalidInput

MAX_POSITION = 2**31 - 1


class _HasId(Protocol):
    @property
    def id(self) -> UUID: ...


T = TypeVar("T")
H = TypeVar("H", bound=_HasId)


class PageQuery(BaseModel):
    """Which page of a list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(50, ge=1, le=200, description="How many at most.")
    cursor: UUID | None = Field(None, description="`next_cursor` of the page before; none for the first page.")


class Page(BaseModel, Generic[T]):
    """A page of a list, newest first."""

    model_config = ConfigDict(frozen=True)

    items: list[T]
    next_cursor: UUID | None = Field(description="Where the next page begins; null on the last.")


def read_page(query: PageQuery, read: Callable[[int, UUID | None], list[H]]) -> tuple[list[H], UUID | None]:
    """The items of a page and where the next begins; `read` takes a limit and the last id of the page before."""
    found = read(query.limit + 1, query.cursor)
    items = found[: query.limit]
    return items, items[-1].id if len(found) > query.limit else None


class PositionQuery(BaseModel):
    """Which page of a list in a fixed order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(100, ge=1, le=500, description="How many at most.")
    cursor: int | None = Field(
        None, ge=0, le=MAX_POSITION, description="`next_cursor` of the page before; none for the first page."
    )


class CountedPage(BaseModel, Generic[T]):
    """A page of the `total` things that match, in a fixed order."""

    model_config = ConfigDict(frozen=True)

    items: list[T]
    total: int
    next_cursor: int | None = Field(description="Where the next page begins; null on the last.")


class IdempotencyHeaders(BaseModel):
    """What makes a request that starts something safe to repeat."""

    idempotency_key: Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,200}$")] | None = Field(
        None,
        alias="Idempotency-Key",
        description="Of your choice (1 to 200 visible ASCII characters): the same key and body answer the same job.",
    )


def segment_of(field: str, value: str) -> tuple[str, str]:
    """The dimension and the label in `dimension:label`. Raises `InvalidInput` naming `field`."""
    dimension, _, label = value.partition(":")
    if not (dimension and label) or "\x00" in value:
        raise InvalidInput.of(field, "must be `dimension:label`")
    return dimension, label


def segments_of(field: str, values: list[str]) -> dict[str, list[str]]:
    """The labels wanted of each dimension in several `dimension:label`. Raises `InvalidInput`."""
    wanted: dict[str, list[str]] = {}
    for number, value in enumerate(values):
        dimension, label = segment_of(f"{field}[{number}]", value)
        wanted.setdefault(dimension, []).append(label)
    return wanted
