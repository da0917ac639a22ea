"""Tests of reading what Cloud Monitoring publishes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.releases import alerts
from common.releases.models import Alert

THRESHOLD: dict[str, Any] = {
    "version": "1.2",
    "incident": {
        "incident_id": "0.opqiw61fsv7p",
        "scoping_project_id": "internal-project",
        "scoping_project_number": 12345,
        "url": "https://console.cloud.google.com/monitoring/alerting/alerts/0.opqiw61fsv7p?project=internal-project",
        "started_at": 1577840461,
        "ended_at": None,
        "state": "open",
        "summary": "Request count for sight-api is above the threshold of 0.05 with a value of 0.4.",
        "observed_value": "0.400",
        "threshold_value": "0.05",
        "severity": "CRITICAL",
        "resource_type_display_name": "Cloud Run Revision",
        "resource": {
            "type": "cloud_run_revision",
            "labels": {
                "project_id": "internal-project",
                "service_name": "sight-api",
                "revision_name": "sight-api-00042-abc",
                "location": "europe-central2",
                "configuration_name": "sight-api",
            },
        },
        "metric": {
            "type": "run.googleapis.com/request_count",
            "displayName": "Request Count",
            "labels": {"response_code_class": "5xx"},
        },
        "metadata": {"system_labels": {}, "user_labels": {}},
        "policy_name": "API errors",
        "policy_user_labels": {"sight_rollback": "true"},
        "condition_name": "5xx above 5 %",
        "condition": {
            "name": "projects/internal-project/alertPolicies/1/conditions/2",
            "displayName": "5xx above 5 %",
            "conditionThreshold": {
                "filter": 'resource.type = "cloud_run_revision" AND metric.type = "run.googleapis.com/request_count"',
                "comparison": "COMPARISON_GT",
                "thresholdValue": 0.05,
                "duration": "120s",
            },
        },
        "documentation": {"content": "See the runbook.", "mime_type": "text/markdown"},
    },
}
"""A notification of a condition with a threshold, whole."""

TEST: dict[str, Any] = {
    "version": "test",
    "incident": {
        "incident_id": "12345",
        "scoping_project_id": "12345",
        "url": "http://www.example.com",
        "started_at": 0,
        "ended_at": 0,
        "state": "OPEN",
        "summary": "Test Incident",
        "observed_value": "1.0",
        "resource": {"type": "example_resource", "labels": {"example": "label"}},
        "metric": {"type": "test.googleapis.com/metric", "labels": {"example": "label"}},
        "policy_name": "Test Alert Policy",
        "policy_user_labels": {"example": "label"},
        "documentation": "Test documentation",
        "condition": "Test condition",
        "condition_name": "Test condition",
        "threshold_value": "0.9",
    },
}
"""What the console sends when one tries a channel out."""


def read(document: Any) -> Alert:
    """The alert in a document."""
    return alerts.read(json.dumps(document).encode())[0]


def incident(**changes: Any) -> dict[str, Any]:
    """The whole notification with other fields in its incident; None leaves one out."""
    fields = {**THRESHOLD["incident"], **changes}
    return {**THRESHOLD, "incident": {name: value for name, value in fields.items() if value is not None}}


def test_a_notification_is_read_whole() -> None:
    """Numbers come as strings, times as seconds since the epoch."""
    assert read(THRESHOLD) == Alert(
        incident_id="0.opqiw61fsv7p",
        version="1.2",
        state="open",
        kind="errors",
        service="sight-api",
        region="europe-central2",
        revision="sight-api-00042-abc",
        opted_in=True,
        policy="API errors",
        condition="5xx above 5 %",
        severity="CRITICAL",
        summary="Request count for sight-api is above the threshold of 0.05 with a value of 0.4.",
        url="https://console.cloud.google.com/monitoring/alerting/alerts/0.opqiw61fsv7p?project=internal-project",
        observed=0.4,
        threshold=0.05,
        started_at=datetime(2020, 1, 1, 1, 1, 1, tzinfo=UTC),
        labels={"sight_rollback": "true"},
    )


def test_the_notification_itself_is_kept() -> None:
    """What came is what is stored beside the decision."""
    assert alerts.read(json.dumps(THRESHOLD).encode())[1] == THRESHOLD


def test_a_closed_incident_has_prose_for_a_value() -> None:
    """The prose is no number, and the incident is closed."""
    closed = read(
        incident(state="closed", ended_at=1577850000, observed_value="(no value): the metric is back to normal")
    )
    assert closed.state == "closed"
    assert closed.observed is None
    assert closed.ended_at == datetime.fromtimestamp(1577850000, UTC)


@pytest.mark.parametrize(
    "missing",
    ["severity", "policy_user_labels", "condition", "metric", "threshold_value", "observed_value", "resource"],
)
def test_whatever_may_be_missing_is_none(missing: str) -> None:
    """A field that is left out takes nothing else with it."""
    fields = {name: value for name, value in THRESHOLD["incident"].items() if name != missing}
    alert = read({**THRESHOLD, "incident": fields})
    assert alert.incident_id == "0.opqiw61fsv7p"
    assert alert.opted_in == (missing != "policy_user_labels")


def test_without_resource_labels_the_policy_says_what_it_is_about() -> None:
    """Conditions over several series, and uptime checks, do not name a service."""
    labels = {"sight_rollback": "true", "service": "sight-api", "region": "europe-central2"}
    alert = read(incident(resource={"type": "cloud_run_revision", "labels": {}}, policy_user_labels=labels))
    assert (alert.service, alert.region, alert.revision) == ("sight-api", "europe-central2", None)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"policy_user_labels": {"sight_kind": "latency"}}, "latency"),
        ({"policy_user_labels": {"sight_kind": "health"}}, "health"),
        ({"policy_user_labels": {"sight_kind": "nonsense"}}, "errors"),
        ({"metric": {"type": "run.googleapis.com/request_latencies"}}, "latency"),
        ({"metric": {"type": "logging.googleapis.com/user/sight_instance_crashes"}}, "crashes"),
        ({"metric": {"type": "monitoring.googleapis.com/uptime_check/check_passed"}}, "health"),
        ({"metric": None}, "errors"),
        ({"metric": None, "condition": {"conditionAbsent": {"filter": 'metric.type="run.googleapis.com/x"'}}}, "other"),
        ({"metric": None, "condition": {"conditionMonitoringQueryLanguage": {"query": "fetch ..."}}}, "other"),
        ({"metric": None, "condition": {"conditionMatchedLog": {"filter": "severity>=ERROR"}}}, "other"),
        ({"metric": None, "condition": "a test"}, "other"),
    ],
)
def test_the_kind_is_what_the_policy_says_or_the_metric_means(changes: dict[str, Any], kind: str) -> None:
    """A label goes first, then the metric, then the metric that the condition's filter names."""
    assert read(incident(**changes)).kind == kind


