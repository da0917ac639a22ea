"""Which models play which part."""

from __future__ import annotations

from dataclasses import dataclass

from common.llm.port import Tier


@dataclass(frozen=True, slots=True)
class Models:
    """The provider and the names of its models. What `simulated` ones do costs nothing."""

    provider: str
    standard: str
    analysis: str
    embedding: str
    simulated: bool = False

    def of(self, tier: Tier) -> str:
        """The model of a tier."""
        return self.analysis if tier == "analysis" else self.standard
