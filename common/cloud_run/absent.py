"""Stands where there is no Cloud Run: on one machine, where nobody said which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from common.cloud_run.port import NoCloudRun, Target

WHAT_TO_DO = "there is no Cloud Run here: set GOOGLE_CLOUD_PROJECT, or SIGHT_CLOUD_RUN_ENDPOINT to a fake's address"


class AbsentCloudRun:
    """Answers everything with what to set."""

    def service(self, _name: str, _region: str) -> NoReturn:
        """Raises `NoCloudRun`."""
        raise NoCloudRun(WHAT_TO_DO)

    def move(
        self,
        _name: str,
        _region: str,
        _traffic: Sequence[Target],
        *,
        seen: Sequence[Target] | None = None,  # noqa: ARG002 (the port's name)
    ) -> NoReturn:
        """Raises `NoCloudRun`."""
        raise NoCloudRun(WHAT_TO_DO)
