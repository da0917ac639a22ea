"""Tests of where access tokens come from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import urllib3
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from common import google_tokens
from common.google_tokens import FromGoogleAuth, FromMetadata, NoToken
from tests.fixtures.serving import Asked, Said, serving


@dataclass
class TokenServer:
    """Hands out a new token to each request, as the metadata server and Google's token endpoint do."""

    url: str = ""
    seconds: int = 3600
    body: str = ""
    flavors: list[str | None] = field(default_factory=list)

    def answer(self) -> Any:
        """The next token."""
        found = {"access_token": f"token-{len(self.flavors)}", "expires_in": self.seconds, "token_type": "Bearer"}
        return self.body or found


@pytest.fixture
def server() -> Iterator[TokenServer]:
    """A server of tokens."""
    found = TokenServer()

    def answer(asked: Asked) -> Said:
        found.flavors.append(asked.headers.get("Metadata-Flavor"))
        return Said(found.answer(), headers={"Content-Type": "application/json"})

    with serving(answer) as found.url:
        yield found


@pytest.fixture
def http() -> Iterator[urllib3.PoolManager]:
    """A client, closed at the end."""
    with urllib3.PoolManager(retries=False) as found:
        yield found


def test_the_metadata_server_is_asked_once(server: TokenServer, http: urllib3.PoolManager) -> None:
    """However many threads need a token, and with the header without which it gives none."""
    tokens = FromMetadata(server.url)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: tokens.get(http), range(16))) == {"token-1"}
    assert server.flavors == ["Google"]


def test_a_token_that_is_about_to_end_is_renewed(server: TokenServer, http: urllib3.PoolManager) -> None:
    """It might end on its way."""
    server.seconds = int(google_tokens.SPARE_SECONDS)
    tokens = FromMetadata(server.url)
    assert [tokens.get(http), tokens.get(http)] == ["token-1", "token-2"]


def test_a_token_that_cannot_be_renewed_is_used_while_it_is_good(
    server: TokenServer, http: urllib3.PoolManager
) -> None:
    """A hiccup of the metadata server costs nothing, until the token is about to end."""
    server.seconds = int(google_tokens.LAST_SECONDS) + 60
    tokens = FromMetadata(server.url)
    assert tokens.get(http) == "token-1"
    server.body = "no token now"
    assert tokens.get(http) == "token-1"
    server.body, server.seconds = "", int(google_tokens.LAST_SECONDS)
    assert tokens.get(http) == "token-3"
    server.body = "no token now"
    with pytest.raises(NoToken):
        tokens.get(http)


def test_a_token_that_was_refused_is_forgotten(server: TokenServer, http: urllib3.PoolManager) -> None:
    """The next one is another."""
    tokens = FromMetadata(server.url)
    tokens.get(http)
    tokens.drop()
    assert tokens.get(http) == "token-2"


@pytest.mark.parametrize("body", ["<html>", "{}", "[]", '{"access_token": "x"}'])
def test_a_metadata_server_without_tokens_is_said_so(server: TokenServer, http: urllib3.PoolManager, body: str) -> None:
    """Whatever else it says."""
    server.body = body
    with pytest.raises(NoToken, match="metadata server"):
        FromMetadata(server.url).get(http)


def test_a_metadata_server_that_is_not_there_is_said_so(http: urllib3.PoolManager) -> None:
    """As off Google Cloud."""
    with pytest.raises(NoToken, match="metadata server"):
        FromMetadata("http://127.0.0.1:9").get(http)


def test_a_key_file_is_exchanged_for_tokens(
    server: TokenServer, http: urllib3.PoolManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """google-auth finds the account, and a refused token is not used again."""
    key = rsa.generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    account = {"type": "service_account", "client_email": "sight@example.com", "private_key": key.decode()}
    path = tmp_path / "key.json"
    path.write_text(json.dumps(account | {"token_uri": server.url, "project_id": "sight-local"}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    tokens = FromGoogleAuth()
    assert [tokens.get(http), tokens.get(http)] == ["token-1", "token-1"]
    tokens.drop()
    assert tokens.get(http) == "token-2"


def test_a_machine_without_an_account_is_said_so(
    http: urllib3.PoolManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the file that is missing."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    with pytest.raises(NoToken, match=r"key\.json"):
        FromGoogleAuth().get(http)
