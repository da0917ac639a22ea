"""What Sight asks of Cloud Monitoring: how a revision fared over a span of time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from common.errors import Unavailable


class MonitoringUnavailable(Unavailable):
    """Cloud Monitoring could not be asked."""

    code = "monitoring_unavailable"


@dataclass(frozen=True, slots=True)
class Fared:
    """How a revision fared: counts over the span, `p95_ms` None where there was nothing to measure."""

    requests: int
    errors: int
    """Answers of the class 5xx."""
    p95_ms: float | None
    crashes: int
    """Instances that ended by themselves."""

    @property
    def error_share(self) -> float | None:
        """The share of 5xx, 0 to 1; None without requests."""
        return self.errors / self.requests if self.requests else None


class Monitoring(Protocol):
    """The Cloud Monitoring API, or what stands for it."""

    def fared(self, service: str, region: str, revision: str, *, start: datetime, end: datetime) -> Fared:
        """How the revision fared between two times. Raises `MonitoringUnavailable`."""
        ...
