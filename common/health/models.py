"""What is told about a process and about what it depends on. Nothing here names an address or a credential."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Report(BaseModel):
    model_config = ConfigDict(frozen=True)


class DependencyCheck(_Report):
    """One dependency: `disabled` is one that is not configured, which is as good as up."""

    status: Literal["up", "down", "disabled"]
    latency_ms: float | None = Field(description="What connecting and one question took.")
    error: str | None = Field(description="Why it is down, in a few words.")


class DependencyChecks(_Report):
    """All dependencies."""

    database: DependencyCheck
    redis: DependencyCheck
    neo4j: DependencyCheck


class Health(_Report):
    """`degraded`: Redis or Neo4j is down, and the work goes on without. `unhealthy`: the database is, or two are."""

    status: Literal["healthy", "degraded", "unhealthy"]
    environment: str
    revision: str
    checks: DependencyChecks
    latency_total_ms: float = Field(description="What the checks, side by side, kept this answer waiting.")

    @property
    def ok(self) -> bool:
        """Whether it works, be it with less."""
        return self.status != "unhealthy"


class Liveness(_Report):
    """That there is an answer says it all."""

    status: Literal["alive"] = "alive"

    @property
    def ok(self) -> bool:
        """It is."""
        return True


class InstanceChecks(_Report):
    """What makes one instance ready."""

    accepting: bool = Field(description="It was not told to end.")
    settings: bool = Field(description="Its settings are valid.")
    warmed: bool = Field(description="What its first request would have to wait for is there.")


class Readiness(_Report):
    """Whether this instance can take work; its dependencies are not asked."""

    status: Literal["ready", "not_ready"]
    checks: InstanceChecks

    @property
    def ok(self) -> bool:
        """Whether it can."""
        return self.status == "ready"


class Migrations(_Report):
    """`ahead`: the database was migrated for a newer revision, which this one works with. `unknown`: there is no
    database to ask."""

    status: Literal["current", "pending", "ahead", "unknown"]
    current: str | None = Field(description="The newest migration of the database.")
    expected: str = Field(description="The newest migration this revision knows.")


class Startup(_Report):
    """Whether this instance has all it needs to begin: the database, with its migrations."""

    status: Literal["started", "not_started"]
    environment: str
    revision: str
    connections: DependencyChecks
    migrations: Migrations
    latency_total_ms: float = Field(description="What the checks, side by side, kept this answer waiting.")

    @property
    def ok(self) -> bool:
        """Whether it has."""
        return self.status == "started"
