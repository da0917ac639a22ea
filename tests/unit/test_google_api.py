"""Tests of how Google's REST APIs are spoken to, on the wire."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import urllib3

from common.google_api import RETRY_INFO, ApiError, GoogleApi
from common.google_tokens import NoToken
from tests.fixtures.serving import Asked, Said, serving


@dataclass
class Script:
    """What the API answers, one after the other; the last again and again."""

    url: str = ""
    answers: list[Said] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)

    def next(self) -> Said:
        """The next answer."""
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Numbered:
    """Tokens with numbers: another one each time the last was refused."""

    def __init__(self) -> None:
        self.number = 1

    def get(self, _http: urllib3.PoolManager) -> str:
        """The token."""
        return f"token-{self.number}"

    def drop(self) -> None:
        """On to the next."""
        self.number += 1


class Nobody(Numbered):
    """There is no account."""

    def get(self, _http: urllib3.PoolManager) -> str:
        """Raises."""
        raise NoToken("no account")


@pytest.fixture
def script() -> Iterator[Script]:
    """An API that follows a script."""
    found = Script()

    def answer(asked: Asked) -> Said:
        found.authorizations.append(asked.headers.get("Authorization"))
        return found.next()

    with serving(answer) as found.url:
        yield found


OK = Said({"fine": True})


def failure(status: int) -> Said:
    """An error as Google's APIs write it."""
    return Said({"error": {"code": status, "message": "no"}}, status)


def test_a_token_that_is_refused_is_replaced_once(script: Script) -> None:
    """It may have been revoked; where the next is refused as well it is not the token."""
    script.answers = [failure(401), OK]
    assert GoogleApi("x", endpoint=script.url, tokens=Numbered()).call("GET", "v1") == {"fine": True}
    assert script.authorizations == ["Bearer token-1", "Bearer token-2"]
    script.answers = [failure(401)]
    with pytest.raises(ApiError, match="401: no") as refused:
        GoogleApi("x", endpoint=script.url, tokens=Numbered()).call("GET", "v1")
    assert not refused.value.transient


def test_a_fake_is_spoken_to_by_nobody(script: Script) -> None:
    """No token leaves for an endpoint that is not Google's."""
    script.answers = [OK]
    GoogleApi("x", endpoint=script.url).call("GET", "v1")
    assert script.authorizations == [None]


def test_a_process_without_an_account_says_so(script: Script) -> None:
    """Nothing is asked for in nobody's name."""
    with pytest.raises(ApiError, match=r"no credentials for .*: no account"):
        GoogleApi("x", endpoint=script.url, tokens=Nobody()).call("GET", "v1")
    assert script.authorizations == []


@pytest.mark.parametrize(
    ("body", "headers", "seconds"),
    [
        ({"error": {"message": "no"}}, {"Retry-After": "7"}, 7.0),
        ({"error": {"details": [{"@type": RETRY_INFO, "retryDelay": "3.5s"}]}}, {}, 3.5),
        ({"error": {"details": [{"@type": RETRY_INFO, "retryDelay": "3.5s"}]}}, {"Retry-After": "2"}, 3.5),
        ({"error": {"details": ["strange", {"@type": RETRY_INFO}]}}, {"Retry-After": "nan"}, None),
        ("<html>busy</html>", {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ([], {}, None),
    ],
)
def test_an_error_says_when_to_come_again(
    script: Script, body: Any, headers: dict[str, str], seconds: float | None
) -> None:
    """In a header, in its details or in both, of which the longer holds; and where it is not JSON it is told as it
    is."""
    script.answers = [Said(body, 429, headers)]
    with pytest.raises(ApiError) as limited:
        GoogleApi("x", endpoint=script.url).call("GET", "v1")
    assert limited.value.retry_after == seconds
    assert limited.value.transient


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_read_is_tried_again_where_that_may_help(script: Script, status: int) -> None:
    """Twice here, and the third time is fine."""
    script.answers = [failure(status), failure(status), OK]
    assert GoogleApi("x", endpoint=script.url).get("v1") == {"fine": True}


def test_a_read_is_not_tried_again_where_that_cannot_help(script: Script) -> None:
    """What is forbidden stays so."""
    script.answers = [failure(403), OK]
    with pytest.raises(ApiError, match="403: no"):
        GoogleApi("x", endpoint=script.url).get("v1")
    assert len(script.authorizations) == 1


def test_a_read_that_would_come_too_late_is_not_tried_again(script: Script) -> None:
    """An API that asks for more patience than there is gets none."""
    script.answers = [Said({}, 503, {"Retry-After": "60"})]
    with pytest.raises(ApiError):
        GoogleApi("x", endpoint=script.url).get("v1", deadline=time.monotonic() + 5)
    assert len(script.authorizations) == 1


@pytest.mark.parametrize("body", ["<html>", "[]", '"text"'])
def test_an_answer_that_is_no_object_is_an_error_that_may_pass(script: Script, body: str) -> None:
    """Proxies say such things."""
    script.answers = [Said(body)]
    with pytest.raises(ApiError, match="not a JSON object") as strange:
        GoogleApi("x", endpoint=script.url).call("GET", "v1")
    assert strange.value.transient
