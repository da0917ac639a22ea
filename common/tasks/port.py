"""What Sight asks of a service that makes an HTTP request later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from common.errors import Unavailable


class TasksUnavailable(Unavailable):
    """The service did not take the tasks; none, some or all may have been accepted."""

    code = "tasks_unavailable"


@dataclass(frozen=True, slots=True)
class HttpTask:
    """A POST of a JSON body, repeated until it is answered with 2xx."""

    url: str
    body: bytes


class Tasks(Protocol):
    """Makes requests at least once, not before their time."""

    def schedule(self, tasks: Sequence[HttpTask], *, delay: float) -> None:
        """Has the requests made `delay` seconds from now. Raises `TasksUnavailable`."""
        ...

    def close(self) -> None:
        """Releases connections."""
        ...
