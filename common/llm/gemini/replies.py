"""Reads a reply of Gemini: what it says, what it cost, and whether it is what was asked for."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from common.llm.gemini.library import protos
from common.llm.port import BadReply, Refused, Usage

E = TypeVar("E", BadReply, Refused)

Finish = protos.Candidate.FinishReason
Blocked = protos.GenerateContentResponse.PromptFeedback.BlockReason

COMPLETE = frozenset({Finish.STOP, Finish.FINISH_REASON_UNSPECIFIED})
REFUSALS = frozenset({Finish.SAFETY, Finish.BLOCKLIST, Finish.PROHIBITED_CONTENT, Finish.SPII, Finish.LANGUAGE})


def usage_of(response: Any) -> Usage:
    """The tokens of a response (a `GenerateContentResponse` message).

    Output is all that is not input: thinking is charged as output, and of it this library knows only
    what the total gives away.
    """
    counted = response.usage_metadata
    output = max(counted.candidates_token_count, counted.total_token_count - counted.prompt_token_count)
    return Usage(counted.prompt_token_count, output, counted.cached_content_token_count)


def text_of(response: Any) -> str:
    """The text of a response. Raises `Refused` where the model would not answer, `BadReply` where it broke off."""
    usage = usage_of(response)
    if response.prompt_feedback.block_reason:
        reason = Blocked(response.prompt_feedback.block_reason).name
        raise _with_usage(Refused(f"Gemini blocked the prompt: {reason}"), usage)
    if not response.candidates:
        raise _with_usage(BadReply("Gemini answered nothing and gave no reason"), usage)
    candidate = response.candidates[0]
    finish = Finish(candidate.finish_reason)
    if finish in REFUSALS:
        raise _with_usage(Refused(f"Gemini would not answer: {finish.name}"), usage)
    if finish not in COMPLETE:
        raise _with_usage(BadReply(f"Gemini broke off its answer: {finish.name}"), usage)
    text = "".join(part.text for part in candidate.content.parts)
    if not text.strip():
        raise _with_usage(BadReply("Gemini answered with an empty text"), usage)
    return text


def data_of(text: str, schema: type[BaseModel], usage: Usage) -> BaseModel:
    """The structured output in a text. Raises `BadReply` naming the first thing wrong with it."""
    try:
        return schema.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the reply"
        raise _with_usage(BadReply(f"Gemini's reply does not fit: {where}: {first['msg']}"), usage) from None


def _with_usage(error: E, usage: Usage) -> E:
    error.usage = usage
    return error
