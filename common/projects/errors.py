"""What can be wrong with a project."""

from __future__ import annotations

from common.errors import NotFound


class ProjectNotFound(NotFound):
    """No such project in this workspace, or it was deleted."""

    code = "project_not_found"
