"""Signs tokens as Google signs those of pushes, and serves the certificates that prove it on loopback."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from google.auth import crypt, jwt

from tests.fixtures.serving import Asked, Said, serving

AUDIENCE = "https://sight.example/answer"
ACCOUNT = "push@sight.iam.gserviceaccount.com"
KEEP = "public, max-age=20000, must-revalidate"


@dataclass
class Issuer:
    """Keys that sign tokens. While it is `issuing`, `url` is the endpoint of their certificates, which answers with
    `status` and `cache_control` and counts its `fetches`."""

    url: str = ""
    status: int = 200
    cache_control: str = KEEP
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
        return _sign(self.keys[key_id], key_id, {name: value for name, value in claims.items() if value is not None})

    def settings(self) -> dict[str, str]:
        """The variables that make Sight ask for these tokens."""
        return {
            "SIGHT_PUSH_AUDIENCE": AUDIENCE,
            "SIGHT_PUSH_SERVICE_ACCOUNT": ACCOUNT,
            "SIGHT_PUSH_CERTIFICATES_URL": self.url,
        }


@contextmanager
def issuing() -> Iterator[Issuer]:
    """An issuer with the key `one`, whose certificates are served until the end of the block."""
    issuer = Issuer()
    issuer.add_key("one")

    def answer(_asked: Asked) -> Said:
        issuer.fetches += 1
        return Said(issuer.certificates(), issuer.status, {"Cache-Control": issuer.cache_control})

    with serving(answer) as url:
        issuer.url = f"{url}/certs"
        yield issuer


def _sign(key: rsa.RSAPrivateKey, key_id: str, claims: dict[str, Any]) -> str:
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
