"""Tests of what is said where Neo4j cannot be had."""

from __future__ import annotations

from pathlib import Path

import pytest

from local import neo4j
from local.neo4j import Neo4jMissing


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without Java, a compiler and Maven the message names them, and how to get them; nothing is started."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(neo4j, "CACHE", tmp_path)
    with pytest.raises(Neo4jMissing, match=r"java and javac and mvn not found.*apt-get install"):
        neo4j.start(tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_an_installed_one_needs_only_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Maven and the compiler are needed once."""
    monkeypatch.setattr(neo4j, "CACHE", tmp_path)
    neo4j._installed().mkdir()
    (tmp_path / "java").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert neo4j.missing() is None


def test_libraries_that_cannot_be_fetched_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What Maven says is shown, and no half of an installation stays."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, body in (("java", "exit 0"), ("javac", "exit 0"), ("mvn", "echo no network; exit 1")):
        (programs / name).write_text(f"#!/bin/sh\n{body}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setattr(neo4j, "CACHE", tmp_path / "cache")
    with pytest.raises(Neo4jMissing, match="no network"):
        neo4j.start(tmp_path / "data")
    assert list((tmp_path / "cache").iterdir()) == []


def test_nothing_runs_where_nothing_was_started(tmp_path: Path) -> None:
    """Stopping what does not run does nothing."""
    assert neo4j.running(tmp_path) is None
    (tmp_path / "neo4j.pid").write_text("1")
    assert neo4j.running(tmp_path) is None
    neo4j.stop(tmp_path)
    assert not (tmp_path / "neo4j.pid").exists()
