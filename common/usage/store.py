"""Records LLM calls and sums them up."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from common.usage.models import CallHistory, DayUsage, ModelUsage, Totals, UsageView

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Connection

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

HISTORY_DAYS = 30
HISTORY_CALLS = 50_000
"""What percentiles are taken over: the newest calls of recent days, since models and their load change."""


def calls_json(calls: Sequence[Call]) -> str:
    """The calls of one unit of work as the parameter of `INSERT_CALLS`."""
    return json.dumps([asdict(call) for call in calls])


_USAGE = text("""
SELECT grouping(c.model) AS no_model, grouping(c.day) AS no_day, c.purpose, c.model, c.simulated, c.day,
       count(*) AS calls,
       count(*) FILTER (WHERE c.outcome <> 'ok') AS failed,
       count(*) FILTER (WHERE c.cache_hit) AS cache_hits,
       coalesce(sum(c.input_tokens) FILTER (WHERE NOT c.cache_hit), 0) AS input_tokens,
       coalesce(sum(c.output_tokens) FILTER (WHERE NOT c.cache_hit), 0) AS output_tokens,
       coalesce(sum(c.cached_tokens) FILTER (WHERE NOT c.cache_hit), 0) AS cached_input_tokens,
       coalesce(sum(c.input_tokens + c.output_tokens) FILTER (WHERE c.cache_hit), 0) AS saved_tokens,
       coalesce(sum(c.cost_micros), 0) AS cost_micros
FROM (
    SELECT l.*, CAST(l.created_at AT TIME ZONE 'UTC' AS date) AS day FROM llm_calls l
    WHERE l.workspace_id = :workspace
      AND (CAST(:job AS uuid) IS NULL OR l.job_id = :job)
      AND (CAST(:project AS uuid) IS NULL
           OR l.job_id IN (SELECT id FROM jobs WHERE workspace_id = :workspace AND project_id = :project))
      AND (CAST(:since AS timestamptz) IS NULL OR l.created_at >= :since)
      AND (CAST(:until AS timestamptz) IS NULL OR l.created_at < :until)
) c
GROUP BY GROUPING SETS ((), (c.purpose, c.model, c.simulated), (c.day))
ORDER BY cost_micros DESC, c.purpose, c.model
""")


def usage(
    connection: Connection,
    workspace_id: UUID,
    *,
    project_id: UUID | None = None,
    job_id: UUID | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> UsageView:
    """What a workspace used, or one project or job of it, from `since` up to `until` (not included).

    What was never used, or is of another workspace, sums to zero.
    """
    rows = connection.execute(
        _USAGE,
        {"workspace": workspace_id, "project": project_id, "job": job_id, "since": since, "until": until},
    ).all()
    by_day = [DayUsage(day=row.day, **_totals(row)) for row in rows if not row.no_day]
    return UsageView(
        total=next(Totals(**_totals(row)) for row in rows if row.no_model and row.no_day),
        by_model=[
            ModelUsage(purpose=row.purpose, model=row.model, simulated=row.simulated, **_totals(row))
            for row in rows
            if not row.no_model
        ],
        by_day=sorted(by_day, key=lambda usage: usage.day),
    )


_HISTORY = text("""
SELECT purpose, model, count(*) AS calls,
       percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY input_tokens) AS input_tokens,
       percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY output_tokens) AS output_tokens,
       percentile_cont(ARRAY[0.5, 0.9, 0.99]) WITHIN GROUP (ORDER BY latency_ms) AS latency_ms
FROM (
    SELECT * FROM llm_calls
    WHERE workspace_id = :workspace AND created_at >= now() - make_interval(days => :days)
      AND outcome = 'ok' AND NOT cache_hit
    ORDER BY created_at DESC LIMIT :limit
) recent
GROUP BY purpose, model ORDER BY purpose, model
""")


def history(
    connection: Connection, workspace_id: UUID, *, days: int = HISTORY_DAYS, limit: int = HISTORY_CALLS
) -> dict[tuple[str, str], CallHistory]:
    """Percentiles of tokens and latency of the workspace's calls in recent days, by purpose and model."""
    rows = connection.execute(_HISTORY, {"workspace": workspace_id, "days": days, "limit": limit})
    return {
        (row.purpose, row.model): CallHistory(
            purpose=row.purpose,
            model=row.model,
            calls=row.calls,
            input_tokens_p50=row.input_tokens[0],
            input_tokens_p90=row.input_tokens[1],
            output_tokens_p50=row.output_tokens[0],
            output_tokens_p90=row.output_tokens[1],
            latency_ms_p50=row.latency_ms[0],
            latency_ms_p90=row.latency_ms[1],
            latency_ms_p99=row.latency_ms[2],
        )
        for row in rows
    }


def _totals(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in Totals.model_fields}
