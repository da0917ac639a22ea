"""Tests that hold the page on releases, and the runbook on rollbacks, to the code."""

from __future__ import annotations

import inspect
import json
import re
from dataclasses import fields
from pathlib import Path

from common.bus.topology import ALERTS, RELEASES
from common.releases import alerts, decision, policies
from common.releases.models import Policy
from functions.rollback.ops import ROUTES

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "releases.md").read_text(encoding="utf-8")
RUNBOOK = (DOCS / "runbooks" / "rollback.md").read_text(encoding="utf-8")


def test_every_field_of_a_policy_is_documented_with_its_default() -> None:
    """As JSON has it, as that is how policies are written."""
    for field in fields(Policy):
        if field.name != "service":
            row = re.search(rf"^\| `{field.name}` \| `(.+?)` \|", PAGE, re.MULTILINE)
            assert row is not None, field.name
            default = list(field.default) if isinstance(field.default, tuple) else field.default
            assert json.loads(row[1]) == default


def test_the_policies_shown_are_ones() -> None:
    """What is shown can be set."""
    shown = next(block for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL) if block.startswith('{"api"'))
    assert set(policies.read(json.loads(shown))) == {"api", "answer"}


def test_the_alert_policy_shown_is_one_that_is_acted_on() -> None:
    """It is JSON, opts in, and groups by what the alert has to say."""
    shown = next(block for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL) if "displayName" in block)
    policy = json.loads(shown)
    assert policy["userLabels"] == {"sight_rollback": "true", "sight_kind": "errors"}
    condition = policy["conditions"][0]["conditionThreshold"]
    assert condition["aggregations"] == condition["denominatorAggregations"]
    notification = {
        "version": "1.2",
        "incident": {
            "incident_id": "0.abc",
            "state": "open",
            "policy_user_labels": policy["userLabels"],
            "resource": {
                "labels": {field.rpartition(".")[2]: "x" for field in condition["aggregations"][0]["groupByFields"]}
            },
        },
    }
    alert, _ = alerts.read(json.dumps(notification).encode())
    assert (alert.opted_in, alert.kind, alert.service, alert.region, alert.revision) == (True, "errors", "x", "x", "x")


def test_every_kind_of_alert_is_documented_with_its_metric() -> None:
    """Each that Sight tells by its metric."""
    for metric, kind in alerts.METRICS.items():
        assert f"| `{kind}` | `{metric}` |" in PAGE


def test_topics_are_called_as_they_are() -> None:
    """The page names those that others publish to."""
    assert f"`{ALERTS}`" in PAGE
    assert f"`{RELEASES}`" in PAGE


def test_every_route_is_documented() -> None:
    """And no other."""
    listed = set(re.findall(r"`(GET|POST) (/ops/[a-z]+)`", PAGE))
    assert listed == set(ROUTES)


def test_the_codes_of_the_runbook_are_decisions() -> None:
    """An engineer finds there what the timeline says."""
    source = inspect.getsource(decision)
    codes = [
        code for row in re.findall(r"^\| (`.*?`) \| ", RUNBOOK, re.MULTILINE) for code in re.findall("`(.+?)`", row)
    ]
    assert len(codes) > 8
    assert [code for code in codes if f'"{code}"' not in source] == []
