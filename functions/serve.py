"""Serves one function over HTTP, as its container on Cloud Run does: `python -m functions.serve`.

`FUNCTION_TARGET` names the function and `PORT` the port.
"""

from __future__ import annotations

from common.bootstrap import services
from common.settings import Misconfigured
from functions.loading import load
from functions.server import serve


def main() -> None:
    """Serves until SIGTERM. Raises `Misconfigured` where the function is not named."""
    settings = services().settings
    if settings.function is None:
        raise Misconfigured("set FUNCTION_TARGET to the name of the function to serve")
    serve(load(settings.function), bind=[f"0.0.0.0:{settings.port}"], processes=1, threads=settings.worker_threads)


if __name__ == "__main__":
    main()
