"""Dead letters: messages nobody could handle, and sending them again after a fix."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint

from common.database.engine import autocommit
from common.events import dead_letters
from common.events.dead_letters import DeadLetterView
from functions.api.context import services, workspace
from functions.api.openapi import operation
from functions.api.pages import Page, PageQuery, read_page
from functions.api.problems import Problem

blueprint = Blueprint("dead_letters", __name__, url_prefix="/api/v1/dead-letters")
DeadLetterPage = Page[DeadLetterView]


@blueprint.get("")
@operation("dead-letters", HTTP_200=DeadLetterPage)
def list_dead_letters(query: PageQuery) -> Page[DeadLetterView]:
    """Lists dead letters with their causes, newest first."""
    with autocommit(services().engine) as connection:
        items, following = read_page(
            query,
            lambda limit, before: dead_letters.list_dead_letters(connection, workspace(), limit=limit, before=before),
        )
    return DeadLetterPage(items=items, next_cursor=following)


@blueprint.post("/<uuid:dead_letter_id>:replay")
@operation("dead-letters", HTTP_200=DeadLetterView, HTTP_409=Problem)
def replay_dead_letter(dead_letter_id: UUID) -> DeadLetterView:
    """Publishes a message again to the topic it came from."""
    return dead_letters.replay(services().engine, services().bus, workspace(), dead_letter_id)
