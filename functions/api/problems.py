"""The one shape of every error: RFC 9457 problem details, whatever went wrong and wherever."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import structlog
from flask import Response, current_app, request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from common.audiences.parsing import field_path
from common.database import failures
from common.errors import FieldError, InvalidInput, NotFound, SightError

if TYPE_CHECKING:
    from flask import Flask

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 2
MAX_ERRORS = 50


class FieldProblem(BaseModel):
    """One field that is wrong: its path (`audience.dimensions[0].shares`) and what would be right."""

    field: str
    message: str


class Problem(BaseModel):
    """What went wrong (RFC 9457). `code` is stable and meant for programs, `detail` for people."""

    model_config = ConfigDict(frozen=True)

    type: str = Field(description="`urn:sight:problem:` and the code.")
    title: str
    status: int
    detail: str
    code: str
    instance: str = Field(description="The path that was asked for.")
    errors: list[FieldProblem] = Field(description="Each field that is wrong; empty where it is no field.")


def register(app: Flask) -> None:
    """Has every error of the app answered as a problem."""
    app.register_error_handler(SightError, _of_sight)
    app.register_error_handler(HTTPException, _of_http)
    app.register_error_handler(DBAPIError, _of_database)
    app.register_error_handler(PoolTimeout, _unavailable)
    app.register_error_handler(Exception, _unexpected)


def invalid(error: ValidationError) -> InvalidInput:
    """Names each field of a request that does not fit its model, up to a limit."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    errors = tuple(FieldError(_field(each["loc"]), each["msg"]) for each in found)
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return InvalidInput(f"{errors[0].field}: {errors[0].message}{more}", errors=errors[:MAX_ERRORS])


def _field(location: tuple[int | str, ...]) -> str:
    return field_path(str(location[0]), location[1:]) if location else "body"


def answer(problem: Problem, headers: dict[str, str] | None = None, **members: Any) -> Response:
    """The response for a problem, with extension members."""
    body = current_app.json.dumps(problem.model_dump() | members)
    response = Response(body, problem.status, headers, content_type=MEDIA_TYPE)
    response.headers["Cache-Control"] = "no-store"
    return response


def problem(status: int, code: str, title: str, detail: str, errors: tuple[FieldError, ...] = ()) -> Problem:
    """A problem about the request under way."""
    return Problem(
        type=f"urn:sight:problem:{code}",
        title=title,
        status=status,
        detail=detail,
        code=code,
        instance=quote(request.path, safe="/:"),
        errors=[FieldProblem(field=each.field, message=each.message) for each in errors],
    )


def _of_sight(error: SightError) -> Response:
    headers: dict[str, str] = {}
    if error.retry_after is not None or error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        wait = RETRY_AFTER_SECONDS if error.retry_after is None else error.retry_after
        headers["Retry-After"] = str(max(1, math.ceil(wait)))
    errors = error.errors or _path_parameter(error)
    return answer(problem(error.status, error.code, error.title, error.detail, errors), headers)


_PARAMETERS = {"panel_not_found": "job_id", "summary_not_found": "focus_group_id"}


def _path_parameter(error: SightError) -> tuple[FieldError, ...]:
    """The id in the path that names nothing: `job_not_found` is about `job_id`."""
    parameter = _PARAMETERS.get(error.code, f"{error.code.removesuffix('_not_found')}_id")
    if isinstance(error, NotFound) and parameter in (request.view_args or {}):
        return (FieldError(parameter, error.detail),)
    return ()


_HTTP: dict[int, tuple[str, str, tuple[FieldError, ...]]] = {
    400: ("malformed", "the request cannot be read", ()),
    404: ("no_such_path", "there is nothing at this path; where it holds an id, that is a UUID", ()),
    405: ("method_not_allowed", "this path does not take this method", ()),
    413: ("too_large", "the body is over 1 MB", (FieldError("body", "at most 1,000,000 bytes"),)),
    415: ("unsupported_media_type", "send the body as JSON", (FieldError("Content-Type", "application/json"),)),
}


def _of_http(error: HTTPException) -> Response | HTTPException:
    status = error.code or 500
    if status < 400:
        return error
    phrase = HTTPStatus(status).phrase
    code, detail, errors = _HTTP.get(status, (phrase.lower().replace(" ", "_"), phrase, ()))
    headers = {k: v for k, v in error.get_headers() if k.lower() not in ("content-type", "content-length")}
    return answer(problem(status, code, phrase, detail, errors), headers)


def _of_database(error: DBAPIError) -> Response:
    return _unavailable(error) if failures.passes(error) else _unexpected(error)


def _unavailable(error: Exception) -> Response:
    log.warning("database_unavailable", error=type(error).__name__)
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return answer(
        problem(503, "database_unavailable", "Temporarily unavailable", "the database cannot be reached"), headers
    )


def _unexpected(error: Exception) -> Response:
    log.error("request_failed", exc_info=error, method=request.method, path=request.path)
    return answer(problem(500, "internal", "Internal error", "an unexpected error; it has been logged"))
