"""Every table of Sight, gathered so that migrations and their drift test see all of them."""

from common.audiences import tables as audiences
from common.database.base import Base
from common.events import tables as events
from common.focus_groups import tables as focus_groups
from common.jobs import tables as jobs
from common.notify import tables as notify
from common.personas import tables as personas
from common.projects import tables as projects
from common.releases import tables as releases
from common.summaries import tables as summaries
from common.usage import tables as usage

__all__ = [
    "audiences",
    "events",
    "focus_groups",
    "jobs",
    "metadata",
    "notify",
    "personas",
    "projects",
    "releases",
    "summaries",
    "usage",
]

metadata = Base.metadata
