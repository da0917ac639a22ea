"""What can be wrong with personas and panels."""

from __future__ import annotations

from common.errors import NotFound, SightError


class PersonaNotFound(NotFound):
    """No such persona in this workspace, or it was deleted."""

    code = "persona_not_found"


class PanelNotFound(NotFound):
    """No such panel in this workspace."""

    code = "panel_not_found"


class PersonaContradictsSeat(SightError):
    """The persona contradicts its seat even after it was asked to be put right."""

    code = "persona_contradicts_seat"
    status = 502
    title = "Persona contradicts its seat"


class PersonaUnusable(SightError):
    """The persona holds placeholders, repeats itself or is in another language, even after a second reply."""

    code = "persona_unusable"
    status = 502
    title = "Persona unusable"
