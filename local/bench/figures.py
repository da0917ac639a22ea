"""What a benchmark measures."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value. `target` is the most it may be, None where it is only reported."""

    case: str
    metric: str
    value: float
    unit: str
    target: float | None = None

    @property
    def holds(self) -> bool | None:
        """Whether the target is reached, None without one."""
        return None if self.target is None else self.value <= self.target
