"""Sets releases going again whose step was lost, and remembers what serves well."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from common.errors import SightError
from common.releases import store

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from common.cloud_run.port import CloudRun
    from common.releases.models import Policy

SETTLED = timedelta(minutes=10)
"""A revision that has had all the traffic for so long, and was not taken back, is one to go back to."""

log = structlog.get_logger()


def observe(engine: Engine, cloud_run: CloudRun, policies: Mapping[str, Policy], region: str) -> int:
    """Remembers the revisions that serve alone as promoted, also where somebody else sent the traffic there, and
    returns how many there are. A service that cannot be read is left for the next time."""
    seen = 0
    for name in policies:
        try:
            service = cloud_run.service(name, region)
        except SightError as error:
            log.warning("service_not_observed", service=name, detail=error.detail)
            continue
        if len(service.serving) != 1 or datetime.now(UTC) - service.updated_at < SETTLED:
            continue
        (revision,) = service.serving
        with engine.begin() as connection:
            if not store.on_its_way(connection, name, region):
                store.mark_promoted(connection, name, region, revision, "has had all the traffic for a while")
                seen += 1
    return seen
