"""What engineers ask for by `sight ops`: served beside the rollback, so that it works when the API does not."""

from __future__ import annotations

import hmac
import json
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import structlog
from flask import Response

from common.errors import Conflict, InvalidInput, Malformed, NotFound, SightError, Unauthenticated, Unavailable
from common.releases.alerts import NAME

if TYPE_CHECKING:
    from flask import Request

    from common.bootstrap import Services
    from common.releases.record import Record

MAX_BODY_BYTES = 1_000_000
MAX_LIMIT = 500
MAX_TEXT = 500
RETRY_AFTER_SECONDS = 2
NO_STORE = {"Cache-Control": "no-store"}

Fields = Mapping[str, Any]
Answer = tuple[int, dict[str, Any]]
log = structlog.get_logger()


def answer(request: Request, services: Services) -> Response:
    """The answer to a request under `/ops/`, errors as problem+json (RFC 9457)."""
    try:
        _authenticate(request, services)
        status, body = _route(request)(_fields(request), services)
        return Response(json.dumps(body), status, NO_STORE, content_type="application/json")
    except SightError as error:
        found = error
    except Exception as error:
        if not type(error).__module__.startswith(("sqlalchemy", "pg8000")):
            log.exception("ops_failed", path=request.path)
            found = SightError("an unexpected error; the log has it")
        else:
            found = Unavailable("the database is away: what only it knows cannot be told or changed now")
    return _problem(found, request.path)


def _authenticate(request: Request, services: Services) -> None:
    key = services.settings.api_key
    if key is None or not key.get_secret_value().strip():
        return
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not hmac.compare_digest(token.encode(), key.get_secret_value().encode()):
        raise Unauthenticated("send the API key as `Authorization: Bearer ...`")


def _route(request: Request) -> Callable[[Fields, Services], Answer]:
    found = ROUTES.get((request.method, request.path.rstrip("/")))
    if found is None:
        raise NotFound(f"there is no {request.method} {request.path}")
    return found


