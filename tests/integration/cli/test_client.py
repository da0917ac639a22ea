from __future__ import annotations

import socket

import pytest

from cli import client as module
from cli.client import Client, connect
from cli.errors import Dropped, Problem, Unreachable, WrongUsage
from tests.integration.cli.fake_api import FakeApi, Say

PROBLEM = {"title": "Invalid input", "detail": "size: too many", "code": "invalid_input", "status": 422, "errors": []}


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.client.time.sleep", lambda seconds: None)


def test_sends_the_key_and_leaves_out_what_is_none(api: FakeApi, client: Client) -> None:
    """Requests carry the API key, and only parameters that have a value."""
    api.on("GET", "/jobs", Say([1]))
    assert client.get("/jobs", project_id=None, limit=5) == [1]
    assert api.asked[0].headers["Authorization"] == "Bearer secret"
    assert api.asked[0].query == {"limit": "5"}


def test_a_problem_is_raised_with_what_the_server_said(api: FakeApi, client: Client) -> None:
    """An error answer becomes a Problem with its code, status and detail."""
    api.on("POST", "/projects", Say(PROBLEM, 422, {"Content-Type": "application/problem+json"}))
    with pytest.raises(Problem) as raised:
        client.post("/projects", {"name": ""})
    assert (raised.value.status, raised.value.code, raised.value.message) == (422, "invalid_input", "size: too many")


def test_an_answer_that_is_not_json_is_a_problem_too(api: FakeApi, client: Client) -> None:
    """A proxy's HTML page is shown for what it is, shortened."""
    api.on("GET", "/jobs", Say(b"<html>Bad gateway</html>", 502, {"Content-Type": "text/html"}))
    with pytest.raises(Problem, match=r"the server answered 502 Bad Gateway: <html>Bad gateway</html>"):
        client.get("/jobs")


def test_a_dropped_connection_is_tried_again_with_the_same_key(api: FakeApi, client: Client) -> None:
    """A request whose answer got lost is sent again, recognisable as the same one."""
    api.on("POST", "/estimates", Say(drop=True), Say({"id": "p"}, 202))
    assert client.start("/estimates", {"name": "a"}) == {"id": "p"}
    first, second = (asked.headers["Idempotency-Key"] for asked in api.asked_for("/estimates"))
    assert first == second


def test_what_would_be_done_twice_is_not_sent_again(api: FakeApi, client: Client) -> None:
    """A request without a key is not repeated when its answer gets lost."""
    api.on("POST", "/projects", Say(drop=True), Say({"id": "p"}, 201))
    with pytest.raises(Dropped):
        client.post("/projects", {"name": "a"})
    assert len(api.asked) == 1


def test_lists_are_read_page_by_page(api: FakeApi, client: Client) -> None:
    """As many pages are fetched as it takes, and no more items than wanted."""
    api.on("GET", "/jobs", Say({"items": [1, 2], "next_cursor": "c"}), Say({"items": [3], "next_cursor": None}))
    assert client.pages("/jobs", limit=3) == [1, 2, 3]
    assert [asked.query for asked in api.asked] == [{"limit": "3"}, {"limit": "1", "cursor": "c"}]


def test_a_connection_that_always_drops_is_given_up(api: FakeApi, client: Client) -> None:
    """After a few attempts a lost connection is reported."""
    api.on("GET", "/jobs", Say(drop=True))
    with pytest.raises(Dropped):
        client.get("/jobs")
    assert len(api.asked) == module.ATTEMPTS


def test_a_busy_server_is_asked_again(api: FakeApi, client: Client) -> None:
    """503 with Retry-After is waited for."""
    api.on("GET", "/jobs", Say(PROBLEM, 503, {"Retry-After": "1"}), Say([]))
    assert client.get("/jobs") == []


def test_a_server_that_asks_for_too_much_patience_is_not_waited_for(api: FakeApi, client: Client) -> None:
    """A long Retry-After is shown instead of slept through."""
    api.on("GET", "/jobs", Say(PROBLEM, 503, {"Retry-After": "600"}))
    with pytest.raises(Problem):
        client.get("/jobs")
    assert len(api.asked) == 1


def test_refused_connection_says_how_to_start_the_stack() -> None:
    """Nothing listening is told apart from a lost connection, at once, with what to do."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        client = connect(f"http://127.0.0.1:{reserved.getsockname()[1]}", api_key=None)
        with pytest.raises(Unreachable, match="nothing answers") as raised:
            client.get("/jobs")
        client.session.close()
    assert "make run" in raised.value.hint
    assert not isinstance(raised.value, Dropped)


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://x", "http://", "nonsense"])
def test_refuses_what_is_not_a_url(url: str) -> None:
    """A base URL without scheme or host is refused before anything is sent."""
    with pytest.raises(WrongUsage):
        connect(url, api_key=None)


def test_a_proxy_in_the_environment_is_not_used_for_this_machine(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies lead outside; the local stack is reached directly."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    api.on("GET", "/jobs", Say([]))
    client = connect(api.url, api_key=None)
    assert client.get("/jobs") == []
    client.session.close()
