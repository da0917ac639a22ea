"""The bodies of the Gemini API, as it writes them."""

from __future__ import annotations

import json
from typing import Any

STATUS_NAMES = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip
SAFETY_RATINGS = [
    {"category": f"HARM_CATEGORY_{name}", "probability": "NEGLIGIBLE"}
    for name in ("SEXUALLY_EXPLICIT", "HATE_SPEECH", "HARASSMENT", "DANGEROUS_CONTENT")
]


written = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""A value as JSON. Made once: `json.dumps` makes an encoder for each call."""


def dump(body: Any) -> bytes:
    """JSON as it goes on the wire."""
    return written(body).encode()


def error(status: int, message: str, *, details: list[dict[str, Any]] | None = None) -> bytes:
    """The body of a failed call."""
    failure: dict[str, Any] = {"code": status, "message": message, "status": STATUS_NAMES[status]}
    if details:
        failure["details"] = details
    return json.dumps({"error": failure}, indent=2).encode()


def quota_exceeded(retry_after: float) -> bytes:
    """The body of a 429, with the quota and the delay it asks for."""
    return error(
        429,
        "You exceeded your current quota, please check your plan and billing details.",
        details=[
            {
                "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                "violations": [
                    {
                        "quotaMetric": "generativelanguage.googleapis.com/generate_content_paid_tier_requests",
                        "quotaId": "GenerateRequestsPerMinutePerProjectPerModel-PaidTier",
                        "quotaValue": "1000",
                    }
                ],
            },
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{retry_after:g}s"},
        ],
    )


def bad_key() -> bytes:
    """The body of a 400 for a key that is not valid."""
    return error(
        400,
        "API key not valid. Please pass a valid API key.",
        details=[
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "API_KEY_INVALID",
                "domain": "googleapis.com",
            }
        ],
    )


def usage(prompt: int, answer: int, *, thoughts: int = 0, cached: int = 0) -> dict[str, Any]:
    """The tokens of a call; as in the API the total includes the thoughts and the candidates do not."""
    counted: dict[str, Any] = {"promptTokenCount": prompt, "totalTokenCount": prompt + answer + thoughts}
    if answer:
        counted["candidatesTokenCount"] = answer
    if thoughts:
        counted["thoughtsTokenCount"] = thoughts
    if cached:
        counted["cachedContentTokenCount"] = cached
    counted["promptTokensDetails"] = [{"modality": "TEXT", "tokenCount": prompt}]
    return counted


def answer(model: str, text: str | None, finish: str, counted: dict[str, Any], response_id: str) -> dict[str, Any]:
    """The body of a call that has a candidate; without text the candidate has no parts."""
    content: dict[str, Any] = {"role": "model"}
    if text is not None:
        content["parts"] = [{"text": text}]
    candidate: dict[str, Any] = {"content": content, "finishReason": finish, "index": 0}
    if finish == "SAFETY":
        candidate["safetyRatings"] = [
            {**rating, "probability": "HIGH", "blocked": True} if number == 2 else rating
            for number, rating in enumerate(SAFETY_RATINGS)
        ]
    return {
        "candidates": [candidate], "usageMetadata": counted, "modelVersion": model, "responseId": response_id,
    }  # fmt: skip


def no_candidates(model: str, counted: dict[str, Any], *, block_reason: str | None = None) -> dict[str, Any]:
    """The body of a call without candidates: of a blocked prompt, or for no reason given."""
    body: dict[str, Any] = {"usageMetadata": counted, "modelVersion": model}
    if block_reason:
        body["promptFeedback"] = {"blockReason": block_reason, "safetyRatings": SAFETY_RATINGS}
    return body