def _fields(request: Request) -> Fields:
    if request.method == "GET":
        return request.args
    body = request.get_data()
    if len(body) > MAX_BODY_BYTES:
        raise Malformed("the body is too large")
    try:
        fields = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise Malformed(f"the body is not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise Malformed("the body must be a JSON object")
    return fields


def _list_releases(fields: Fields, services: Services) -> Answer:
    from common.releases import views

    service, region = _name(fields, "service"), _name(fields, "region")
    with services.rollback.ledger.engine().connect() as connection:
        return 200, {"items": views.releases(connection, service=service, region=region, limit=_limit(fields))}


def _timeline(fields: Fields, services: Services) -> Answer:
    from common.releases import views

    with services.rollback.ledger.engine().connect() as connection:
        items = views.timeline(connection, *_where(fields, services), limit=_limit(fields))
    return 200, {"items": items}


def _roll_back(fields: Fields, services: Services) -> Answer:
    from common.releases import by_hand

    record = by_hand.roll_back(
        services.rollback,
        *_where(fields, services),
        to=_name(fields, "to"),
        reason=_needed(fields, "reason"),
        by=_needed(fields, "by"),
        force=_flag(fields, "force"),
    )
    return _moved(record)


def _promote(fields: Fields, services: Services) -> Answer:
    from common.releases import by_hand

    record = by_hand.promote(
        services.rollback,
        *_where(fields, services),
        revision=_name(fields, "revision") or _needed(fields, "revision"),
        reason=_needed(fields, "reason"),
        by=_needed(fields, "by"),
        force=_flag(fields, "force"),
    )
    return _moved(record)


def _release(fields: Fields, services: Services) -> Answer:
    from common.releases import views
    from common.releases.events import ReleaseDeployed

    service, region = _where(fields, services)
    by, revision, tag = (
        _needed(fields, "by"),
        _text(fields, "revision", needed=False),
        _text(fields, "tag", needed=False),
    )
    if (revision is None) == (tag is None):
        raise InvalidInput.of("revision", "give either revision or tag")
    begun = services.walk.release(ReleaseDeployed(service=service, region=region, revision=revision, tag=tag), by=by)
    if begun is None:
        raise Conflict(f"{revision or tag} of {service} is on its way already")
    with services.engine.connect() as connection:
        return 202, views.release(connection, begun.id)


def _abort(fields: Fields, services: Services) -> Answer:
    from common.releases import views

    where, by, reason = _where(fields, services), _needed(fields, "by"), _needed(fields, "reason")
    ended = services.walk.abort(*where, by=by, reason=reason)
    with services.engine.connect() as connection:
        return 200, views.release(connection, ended.id)


def _pause(fields: Fields, services: Services) -> Answer:
    return _set_paused(fields, services, paused=True)


def _resume(fields: Fields, services: Services) -> Answer:
    return _set_paused(fields, services, paused=False)


def _set_paused(fields: Fields, services: Services, *, paused: bool) -> Answer:
    from common.releases import views

    service, region = _where(fields, services)
    by, reason = _needed(fields, "by"), _needed(fields, "reason")
    with services.rollback.ledger.engine().begin() as connection:
        views.set_paused(connection, service, region, paused=paused, by=by, reason=reason)
    return 200, {"service": service, "region": region, "paused": paused}


def _replay(fields: Fields, services: Services) -> Answer:
    from common.releases import views

    incident, notification = _text(fields, "incident_id", needed=False), fields.get("notification")
    if (incident is None) == (notification is None):
        raise InvalidInput.of("incident_id", "give either incident_id or notification")
    if incident is not None:
        with services.rollback.ledger.engine().connect() as connection:
            notification = views.notification(connection, incident)
    decision = services.rollback.rehearse(json.dumps(notification).encode())
    names = ("action", "code", "reason", "source", "target", "dry_run")
    return 200, {name: getattr(decision, name) for name in names}


def _moved(record: Record) -> Answer:
    assert record.change is not None
    body = {
        "service": record.service,
        "region": record.region,
        "source": record.source,
        "target": record.target,
        "state": record.change.state,
        "detail": record.change.detail,
        "lines": [{"at": line.at.isoformat(), "type": line.type, "text": line.text} for line in record.lines],
    }
    return 200 if record.change.state == "verified" else 502, body


ROUTES: Mapping[tuple[str, str], Callable[[Fields, Services], Answer]] = {
    ("GET", "/ops/releases"): _list_releases,
    ("GET", "/ops/timeline"): _timeline,
    ("POST", "/ops/rollback"): _roll_back,
    ("POST", "/ops/promote"): _promote,
    ("POST", "/ops/release"): _release,
    ("POST", "/ops/abort"): _abort,
    ("POST", "/ops/pause"): _pause,
    ("POST", "/ops/resume"): _resume,
    ("POST", "/ops/replay"): _replay,
}


def _where(fields: Fields, services: Services) -> tuple[str, str]:
    service = _name(fields, "service") or _needed(fields, "service")
    return service, _name(fields, "region") or services.settings.tasks_location


def _name(fields: Fields, name: str) -> str | None:
    """The name of something in Cloud Run: it goes into the addresses of requests."""
    found = _text(fields, name, needed=False)
    if found is not None and not NAME.fullmatch(found):
        raise InvalidInput.of(name, "must be lowercase letters, digits and hyphens")
    return found


def _needed(fields: Fields, name: str) -> str:
    found = _text(fields, name, needed=True)
    assert found is not None
    return found


def _text(fields: Fields, name: str, *, needed: bool) -> str | None:
    value = fields.get(name)
    if value is None or value == "":
        if needed:
            raise InvalidInput.of(name, "is required")
        return None
    if not isinstance(value, str) or not 0 < len(value.strip()) <= MAX_TEXT or not _is_storable(value):
        raise InvalidInput.of(name, f"must be text of 1 to {MAX_TEXT} characters")
    return value.strip()


def _is_storable(value: str) -> bool:
    try:
        return b"\x00" not in value.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which JSON may spell
        return False


def _flag(fields: Fields, name: str) -> bool:
    value = fields.get(name, False)
    if not isinstance(value, bool):
        raise InvalidInput.of(name, "must be true or false")
    return value


def _limit(fields: Fields) -> int:
    value = str(fields.get("limit", 100))
    if not value.isdecimal() or not 1 <= int(value) <= MAX_LIMIT:
        raise InvalidInput.of("limit", f"must be a whole number from 1 to {MAX_LIMIT}")
    return int(value)


def _problem(error: SightError, path: str) -> Response:
    body = {
        "type": f"urn:sight:problem:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "instance": path,
        "errors": [{"field": each.field, "message": each.message} for each in error.errors],
    }
    headers = dict(NO_STORE)
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="sight"'
    if isinstance(error, Unavailable):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after or RETRY_AFTER_SECONDS)))
    return Response(json.dumps(body), error.status, headers, content_type="application/problem+json")
