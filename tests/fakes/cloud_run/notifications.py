"""Notifications as Cloud Monitoring publishes them on Pub/Sub, schema 1.2."""

from __future__ import annotations

import json
import time

METRICS = {
    "errors": "run.googleapis.com/request_count",
    "latency": "run.googleapis.com/request_latencies",
    "crashes": "logging.googleapis.com/user/sight_instance_crashes",
    "health": "monitoring.googleapis.com/uptime_check/check_passed",
}


def notification(
    incident_id: str,
    *,
    service: str,
    revision: str | None = None,
    region: str = "europe-central2",
    kind: str = "errors",
    state: str = "open",
    version: str = "1.2",
    observed: float = 0.4,
    threshold: float = 0.05,
    summary: str = "",
) -> bytes:
    """The notification of one incident, of a policy that has opted in to rollbacks."""
    labels = {"project_id": "sight-local", "service_name": service, "location": region, "configuration_name": service}
    if revision is not None:
        labels["revision_name"] = revision
    closed = state == "closed"
    incident = {
        "incident_id": incident_id,
        "scoping_project_id": "sight-local",
        "scoping_project_number": 12345,
        "url": f"https://console.cloud.google.com/monitoring/alerting/incidents/{incident_id}",
        "started_at": int(time.time()),
        "ended_at": int(time.time()) if closed else None,
        "state": state,
        "resource": {"type": "cloud_run_revision", "labels": labels},
        "resource_name": f"sight-local {service}",
        "metric": {"type": METRICS[kind], "displayName": kind},
        "policy_name": f"{service} {kind}",
        "policy_user_labels": {"sight_rollback": "true", "sight_kind": kind},
        "condition_name": f"{kind} above the limit",
        "observed_value": "back to normal" if closed else f"{observed:g}",
        "threshold_value": f"{threshold:g}",
        "severity": "CRITICAL",
        "summary": summary or f"{kind} of {service} above the limit",
    }
    return json.dumps({"version": version, "incident": incident}).encode()
