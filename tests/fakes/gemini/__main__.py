"""Runs the fake Gemini server: `python -m tests.fakes.gemini --port 0 --latency 0.2`.

The first line it prints is JSON with its `url` and `pid`. Everything else is set by `POST /control`.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import signal
import sys

from tests.fakes.gemini.behaviour import MODES, Behaviour
from tests.fakes.gemini.server import Gemini, serve


def main() -> None:
    """Serves until SIGTERM or SIGINT, or until standard input ends if asked to."""
    arguments = _arguments()
    behaviour = Behaviour(
        latency=arguments.latency,
        jitter=arguments.jitter,
        mode=arguments.mode,
        rate=arguments.rate,
        seed=arguments.seed,
        retry_after=arguments.retry_after,
        limit_per_second=arguments.limit_per_second,
    )
    asyncio.run(_run(Gemini(behaviour), arguments.host, arguments.port, until_stdin_ends=arguments.until_stdin_ends))


async def _run(gemini: Gemini, host: str, port: int, *, until_stdin_ends: bool) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = await serve(gemini, host, port)
    address = server.sockets[0].getsockname()
    print(json.dumps({"url": f"http://{address[0]}:{address[1]}", "pid": os.getpid()}), flush=True)  # noqa: T201
    if until_stdin_ends:
        loop.add_reader(sys.stdin.fileno(), lambda: stop.set() if not os.read(sys.stdin.fileno(), 4096) else None)
    gc.collect()
    gc.freeze()
    await stop.wait()
    server.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.fakes.gemini", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds each call takes")
    parser.add_argument("--jitter", type=float, default=0.0, help="seconds more or less")
    parser.add_argument("--mode", choices=MODES, default="ok")
    parser.add_argument("--rate", type=float, default=1.0, help="share of calls the mode strikes")
    parser.add_argument("--seed", type=int, default=0, help="decides which calls it strikes")
    parser.add_argument("--retry-after", type=float, default=1.0, help="seconds a 429 asks to wait")
    parser.add_argument("--limit-per-second", type=float, default=None, help="the quota beyond which calls get a 429")
    parser.add_argument("--until-stdin-ends", action="store_true", help="end with the process that holds the pipe")
    return parser.parse_args()


if __name__ == "__main__":
    main()
