"""Records LLM calls and sums them up."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from common.llm.port import Call

INSERT_CALLS = """
    INSERT INTO llm_calls (workspace_id, job_id, item_id, purpose, provider, model, prompt_hash, input_tokens,
                           output_tokens, cached_tokens, cost_micros, latency_ms, cache_hit, simulated, outcome)
    SELECT item.workspace_id, item.job_id, item.id, c.purpose, c.provider, c.model, c.prompt_hash, c.input_tokens,
           c.output_tokens, c.cached_tokens, c.cost_micros, c.latency_ms, c.cache_hit, c.simulated, c.outcome
    FROM item, jsonb_to_recordset(CAST(:calls AS jsonb)) AS c(
        purpose text, provider text, model text, prompt_hash text, input_tokens int, output_tokens int,
        cached_tokens int, cost_micros bigint, latency_ms int, cache_hit boolean, simulated boolean, outcome text)
"""
"""Writes `:calls` (JSON, from `calls_json`) for the row of the CTE `item`, in the statement that holds it."""


def calls_json(calls: Sequence[Call]) -> str:
    """The calls of one unit of work as the parameter of `INSERT_CALLS`."""
    return json.dumps([asdict(call) for call in calls])
