"""Picks the language model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.settings import Misconfigured, Settings

if TYPE_CHECKING:
    from common.llm.gemini.adapter import Gemini
    from common.llm.models import Models
    from common.llm.port import LanguageModel
    from common.llm.prompts import Prompts


def models(s: Settings) -> Models:
    """Which models play which part."""
    from common.llm.models import Models

    if s.llm_provider == "simulated":
        from common.llm.simulated.model import MODEL

        return Models("simulated", MODEL, MODEL, MODEL, simulated=True)
    return Models("gemini", s.gemini_model, s.gemini_analysis_model, s.gemini_embedding_model)


def simulated(s: Settings, prompts: Prompts) -> LanguageModel:
    """The model that needs no key."""
    from common.llm.simulated.model import SimulatedModel

    return SimulatedModel(prompts, latency_seconds=s.simulated_latency_seconds)


def gemini(s: Settings, models: Models, prompts: Prompts) -> Gemini:
    """Google's models. Raises `Misconfigured` without a key."""
    if s.google_api_key is None:
        raise Misconfigured("set GOOGLE_API_KEY, or SIGHT_LLM=simulated")
    from common.llm.gemini.adapter import Gemini

    return Gemini(s.google_api_key.get_secret_value(), models, prompts, endpoint=s.gemini_endpoint)
