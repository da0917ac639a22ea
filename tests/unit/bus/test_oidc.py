"""Tests of the proof that push requests carry, against a certificate endpoint on the wire."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.bus import oidc
from common.bus.oidc import TokenProof
from common.errors import Unauthenticated, Unavailable
from tests.fakes.issuer import ACCOUNT, AUDIENCE, KEEP, Issuer, issuing


@pytest.fixture(scope="module")
def served() -> Iterator[Issuer]:
    """A running endpoint whose issuer the tests change."""
    with issuing() as issuer:
        yield issuer


@pytest.fixture
def issuer(served: Issuer) -> Issuer:
    """The issuer with one key, as good as new."""
    served.keys = {"one": served.keys["one"]}
    served.status, served.fetches, served.cache_control = 200, 0, KEEP
    return served


@pytest.fixture
def proof(issuer: Issuer) -> TokenProof:
    """A proof that trusts the issuer."""
    return TokenProof(audience=AUDIENCE, service_account=ACCOUNT, certificates_url=issuer.url)


def test_accepts_the_token_of_our_service_account(issuer: Issuer, proof: TokenProof) -> None:
    """A token signed by Google for our audience and service account is proof, and certificates are kept."""
    for _ in range(3):
        proof(f"Bearer {issuer.token()}")
    proof(f"bearer {issuer.token(iss='accounts.google.com')}")
    assert issuer.fetches == 1


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Bearer x.y.z", "Bearer \x00"])
def test_refuses_what_is_no_token(proof: TokenProof, header: str | None) -> None:
    """Without a readable token there is no proof."""
    with pytest.raises(Unauthenticated):
        proof(header)


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "https://elsewhere.example"},
        {"aud": None},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"email": "somebody@else.iam.gserviceaccount.com"},
        {"email": None},
        {"email_verified": False},
        {"email_verified": "true"},
        {"email_verified": None},
        {"iat": 1_000_000_000, "exp": 1_000_003_600},
        {"iat": 4_000_000_000, "exp": 4_000_003_600},
        {"exp": None},
    ],
    ids=str,
)
def test_refuses_a_token_of_or_for_somebody_else(issuer: Issuer, proof: TokenProof, changes: dict[str, Any]) -> None:
    """Another audience, issuer or account, an unverified address or a wrong time is no proof."""
    with pytest.raises(Unauthenticated):
        proof(f"Bearer {issuer.token(**changes)}")


def test_refuses_a_token_signed_by_somebody_else(issuer: Issuer, proof: TokenProof) -> None:
    """A token that names a known key and is signed by another is no proof, and neither is one without a signature."""
    stranger = Issuer()
    stranger.add_key("one")
    with pytest.raises(Unauthenticated):
        proof(f"Bearer {stranger.token()}")
    head, claims, _ = issuer.token().split(".")
    with pytest.raises(Unauthenticated):
        proof(f"Bearer {head}.{claims}.")


def test_follows_the_rotation_of_keys(issuer: Issuer, proof: TokenProof, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new key has the certificates fetched anew, but not for every token that names an unknown one."""
    proof(f"Bearer {issuer.token()}")
    issuer.add_key("two")
    with pytest.raises(Unauthenticated):
        proof(f"Bearer {issuer.token('two')}")
    assert issuer.fetches == 1
    monkeypatch.setattr(oidc, "UNKNOWN_KEY_SECONDS", 0.0)
    proof(f"Bearer {issuer.token('two')}")
    assert issuer.fetches == 2


def test_unreachable_certificates_are_nobodys_fault(issuer: Issuer, proof: TokenProof) -> None:
    """While the certificates cannot be had the request is to come again, not to be refused."""
    issuer.status = 503
    with pytest.raises(Unavailable):
        proof(f"Bearer {issuer.token()}")
    issuer.status = 200
    proof(f"Bearer {issuer.token()}")


def test_certificates_nobody_serves_are_nobodys_fault_either(issuer: Issuer) -> None:
    """A good token waits for them where the connection is refused as well."""
    proof = TokenProof(audience=AUDIENCE, service_account=ACCOUNT, certificates_url="http://127.0.0.1:1/")
    with pytest.raises(Unavailable, match="cannot be fetched"):
        proof(f"Bearer {issuer.token()}")


def test_many_pushes_at_once_fetch_the_certificates_once(issuer: Issuer, proof: TokenProof) -> None:
    """Whoever comes second waits for the first to have them."""
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(proof, [f"Bearer {issuer.token()}"] * 8))
    assert issuer.fetches == 1


def test_certificates_are_kept_as_long_as_their_answer_says(issuer: Issuer, proof: TokenProof) -> None:
    """One that forbids to keep them has them fetched for each token, and one that says nothing does not."""
    issuer.cache_control = "max-age=0"
    for _ in range(2):
        proof(f"Bearer {issuer.token()}")
    assert issuer.fetches == 2
    issuer.cache_control = ""
    for _ in range(2):
        proof(f"Bearer {issuer.token()}")
    assert issuer.fetches == 3


@given(st.text())
def test_arbitrary_tokens_never_do_worse(token: str) -> None:
    """Whatever the header holds, it is refused or waits for the certificates; nothing else escapes."""
    proof = TokenProof(audience=AUDIENCE, service_account=ACCOUNT, certificates_url="http://127.0.0.1:1/")
    with suppress(Unauthenticated, Unavailable):
        proof(f"Bearer {token}")
