"""The HTTP API as one Flask app, made from the services it runs on."""

from __future__ import annotations

import hmac
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import structlog
from flask import Flask, Request, Response, g, request
from flask.json.provider import DefaultJSONProvider
from pydantic_core import from_json, to_json
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from common.errors import FieldError, Malformed, Unauthenticated
from common.telemetry import trace
from functions.api import problems
from functions.api.context import EXTENSION, services
from functions.api.routes import BLUEPRINTS
from functions.api.sse import Streams

if TYPE_CHECKING:
    from common.bootstrap import Services

MAX_BODY_BYTES = 1_000_000
PUBLIC = frozenset({"documentation.favicon", "health.health", "health.liveness", "health.readiness", "health.startup"})
"""What needs no key. Everything else does, what is not there too."""
DOCUMENTATION = "documentation"
"""The blueprint a browser may open with the key as its password, as it cannot send a bearer token by itself."""


class _Json(DefaultJSONProvider):
    """Reads JSON strictly: no NaN, no lone surrogates, no nesting that would exhaust the stack."""

    def loads(self, s: str | bytes, **_options: Any) -> Any:
        return from_json(s, allow_inf_nan=False)

    def dumps(self, obj: Any, **_options: Any) -> str:
        return to_json(obj).decode()


class _Request(Request):
    """Says what is wrong with a body that cannot be read."""

    def on_json_loading_failed(self, e: ValueError | None) -> Any:
        if e is None:
            raise UnsupportedMediaType
        raise Malformed(f"the body is not JSON: {e}", errors=(FieldError("body", str(e)),))


def create_app(services: Services) -> Flask:
    """The API on these services. It opens no connection before the first request that needs one."""
    app = Flask("sight", static_folder=None)
    app.json = _Json(app)
    app.request_class = _Request
    # One more than fits: a body without a length is cut off there, and would else look as if it ended.
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES + 1
    app.extensions[EXTENSION] = services
    app.extensions["streams"] = Streams(max(1, services.settings.worker_threads // 2))
    problems.register(app)
    app.before_request(_join_trace)
    app.before_request(_authenticate)
    app.before_request(_read_body)
    app.after_request(_add_headers)
    app.teardown_request(_leave_trace)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    return app


def _join_trace() -> None:
    g.traceparent = trace.accept(request.headers.get("traceparent"))
    g.log_tokens = structlog.contextvars.bind_contextvars(traceparent=g.traceparent)


def _leave_trace(_error: BaseException | None) -> None:
    structlog.contextvars.reset_contextvars(**g.pop("log_tokens", {}))


def _authenticate() -> None:
    key = services().settings.api_key
    if key is None or not key.get_secret_value().strip() or request.endpoint in PUBLIC:
        return
    given = request.authorization
    sent = ""
    if given is not None and given.type == "bearer":
        sent = given.token or ""
    elif given is not None and given.type == "basic" and request.blueprint == DOCUMENTATION:
        sent = given.password or ""
    if not hmac.compare_digest(sent.encode(), key.get_secret_value().encode()):
        raise Unauthenticated("send the API key as `Authorization: Bearer ...`")


def _read_body() -> None:
    if request.method not in ("POST", "PUT", "PATCH") or request.routing_exception is not None:
        return
    body = request.get_data()
    if len(body) > MAX_BODY_BYTES:
        raise RequestEntityTooLarge
    if body.strip() and not isinstance(request.get_json(), dict):
        raise Malformed("the body must be a JSON object", errors=(FieldError("body", "must be a JSON object"),))


def _add_headers(response: Response) -> Response:
    if response.status_code == HTTPStatus.UNAUTHORIZED:
        response.headers.add("WWW-Authenticate", 'Bearer realm="sight"')
        if request.blueprint == DOCUMENTATION:
            response.headers.add("WWW-Authenticate", 'Basic realm="sight"')
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
