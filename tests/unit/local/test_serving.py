"""Tests of how requests reach functions on one machine."""

from __future__ import annotations

import io
import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from local import functions, schedule
from local.bell import Bell
from local.gateway import route
from local.processes import StartFailed
from local.sockets import socket_folder
from local.wsgi import post
from tests.fixtures.eventually import eventually

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def app_of(answer: Callable[[dict[str, Any]], tuple[int, Iterable[bytes]]]) -> WSGIApplication:
    """A WSGI app."""

    def app(environ: dict[str, Any], start_response: Callable[[str, list[Any]], object]) -> Iterable[bytes]:
        status, chunks = answer(environ)
        start_response(f"{status} -", [])
        return chunks

    return cast("WSGIApplication", app)


def write_function(folder: Path, name: str, body: str) -> None:
    """Writes a function's module."""
    (folder / name).mkdir(parents=True)
    (folder / name / "main.py").write_text(f"def {name}(request):\n    {body}\n")


def test_posting_to_an_app_gives_its_status() -> None:
    """The app gets the body as a JSON request; its answer is read to the end and closed."""
    seen: list[Any] = []

    class Chunks(io.BytesIO):
        def close(self) -> None:
            seen.append("closed")
            super().close()

    def answer(environ: dict[str, Any]) -> tuple[int, Iterable[bytes]]:
        seen.append((environ["REQUEST_METHOD"], environ["CONTENT_TYPE"], environ["wsgi.input"].read()))
        return 202, Chunks(b"a\nb\n")

    assert post(app_of(answer), b'{"a": 1}') == 202
    assert seen == [("POST", "application/json", b'{"a": 1}'), "closed"]


def test_functions_are_loaded_by_name(tmp_path: Path) -> None:
    """A function is served by the framework as on Cloud Run, and several live side by side."""
    write_function(tmp_path, "first", "return request.get_data(), 201")
    write_function(tmp_path, "second", "raise ValueError('boom')")
    first, second = functions.load("first", tmp_path), functions.load("second", tmp_path)
    assert post(first, b"{}") == 201
    assert post(second, b"{}") == 500


def test_a_missing_function_is_named(tmp_path: Path) -> None:
    """Neither a missing module nor a missing function goes unnoticed."""
    write_function(tmp_path, "there", "return ''")
    (tmp_path / "there").rename(tmp_path / "elsewhere")
    for name in ("absent", "elsewhere"):
        with pytest.raises(StartFailed, match=name):
            functions.load(name, tmp_path)


@pytest.mark.parametrize(
    ("path", "reached", "rest"),
    [
        ("/_functions/answer", "answer", "/"),
        ("/_functions/answer/more", "answer", "/more"),
        ("/_functions/unknown", "api", "/_functions/unknown"),
        ("/_functions/", "api", "/_functions/"),
        ("/api/v1/projects", "api", "/api/v1/projects"),
        ("/ops/releases", "rollback", "/ops/releases"),
        ("/opsy", "api", "/opsy"),
        ("/", "api", "/"),
    ],
)
def test_the_gateway_routes_to_functions(path: str, reached: str, rest: str) -> None:
    """Push paths reach the function they name, what engineers ask for the rollback, and everything else the API."""
    seen: list[tuple[str, str]] = []

    def noting(name: str) -> WSGIApplication:
        def answer(environ: dict[str, Any]) -> tuple[int, Iterable[bytes]]:
            seen.append((name, environ["PATH_INFO"]))
            return 200, []

        return app_of(answer)

    gateway = route(noting("api"), {"answer": noting("answer")}, rollback=noting("rollback"))
    assert post(gateway, b"{}", path=path) == 200
    assert seen == [(reached, rest)]


def test_the_schedule_outlives_failures() -> None:
    """The function is called again and again, whether it answers, refuses or raises, until told to stop."""
    calls: list[int] = []

    def answer(_: dict[str, Any]) -> tuple[int, Iterable[bytes]]:
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("boom")
        return (500 if len(calls) == 1 else 200), []

    stopping = schedule.start(app_of(answer), every=0.01)
    eventually(lambda: len(calls) > 4)
    stopping.set()
    eventually(lambda: not any(thread.name == "schedule" for thread in threading.enumerate()))


def test_a_bell_wakes_its_listener_once() -> None:
    """Rings that come before the wait, however many, are one ring; without one the wait runs out."""
    bell = Bell()
    assert not bell.wait(0)
    for _ in range(100_000):
        bell.ring()
    assert bell.wait(0)
    while bell.wait(0):
        pass
    assert not bell.wait(0.01)
    bell.close()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # the child does nothing that could deadlock
def test_a_bell_rings_across_a_fork() -> None:
    """A process forked after the bell was made rings it for its parent."""
    bell = Bell()
    child = os.fork()
    if not child:
        bell.ring()
        os._exit(0)
    os.waitpid(child, 0)
    assert bell.wait(10)
    bell.close()


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose path is short, wherever those of the tests are."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


def test_a_socket_lies_beside_its_data_where_its_path_fits(short: Path) -> None:
    """Short paths are used as they are."""
    assert socket_folder(short, "s") == short


def test_a_long_path_gets_a_private_folder(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the path is too long, a folder of the user's alone serves, the same each time; another's is refused."""
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(short))
    data = short / ("long" * 30)
    folder = socket_folder(data, "s")
    assert folder.parent == short
    assert folder.stat().st_mode & 0o777 == 0o700
    assert socket_folder(data, "s") == folder
    assert socket_folder(short / ("other" * 30), "s") != folder
    folder.chmod(0o755)
    with pytest.raises(PermissionError, match="not a private folder"):
        socket_folder(data, "s")
