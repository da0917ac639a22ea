"""Tests of what all tables have in common."""

from __future__ import annotations

import pytest
from sqlalchemy import Table

from common.database.registry import metadata

TABLES = [table for name, table in sorted(metadata.tables.items()) if name != "workspaces"]
OF_THE_INSTALLATION = {"automations", "incidents", "notifications", "release_events", "releases", "traffic_changes"}
"""Tables of what is deployed, which belongs to nobody's workspace."""


def test_there_are_tables() -> None:
    """The registry gathers the tables of every feature, and no second list of tenants."""
    assert "workspaces" in metadata.tables
    assert len(TABLES) >= 15


@pytest.mark.parametrize(
    "table", [t for t in TABLES if t.name not in OF_THE_INSTALLATION], ids=lambda table: str(table.name)
)
def test_every_row_belongs_to_a_workspace(table: Table) -> None:
    """Each table but that of workspaces says whose a row is, always, and only workspaces that exist own rows."""
    column = table.columns["workspace_id"]
    assert not column.nullable
    assert [key.target_fullname for key in column.foreign_keys] == ["workspaces.id"]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: str(table.name))
def test_times_have_a_zone(table: Table) -> None:
    """An instant is the same one wherever the server stands."""
    assert all(getattr(column.type, "timezone", True) for column in table.columns)
