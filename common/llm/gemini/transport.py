"""The REST transport of Google's generated client, made lean: most of what a call costs us is spent there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from google.ai.generativelanguage_v1beta.services.generative_service.transports.rest import (
    GenerativeServiceRestTransport,
)
from google.api_core import exceptions
from google.auth.api_key import Credentials

from common.llm.gemini.connections import Connections
from common.llm.gemini.library import protos

GENERATION_CONFIG = "sight-generation-config"
"""Metadata under which a call brings its `generationConfig` as JSON: `seed`, `thinkingConfig` and the bounds
of a schema are younger than the messages of this library, which cannot hold them."""

Finish = protos.Candidate.FinishReason
Blocked = protos.GenerateContentResponse.PromptFeedback.BlockReason
GENERATED = protos.GenerateContentResponse.pb()
EMBEDDED = protos.BatchEmbedContentsResponse.pb()


class NotUnderstood(Exception):
    """The server answered 200 with something else than the API's JSON."""


class LeanTransport(GenerativeServiceRestTransport):
    """Sends requests of text and reads their replies.

    The generated methods look up proxies in the environment for every call, and turn messages into JSON
    and back field by field in Python. These read and write the few fields we use.
    """

    def __init__(self, *, endpoint: str, api_key: str) -> None:
        super().__init__(host=endpoint, credentials=Credentials(api_key))  # type: ignore[no-untyped-call]
        self._api_key = api_key
        self._connections = Connections(endpoint)

    @property
    def generate_content(self) -> Any:
        """The method as the generated client calls it."""
        return self._generate_content

    @property
    def batch_embed_contents(self) -> Any:
        """The method as the generated client calls it."""
        return self._batch_embed_contents

    def interrupt(self) -> None:
        """Breaks off the calls under way."""
        self._connections.interrupt()

    def close(self) -> None:
        """Closes idle connections."""
        self._connections.close()
        super().close()  # type: ignore[no-untyped-call]

    def _generate_content(
        self,
        request: protos.GenerateContentRequest,
        *,
        timeout: float,
        metadata: Sequence[tuple[str, str]] = (),
    ) -> protos.GenerateContentResponse:
        headers = dict(metadata)
        config = headers.pop(GENERATION_CONFIG)
        message = protos.GenerateContentRequest.pb(request)
        texts = {
            "systemInstruction": _content(message.system_instruction),
            "contents": [{"role": content.role, **_content(content)} for content in message.contents],
        }
        body = f'{_json(texts)[:-1]},"generationConfig":{config}}}'
        answer = self._post(f"/v1beta/{message.model}:generateContent", body, headers, timeout)
        try:
            said = GENERATED(
                candidates=[_candidate(each) for each in answer.get("candidates", ())],
                prompt_feedback={"block_reason": _number(Blocked, answer.get("promptFeedback", {}).get("blockReason"))},
                usage_metadata=_usage(answer.get("usageMetadata", {})),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise NotUnderstood(f"{type(error).__name__}: {error}") from error
        return protos.GenerateContentResponse.wrap(said)  # type: ignore[no-any-return]

    def _batch_embed_contents(
        self,
        request: protos.BatchEmbedContentsRequest,
        *,
        timeout: float,
        metadata: Sequence[tuple[str, str]] = (),
    ) -> protos.BatchEmbedContentsResponse:
        message = protos.BatchEmbedContentsRequest.pb(request)
        requests = [
            {
                "model": each.model,
                "content": _content(each.content),
                "taskType": each.task_type,
                "outputDimensionality": each.output_dimensionality,
            }
            for each in message.requests
        ]
        body = _json({"requests": requests})
        answer = self._post(f"/v1beta/{message.model}:batchEmbedContents", body, dict(metadata), timeout)
        try:
            vectors = EMBEDDED(embeddings=[{"values": each["values"]} for each in answer["embeddings"]])
        except (KeyError, TypeError, ValueError) as error:
            raise NotUnderstood(f"{type(error).__name__}: {error}") from error
        return protos.BatchEmbedContentsResponse.wrap(vectors)  # type: ignore[no-any-return]

    def _post(self, path: str, body: str, headers: Mapping[str, str], timeout: float) -> dict[str, Any]:
        headers = {**headers, "Content-Type": "application/json", "x-goog-api-key": self._api_key}
        response = self._connections.post(path, body.encode(), headers, timeout=timeout)
        try:
            answer = json.loads(response.body)
        except ValueError:
            answer = None
        understood = isinstance(answer, dict)
        if response.status_code >= 400:
            raise exceptions.format_http_response_error(response, "POST", path, answer if understood else {})
        if not understood:
            raise NotUnderstood("the body is not a JSON object")
        return answer  # type: ignore[no-any-return]


def _content(content: Any) -> dict[str, Any]:
    return {"parts": [{"text": part.text} for part in content.parts]}


def _candidate(candidate: Mapping[str, Any]) -> dict[str, Any]:
    parts = candidate.get("content", {}).get("parts", ())
    return {
        "content": {"parts": [{"text": part.get("text", "")} for part in parts]},
        "finish_reason": _number(Finish, candidate.get("finishReason")),
    }


def _usage(counted: Mapping[str, Any]) -> dict[str, int]:
    return {
        "prompt_token_count": counted.get("promptTokenCount", 0),
        "candidates_token_count": counted.get("candidatesTokenCount", 0),
        "total_token_count": counted.get("totalTokenCount", 0),
        "cached_content_token_count": counted.get("cachedContentTokenCount", 0),
    }


def _number(enumeration: Any, name: str | None) -> int:
    """The number of a name; of one younger than this library, that of its last-resort member `OTHER`."""
    if name is None:
        return 0
    return int(getattr(enumeration, name, enumeration.OTHER))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
