"""Picks how Google's services are reached, and as whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.settings import NO_PROJECT, Settings

if TYPE_CHECKING:
    from common.cloud_run.port import CloudRun
    from common.google_tokens import Tokens
    from common.monitoring.port import Monitoring
    from common.tasks.port import Tasks


def tokens(s: Settings) -> Tokens:
    """Where tokens come from: on Cloud Run from its metadata server."""
    from common.google_tokens import FromGoogleAuth, FromMetadata

    return FromMetadata() if s.cloud_run_service else FromGoogleAuth()


def cloud_run(s: Settings, tokens: Tokens) -> CloudRun:
    """The services whose traffic is moved. A fake is spoken to without tokens."""
    endpoint = s.cloud_run_endpoint
    if s.google_cloud_project == NO_PROJECT and endpoint is None:
        from common.cloud_run.absent import AbsentCloudRun

        return AbsentCloudRun()
    from common.cloud_run.rest import CloudRunRest

    return CloudRunRest(s.google_cloud_project, endpoint=endpoint, tokens=None if endpoint else tokens)


def monitoring(s: Settings, tokens: Tokens) -> Monitoring:
    """How revisions fare. A fake is spoken to without tokens."""
    from common.monitoring.rest import MonitoringRest

    endpoint = s.monitoring_endpoint
    return MonitoringRest(s.google_cloud_project, endpoint=endpoint, tokens=None if endpoint else tokens)


def tasks(s: Settings) -> Tasks:
    """What is to happen later."""
    from common.tasks.cloud_tasks import CloudTasks

    return CloudTasks(
        project=s.google_cloud_project,
        location=s.tasks_location,
        queue=s.tasks_queue,
        service_account=s.push_service_account,
        audience=s.push_audience,
        endpoint=s.tasks_endpoint,
    )
