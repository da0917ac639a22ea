"""Answers one question as one persona."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from common.bootstrap import services
from common.events.models import AnswerRequested
from common.focus_groups.answering import answer as answer_question
from common.jobs.work import work

if TYPE_CHECKING:
    from flask import Request

READS = TypeAdapter(AnswerRequested)


def answer(request: Request) -> tuple[str, int]:
    """Handles a push request of the topic sight-answers."""
    return services().receiver.receive(request.get_data(), request.headers, READS, _handle)


def _handle(event: AnswerRequested) -> None:
    s = services()
    work(
        event,
        kind="focus_group",
        reserve_micros=s.reserve_micros("focus_group"),
        engine=s.engine,
        relay=s.relay,
        perform=partial(answer_question, engine=s.engine, llm=s.llm),
    )
