"""Fake mail servers in this process, fresh for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.smtp.server import SmtpServer, make_certificate


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A certificate for this machine that this process trusts."""
    path = make_certificate(tmp_path / "mail.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    return path


@pytest.fixture
def smtp_server(certificate: Path) -> Iterator[SmtpServer]:
    """A server that offers STARTTLS."""
    server = SmtpServer(certificate)
    yield server
    server.close()
