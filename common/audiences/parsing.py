"""Reads an audience from parsed JSON or YAML, and gathers everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from common.audiences.models import AudienceSpec
from common.errors import FieldError, InvalidInput

ROOT = "audience"


@dataclass(slots=True)
class Problems:
    """Everything found wrong so far, so that a caller hears of all of it at once."""

    found: list[FieldError] = field(default_factory=list)

    def add(self, path: str, message: str) -> None:
        """Notes that the field at `path` is wrong."""
        self.found.append(FieldError(path, message))

    def raise_any(self) -> None:
        """Raises `InvalidInput` with every problem noted, if there is one."""
        if self.found:
            first, rest = self.found[0], len(self.found) - 1
            more = f" (and {rest} more)" if rest else ""
            raise InvalidInput(f"{first.field}: {first.message}{more}", errors=tuple(self.found))


def parse_audience(data: object, *, root: str = ROOT) -> AudienceSpec:
    """The audience in `data`, as `json` or `yaml` parsed it. Raises `InvalidInput` naming every field whose
    form is wrong; whether the figures make sense is for `prepare` to say."""
    try:
        return AudienceSpec.model_validate(data)
    except ValidationError as error:
        problems = Problems()
        for found in error.errors(include_url=False, include_context=False, include_input=False):
            problems.add(field_path(root, found["loc"]), found["msg"])
        problems.raise_any()
        raise


def field_path(root: str, location: Sequence[str | int]) -> str:
    """`("dimensions", 1, "shares")` under `audience` is `audience.dimensions[1].shares`."""
    path = root
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part.isidentifier():
            path += f".{part}"
        else:
            path += f'["{part}"]'
    return path
