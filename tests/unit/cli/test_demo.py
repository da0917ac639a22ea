"""Tests of the figures of the demo."""

from __future__ import annotations

from local.demo import Stage, prepare_stages

USED = {"calls": 20, "input_tokens": 1_000, "output_tokens": 500, "cost_micros": 30_000}


def test_time_is_of_what_followed_one_another_and_usage_of_everything() -> None:
    """What ran beside the stages costs money and no time."""
    stages = [Stage("Personas", 2.0, 1.0, USED), Stage("Answers", 3.0, 1.5, USED)]
    rows = prepare_stages(stages, [Stage("Panel review", 9.0, 0.5, USED)])
    assert [row[0] for row in rows] == ["Personas", "Answers", "Panel review (meanwhile)", "together"]
    assert rows[0] == ["Personas", "20", "1,000", "500", "$0.03", "2.0 s", "1.0 s", "2.00"]
    assert rows[3] == ["together", "60", "3,000", "1,500", "$0.09", "5.0 s", "2.5 s", "2.00"]


def test_a_stage_without_calls_has_no_ratio() -> None:
    """Where every reply was in the cache there is nothing to compare with."""
    assert prepare_stages([Stage("Personas", 2.0, 0.0, USED)], [])[0][-1] == "-"
