"""The API's contract: validates requests against their models, and writes the OpenAPI document from them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from flask import Request
from flask import Response as FlaskResponse
from pydantic import ValidationError
from spectree import Response, SecurityScheme, SpecTree
from spectree.models import SecureType, SecuritySchemeData
from spectree.plugins.flask_plugin import FlaskPlugin

from functions.api.problems import MEDIA_TYPE, Problem, invalid

VERSION = "1"
DESCRIPTION = """\
Virtual focus groups with AI personas: describe an audience, draw a panel that matches it, ask it questions, read
the transcript and its analysis.

Long work is a job: the request that starts it answers 202 with the job at once. Follow it by server-sent events
(`/jobs/{job_id}/events:stream`) or by polling it with `If-None-Match`. Send an `Idempotency-Key` to be able to
repeat a request: the same key and body answer the same job. Every error is a problem (RFC 9457,
`application/problem+json`). Money is in millionths of a US dollar (`*_micros`) unless it says `_usd`."""

_ALWAYS = (HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE)
_OF_BODIES = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)


class _Plugin(FlaskPlugin):
    """Raises what is wrong with a request as our own error, so that it is answered as every other, and leaves
    finished responses alone: a stream must not be read to its end before it is sent."""

    def request_validation(
        self, request: Request, query: Any, json: Any, form: Any, headers: Any, cookies: Any
    ) -> None:
        try:
            super().request_validation(request, query, json, form, headers, cookies)  # type: ignore[no-untyped-call]
        except ValidationError as error:
            raise invalid(error) from error

    def validate_response(
        self, resp: Any, resp_model: Response | None, skip_validation: bool, force_resp_serialize: bool
    ) -> tuple[FlaskResponse, Any]:
        if isinstance(resp, FlaskResponse):
            return resp, None
        checked: tuple[FlaskResponse, Any] = super().validate_response(
            resp, resp_model, skip_validation, force_resp_serialize
        )
        return checked


def _raise_invalid_response(_request: Any, _response: Any, error: Exception | None, *_: Any) -> None:
    if error is not None:
        raise error


api = SpecTree(
    backend=_Plugin,
    after=_raise_invalid_response,
    mode="strict",
    title="Sight",
    version=VERSION,
    description=DESCRIPTION,
    validation_error_model=Problem,
    naming_strategy=lambda model: str(model.__name__).replace("[", "").replace("]", ""),
    nested_naming_strategy=lambda _parent, child: child,
    security_schemes=[SecurityScheme(name="key", data=SecuritySchemeData(type=SecureType.HTTP, scheme="bearer"))],
    security=[{"key": []}],
)

_MEDIA: dict[str, str] = {}
_EXAMPLES: dict[str, dict[str, Any]] = {}


def operation(
    tag: str,
    *,
    example: dict[str, Any] | None = None,
    media: str | None = None,
    public: bool = False,
    **answers: Any,
) -> Callable[[Callable[..., Any]], Callable[..., FlaskResponse]]:
    """Validates a route's `query`, `json` and `headers` arguments against their annotations and documents it.

    `answers` maps statuses (`HTTP_200`) to the model of their body, or None where there is none; every error
    that any route may answer is added to the document by itself, as a problem unless it has a model here.
    `example` is a body to try it with. `media` is the media type a success may have beside JSON, or instead of it
    where there is no model. The operation's id is the function's name.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., FlaskResponse]:
        if media:
            _MEDIA[function.__name__] = media
        if example:
            _EXAMPLES[function.__name__] = example
        decorated: Callable[..., FlaskResponse] = api.validate(
            resp=Response(**answers),
            tags=[tag],
            operation_id=function.__name__,
            security=[] if public else None,
        )(function)
        return decorated

    return decorate


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document of the app whose context this is called in."""
    found: dict[str, Any] = copy.deepcopy(api.spec)
    for path in found["paths"].values():
        for each in path.values():
            _complete(each, found["components"]["schemas"])
    found["paths"] = {path: found["paths"][path] for path in sorted(found["paths"])}
    found["components"]["schemas"] = dict(sorted(found["components"]["schemas"].items()))
    return found


def _has_own_body(response: dict[str, Any]) -> bool:
    """Whether an error is answered with a model of its own instead of a problem."""
    schema = response.get("content", {}).get("application/json", {}).get("schema", {})
    return not schema.get("$ref", "/Problem").endswith("/Problem")


def _complete(each: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Adds to an operation what holds for all of them."""
    responses = each["responses"]
    takes_input = bool(each["parameters"]) or "requestBody" in each
    errors = [*_ALWAYS]
    if "security" not in each:
        errors.append(HTTPStatus.UNAUTHORIZED)
    if any(parameter["in"] == "path" for parameter in each["parameters"]):
        errors.append(HTTPStatus.NOT_FOUND)
    if "requestBody" in each:
        errors.extend(_OF_BODIES)
        body = each["requestBody"]["content"]["application/json"]
        each["requestBody"]["required"] = bool(schemas[body["schema"]["$ref"].rpartition("/")[2]].get("required"))
        if each["operationId"] in _EXAMPLES:
            body["example"] = _EXAMPLES[each["operationId"]]
    if not takes_input:
        responses.pop("422", None)
    for status in errors:
        responses.setdefault(str(status.value), {"description": status.phrase})
    for status, response in responses.items():
        if int(status) >= 400 and not _has_own_body(response):
            response["content"] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        elif each["operationId"] in _MEDIA and status == "200":
            response.setdefault("content", {})[_MEDIA[each["operationId"]]] = {"schema": {"type": "string"}}
    if "202" in responses:
        responses["202"]["headers"] = {
            "Location": {"description": "The job.", "schema": {"type": "string", "format": "uri-reference"}}
        }
    each["responses"] = dict(sorted(responses.items()))
