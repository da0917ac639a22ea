"""The file in which a running stack says who and where it is, beside its data."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

NAME = "stack.json"


@dataclass(frozen=True, slots=True)
class State:
    """A stack: `pid` is its supervisor, `processes` the ids of everything the supervisor runs, by name, and
    `concurrency` how many messages it handles at once."""

    pid: int
    url: str
    database_url: str
    redis_url: str
    concurrency: int
    ready: bool = False
    processes: dict[str, int] = field(default_factory=dict)


def write(data_dir: Path, state: State) -> None:
    """Replaces the state as a whole. The file is private: an address may hold a password."""
    fresh = data_dir / f"{NAME}.new"
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(state), file)
    fresh.replace(data_dir / NAME)


def read(data_dir: Path) -> State | None:
    """The last state written, by whichever stack; None when there is none."""
    try:
        return State(**json.loads((data_dir / NAME).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def remove(data_dir: Path) -> None:
    """Removes the state, when the stack has ended."""
    (data_dir / NAME).unlink(missing_ok=True)
