"""Delayed requests through Google Cloud Tasks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from common.tasks.port import HttpTask, TasksUnavailable

CALL_SECONDS = 10.0
HOST = "cloudtasks.googleapis.com"


class CloudTasks:
    """One queue of Cloud Tasks, spoken to by REST. The client, which takes a second to import, is made for the first
    task: most processes that could delay something never do.

    `service_account` and `audience`, when given, have each request carry an OIDC token. `endpoint` is
    the `http://host:port` of a stand-in, which is spoken to without credentials.
    """

    def __init__(
        self,
        *,
        project: str,
        location: str,
        queue: str,
        service_account: str | None = None,
        audience: str | None = None,
        endpoint: str | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._parent = f"projects/{project}/locations/{location}/queues/{queue}"
        self._token = {"service_account_email": service_account, "audience": audience} if service_account else None

    def schedule(self, tasks: Sequence[HttpTask], *, delay: float) -> None:
        """Creates the tasks, one call each: Cloud Tasks takes them singly."""
        from google.api_core.exceptions import GoogleAPIError
        from google.auth.exceptions import GoogleAuthError

        at = datetime.now(UTC) + timedelta(seconds=delay)
        try:
            for task in tasks:
                self._client.create_task(parent=self._parent, task=self._task(task, at), timeout=CALL_SECONDS)
        except (GoogleAPIError, GoogleAuthError, OSError) as error:
            raise TasksUnavailable(f"Cloud Tasks did not take a task: {error}") from error

    def close(self) -> None:
        """Closes the client's connections."""
        if "_client" in self.__dict__:
            self._client.transport.close()

    @cached_property
    def _client(self) -> Any:
        from google.auth.credentials import AnonymousCredentials
        from google.cloud.tasks_v2 import CloudTasksClient
        from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksRestTransport

        options: dict[str, Any] = {"host": HOST}
        if self._endpoint is not None:
            address = urlsplit(self._endpoint)
            anonymous = AnonymousCredentials()  # type: ignore[no-untyped-call]
            options = {"host": address.netloc, "url_scheme": address.scheme, "credentials": anonymous}
        return CloudTasksClient(transport=CloudTasksRestTransport(**options))

    def _task(self, task: HttpTask, at: datetime) -> Any:
        from google.cloud.tasks_v2 import types

        request: dict[str, Any] = {
            "http_method": types.HttpMethod.POST,
            "url": task.url,
            "headers": {"Content-Type": "application/json"},
            "body": task.body,
        }
        if self._token is not None:
            request["oidc_token"] = self._token
        return types.Task(http_request=request, schedule_time=at)
