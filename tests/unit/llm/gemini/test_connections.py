"""Connections to the API: proxies, headers, and what becomes of broken ones."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from common.llm.gemini.connections import ConnectionFailed, Connections

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Is: it\r\n\r\nhi"


@dataclass
class Peer:
    """Gives the answers meant for each connection, one for whatever it receives, and then hangs up."""

    answers: list[list[bytes]]
    listener: socket.socket
    received: list[bytes] = field(default_factory=list)
    connections: int = 0
    hung_up: threading.Event = field(default_factory=threading.Event)

    @property
    def address(self) -> str:
        """`host:port`."""
        host, port = self.listener.getsockname()
        return f"{host}:{port}"

    def serve(self) -> None:
        """Takes one connection after the other."""
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(10)
                for answer in self.answers[self.connections]:
                    self.received.append(connection.recv(65536))
                    connection.sendall(answer)
            self.connections += 1
            self.hung_up.set()


@pytest.fixture
def peer() -> Iterator[Peer]:
    """A server in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = Peer([], listener)
        thread = threading.Thread(target=peer.serve)
        thread.start()
        yield peer
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(timeout=10)


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_a_request_is_sent_whole_and_its_answer_read(peer: Peer) -> None:
    """One packet holds the request line, the headers and the body."""
    peer.answers = [[OK]]
    connections = Connections(f"http://{peer.address}")
    response = connections.post("/path", "zażółć".encode(), {"X-Key": "k"}, timeout=5)
    connections.close()

    assert (response.status_code, response.body, response.headers["X-Is"]) == (200, b"hi", "it")
    head, body = peer.received[0].split(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"POST /path HTTP/1.1",
        b"Host: " + peer.address.encode(),
        b"Content-Length: 10",
        b"X-Key: k",
    ]
    assert body.decode() == "zażółć"


def test_a_connection_is_used_again(peer: Peer) -> None:
    """Calls one after the other share it."""
    peer.answers = [[OK, OK, OK]]
    connections = Connections(f"http://{peer.address}")
    for _ in range(3):
        connections.post("/", b"", {}, timeout=5)
    connections.close()

    assert len(peer.received) == 3


def test_a_closed_connection_is_noticed_before_it_is_used(peer: Peer) -> None:
    """The server may close what rests; the next call takes a new connection."""
    peer.answers = [[OK], [OK]]
    connections = Connections(f"http://{peer.address}")
    connections.post("/", b"", {}, timeout=5)
    assert peer.hung_up.wait(timeout=10)
    assert connections.post("/", b"", {}, timeout=5).status_code == 200
    connections.close()


def test_chunked_answers_are_read(peer: Peer) -> None:
    """The API sends answers of unknown length in chunks."""
    peer.answers = [[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"]]
    connections = Connections(f"http://{peer.address}")
    response = connections.post("/", b"", {}, timeout=5)
    connections.close()

    assert response.body == b"abcde"


def test_what_is_not_http_is_a_failed_connection(peer: Peer) -> None:
    """Whatever answers, the caller sees one kind of failure."""
    peer.answers = [[b"SSH-2.0-OpenSSH\r\n"]]

    with pytest.raises(ConnectionFailed) as caught:
        Connections(f"http://{peer.address}").post("/", b"", {}, timeout=5)
    assert caught.value.sent


def test_a_failure_says_whether_the_server_had_the_request(peer: Peer) -> None:
    """What was sent may have been done, though nobody says so; what never left was not."""
    peer.answers = [[b""]]
    with pytest.raises(ConnectionFailed, match="without response") as dropped:
        Connections(f"http://{peer.address}").post("/", b"", {}, timeout=5)
    with pytest.raises(ConnectionFailed, match="refused") as refused:
        Connections("http://127.0.0.1:9").post("/", b"", {}, timeout=5)
    with pytest.raises(ConnectionFailed, match="timed out") as late:
        Connections(f"http://{peer.address}").post("/", b"", {}, timeout=0)
    assert (dropped.value.sent, refused.value.sent, late.value.sent) == (True, False, False)


def test_a_proxy_is_asked_for_the_whole_address(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain HTTP goes to the proxy the environment named at start-up, with its credentials."""
    monkeypatch.setenv("http_proxy", f"http://user:p%40ss@{peer.address}")
    peer.answers = [[OK]]
    connections = Connections("http://gemini.test")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    connections.post("/path", b"", {}, timeout=5)
    connections.close()

    lines = peer.received[0].split(b"\r\n")
    assert lines[0] == b"POST http://gemini.test/path HTTP/1.1"
    assert b"Host: gemini.test" in lines
    assert b"Proxy-Authorization: Basic dXNlcjpwQHNz" in lines


def test_https_tunnels_through_the_proxy(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy sees the host and nothing of the request, least of all the key."""
    monkeypatch.setenv("https_proxy", f"http://{peer.address}")
    peer.answers = [[b"HTTP/1.1 403 Forbidden\r\n\r\n"]]

    with pytest.raises(ConnectionFailed, match="403") as caught:
        Connections("https://gemini.test").post("/path", b"secret", {"X-Key": "secret"}, timeout=5)
    assert not caught.value.sent
    assert peer.received[0].startswith(b"CONNECT gemini.test:443 HTTP/1.")
    assert b"secret" not in b"".join(peer.received)


def test_hosts_outside_the_proxy_are_reached_directly(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    """no_proxy is honoured."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    peer.answers = [[OK]]
    connections = Connections(f"http://{peer.address}")

    assert connections.post("/", b"", {}, timeout=5).body == b"hi"
    connections.close()
