"""Tests of the proof that push requests carry, against a certificate endpoint on the wire."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from google.auth import crypt, jwt
from hypothesis import given
from hypothesis import strategies as st

from common.bus import oidc
from common.bus.oidc import TokenProof
from common.errors import Unauthenticated, Unavailable
from tests.fixtures.serving import Asked, Said, serving

AUDIENCE = "https://sight.example/answer"
ACCOUNT = "push@sight.iam.gserviceaccount.com"


@dataclass
class Issuer:
    """Keys that sign tokens, and the endpoint that serves their certificates."""

    url: str = ""
    status: int = 200
    fetches: int = 0
    keys: dict[str, rsa.RSAPrivateKey] = field(default_factory=dict)

    def add_key(self, key_id: str) -> None:
        """Begins to sign with a new key."""
        self.keys[key_id] = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def certificates(self) -> dict[str, str]:
        """What the endpoint serves: a certificate for each key."""
        return {key_id: _certificate(key) for key_id, key in self.keys.items()}

    def token(self, key_id: str = "one", **changes: Any) -> str:
        """A token as Google would sign it, with some claims changed, or left out where they are None."""
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": "https://accounts.google.com",
            "aud": AUDIENCE,
            "sub": "1",
            "email": ACCOUNT,
            "email_verified": True,
            "iat": now,
            "exp": now + 3600,
            **changes,
        }
        return sign(self.keys[key_id], key_id, {name: value for name, value in claims.items() if value is not None})


def sign(key: rsa.RSAPrivateKey, key_id: str, claims: dict[str, Any]) -> str:
    """A signed token."""
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    signer = crypt.RSASigner.from_string(pem, key_id)  # type: ignore[no-untyped-call]
    return bytes(jwt.encode(signer, claims)).decode()  # type: ignore[no-untyped-call]


def _certificate(key: rsa.RSAPrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture(scope="module")
def served() -> Iterator[Issuer]:
    """A running endpoint whose issuer the tests change."""
    issuer = Issuer()

    def answer(_asked: Asked) -> Said:
        issuer.fetches += 1
        return Said(issuer.certificates(), issuer.status, {"Cache-Control": "public, max-age=20000, must-revalidate"})

    with serving(answer) as url:
        issuer.url = f"{url}/certs"
        issuer.add_key("one")
        yield issuer


@pytest.fixture
def issuer(served: Issuer) -> Issuer:
    """The issuer with one key, as good as new."""
    served.keys = {"one": served.keys["one"]}
    served.status, served.fetches = 200, 0
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


@given(st.text())
def test_arbitrary_tokens_never_do_worse(token: str) -> None:
    """Whatever the header holds, it is refused or waits for the certificates; nothing else escapes."""
    proof = TokenProof(audience=AUDIENCE, service_account=ACCOUNT, certificates_url="http://127.0.0.1:1/")
    with suppress(Unauthenticated, Unavailable):
        proof(f"Bearer {token}")
