"""What every process that serves functions does at its end, on Cloud Run and on one machine alike."""

from __future__ import annotations

import os
from collections.abc import Callable

import structlog

from common import bootstrap
from common.shutdown import PROCESS
from common.telemetry import logs

log = structlog.get_logger()


def attend(hand_over: Callable[[], None]) -> None:
    """Has this process keep the times of its end, from when `PROCESS.begin` is called: to be called once, after
    the process was forked. `hand_over` gives back what it holds even then; after it the process ends."""

    def leave() -> None:
        try:
            hand_over()
        except Exception:
            log.exception("handing_over_failed")
        finally:
            finish()
            os._exit(0)  # threads that are still at work would keep the interpreter from ending

    PROCESS.attend(interrupt=bootstrap.services().interrupt, leave=leave)


def hand_over() -> None:
    """Gives back the items this process holds, and asks others for them."""
    given_up = bootstrap.services().give_up()
    log.warning("items_given_up", items=given_up)


def finish() -> None:
    """Closes what this process has opened, and has the last of its log written."""
    try:
        bootstrap.services().close()
    except Exception:
        log.exception("closing_failed")
    log.info("process_ended", pid=os.getpid())
    logs.flush()