def test_a_test_notification_is_read_as_one() -> None:
    """Its state is in capitals, its documentation and its condition are strings, and it is about nothing."""
    alert = read(TEST)
    assert (alert.version, alert.state, alert.incident_id) == ("test", "open", "12345")
    assert (alert.service, alert.opted_in, alert.started_at) == (None, False, None)


@pytest.mark.parametrize("name", ["../other", "a/b", "sight api", "Sight", "a" * 64, "-a", "ü"])
def test_what_cannot_be_a_service_is_none(name: str) -> None:
    """Labels go into the addresses of requests: nothing else may get there."""
    resource = {"labels": {"service_name": name, "location": name}}
    alert = read(incident(resource=resource))
    assert (alert.service, alert.region) == (None, None)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b'{"incident": []}',
        b'{"version": "1.2", "incident": {"incident_id": ""}}',
        b"[" * 100_000,
        b'{"incident": {"incident_id": "i", "x": ' + b"[" * 900 + b"]" * 900 + b"}}",
        b'{"version": 1' + b"0" * 5000 + b"}",
        json.dumps({"version": "1.2", "incident": {"incident_id": "x" * 201}}).encode(),
    ],
)
def test_what_is_no_notification_is_unreadable_and_known_by_its_content(data: bytes) -> None:
    """The same bytes are the same incident, others are another."""
    alert, document = alerts.read(data)
    if alert.version != alerts.UNREADABLE:
        assert alert.incident_id == "i"
        return
    assert alerts.read(data) == (alert, document)
    assert alert.incident_id != alerts.read(data + b" ")[0].incident_id
    assert len(alert.incident_id) < 50


def test_what_postgres_could_not_keep_is_replaced() -> None:
    """NUL, half a surrogate pair and NaN are JSON to Python, and nothing to Postgres."""
    data = b'{"incident": {"incident_id": "i\\u0000", "summary": "\\ud800!", "observed_value": NaN, "x": [1e999]}}'
    alert, document = alerts.read(data)
    assert (alert.incident_id, alert.summary, alert.observed) == ("i\ufffd", "?!", None)
    assert document["incident"]["x"] == [None]


NAMES = [*THRESHOLD["incident"], "labels", "type", "filter", "version", "incident"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["open", "CLOSED", "1.2"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner, max_size=6),
    max_leaves=10,
)


def texts(value: Any) -> Iterator[str]:
    """Every string in a document."""
    if isinstance(value, str):
        yield value
    for each in value if isinstance(value, list) else ():
        yield from texts(each)
    for name, each in value.items() if isinstance(value, dict) else ():
        yield name
        yield from texts(each)


@given(st.dictionaries(st.sampled_from(["version", "incident"]), JSON) | JSON)
def test_reading_is_total(document: Any) -> None:
    """Whatever JSON comes, there is an alert with an id, and a document that can be stored."""
    alert, kept = alerts.read(json.dumps(document).encode())
    assert 0 < len(alert.incident_id) <= alerts.MAX_ID
    assert alert.state in ("open", "closed")
    json.dumps(kept, ensure_ascii=False, allow_nan=False).encode()
    assert not any("\x00" in words for words in texts(kept))


@given(st.dictionaries(st.sampled_from([*THRESHOLD["incident"]]), JSON))
def test_an_incident_with_strange_fields_is_still_that_incident(strange: dict[str, Any]) -> None:
    """Its id, when it is one, is never lost for what is beside it."""
    fields = {**THRESHOLD["incident"], **strange, "incident_id": "i1"}
    assert read({"version": "1.2", "incident": fields}).incident_id == "i1"


@given(st.binary())
def test_any_bytes_are_read(data: bytes) -> None:
    """What is published to the topic need not be JSON at all."""
    assert alerts.read(data)[0].incident_id
