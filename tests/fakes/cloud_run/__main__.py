"""Runs the fake Cloud Run and Monitoring: `python -m tests.fakes.cloud_run --port 0`.

The first line it prints is JSON with its `url` and `pid`. Everything else is set by `POST /control`.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import threading

from tests.fakes.cloud_run.server import CloudRunServer


def main() -> None:
    """Serves until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="tests.fakes.cloud_run", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    server = CloudRunServer(port=parser.parse_args().port)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    print(json.dumps({"url": server.url, "pid": os.getpid()}), flush=True)  # noqa: T201
    ended.wait()
    server.close()


if __name__ == "__main__":
    main()
