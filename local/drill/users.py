"""Users of a service: so many requests a second through the proxy, each noted with its time and status."""

from __future__ import annotations

import http.client
import threading
import time
from urllib.parse import urlsplit

PATH = "/api/v1/projects?limit=1"
WAIT_SECONDS = 60.0


class Users:
    """Ask from their making until `stop`. `answers` are (seconds since the epoch, status)."""

    def __init__(self, url: str, service: str, *, per_second: float, threads: int = 24) -> None:
        self._address = urlsplit(url).netloc
        self._path = f"/{service}{PATH}"
        self._pause = threads / per_second
        self._stopped = threading.Event()
        self.answers: list[tuple[float, int]] = []
        self._threads = [
            threading.Thread(target=self._ask, args=[number * self._pause / threads], daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Has all of them leave."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(WAIT_SECONDS)

    def healthy_since(self, begin: float, *, seconds: float = 1.0) -> float | None:
        """When the last bad answer after `begin` came, if for `seconds` since there were only good ones."""
        answers = [answer for answer in self.answers if answer[0] >= begin]
        last_bad = max((at for at, status in answers if status >= 500), default=begin)
        good = [at for at, status in answers if status < 500 and at > last_bad]
        return last_bad if good and good[-1] - last_bad >= seconds else None

    def _ask(self, delay: float) -> None:
        due = time.monotonic() + delay
        while not self._stopped.wait(max(0.0, due - time.monotonic())):
            due = max(due + self._pause, time.monotonic())
            connection = http.client.HTTPConnection(self._address, timeout=WAIT_SECONDS)
            try:
                connection.request("GET", self._path)
                response = connection.getresponse()
                response.read()
                status = response.status
            except (OSError, http.client.HTTPException):
                status = 599
            finally:
                connection.close()
            self.answers.append((time.time(), status))
