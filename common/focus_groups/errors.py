"""What can be wrong with a focus group."""

from __future__ import annotations

from common.errors import NotFound, Unavailable


class FocusGroupNotFound(NotFound):
    """No such focus group in this workspace."""

    code = "focus_group_not_found"


class PanelChanged(Unavailable):
    """Personas of the panel were deleted or brought back while the group was being accepted."""

    code = "panel_changed"
