"""What the personas of a discussion hear of the round before: a digest of all of it, and some words of others."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from sqlalchemy import text

from common.database.engine import autocommit
from common.focus_groups.errors import FocusGroupNotFound
from common.focus_groups.memory import shorten
from common.focus_groups.models import STANCES, Digest, Quote, Stance, ThemeCount

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

DIGEST_THEMES = 8
QUOTES_HEARD = 5
QUOTE_CHARACTERS = 280
QUOTABLE_PER_STANCE = 40
"""A thousand listeners choose among these, so that what is kept of a round stays small."""

ROUNDS_KEPT = 16


@dataclass(frozen=True, slots=True)
class Said:
    """An answer of a round, as far as it matters to others."""

    answer_id: UUID
    persona_id: UUID
    speaker: str
    text: str
    stance: Stance
    sentiment: float
    themes: Sequence[str]


@dataclass(frozen=True, slots=True)
class Round:
    """A round that is over, as the next one hears it."""

    digest: Digest
    quotes: Sequence[Quote]


T = TypeVar("T", Said, Quote)


def digest(question: str, members: int, said: Sequence[Said]) -> Digest:
    """The round in figures: stances, the mean sentiment, and the themes that came up most."""
    stances = Counter(each.stance for each in said)
    themes = Counter(theme for each in said for theme in {theme.strip().lower() for theme in each.themes})
    most = sorted(themes.items(), key=lambda item: (-item[1], item[0]))[:DIGEST_THEMES]
    return Digest(
        question=question,
        members=members,
        answered=len(said),
        stances={stance: stances[stance] for stance in STANCES},
        mean_sentiment=round(sum(each.sentiment for each in said) / len(said), 2) if said else None,
        themes=[ThemeCount(theme=theme, answers=answers) for theme, answers in most],
    )


def quotable(said: Iterable[Said], *, seed: int, round: int) -> list[Quote]:
    """What may be quoted of a round: of each stance at most `QUOTABLE_PER_STANCE` answers, drawn by seed."""
    drawn = random.Random(f"quotable:{seed}:{round}")
    chosen: list[Said] = []
    for each in _by_stance(said).values():
        chosen += each if len(each) <= QUOTABLE_PER_STANCE else drawn.sample(each, QUOTABLE_PER_STANCE)
    return [
        Quote(
            answer_id=each.answer_id,
            persona_id=each.persona_id,
            speaker=each.speaker,
            stance=each.stance,
            text=shorten(" ".join(each.text.split()), QUOTE_CHARACTERS),
        )
        for each in chosen
    ]


def choose_quotes(
    quotes: Iterable[Quote], *, listener: UUID, seed: int, round: int, limit: int = QUOTES_HEARD
) -> list[Quote]:
    """What one listener hears: up to `limit` quotes of others, of as many stances as there are, drawn by seed."""
    drawn = random.Random(f"heard:{seed}:{round}:{listener}")
    groups = [
        drawn.sample(each, min(limit, len(each)))
        for each in _by_stance(quote for quote in quotes if quote.persona_id != listener).values()
    ]
    drawn.shuffle(groups)
    chosen: list[Quote] = []
    for turn in range(limit):
        chosen += [each[turn] for each in groups if turn < len(each)]
    return chosen[:limit]


def said_in(engine: Engine, workspace_id: UUID, focus_group_id: UUID, round: int, *, seed: int) -> Round:
    """What was said in a round that is over.

    The first to ask computes and keeps it; it never changes afterwards, so that all personas of the next
    round hear the same and each process reads it once. Raises `FocusGroupNotFound`.
    """
    key = (workspace_id, focus_group_id, round)
    with _lock:
        found = _kept.get(key)
        if found is None:
            with autocommit(engine) as connection:
                found = _read(connection, key) or _compute(connection, key, seed)
            _kept[key] = found
            while len(_kept) > ROUNDS_KEPT:
                _kept.popitem(last=False)
        _kept.move_to_end(key)
    return found


_Key = tuple[UUID, UUID, int]
_kept: OrderedDict[_Key, Round] = OrderedDict()
_lock = threading.Lock()


def _read(connection: Connection, key: _Key) -> Round | None:
    workspace_id, focus_group_id, round = key
    row = connection.execute(
        text("""
            SELECT digest, quotes FROM discussion_rounds
            WHERE focus_group_id = :group AND round = :round AND workspace_id = :workspace
        """),
        {"group": focus_group_id, "round": round, "workspace": workspace_id},
    ).one_or_none()
    if row is None:
        return None
    return Round(Digest.model_validate(row.digest), [Quote.model_validate(quote) for quote in row.quotes])


def _compute(connection: Connection, key: _Key, seed: int) -> Round:
    workspace_id, focus_group_id, round = key
    parameters = {"group": focus_group_id, "round": round, "workspace": workspace_id}
    asked = connection.execute(
        text("""
            SELECT q.text, (SELECT count(*) FROM focus_group_members m WHERE m.focus_group_id = q.focus_group_id)
                   AS members
            FROM questions q
            WHERE q.focus_group_id = :group AND q.position = :round AND q.workspace_id = :workspace
        """),
        parameters,
    ).one_or_none()
    if asked is None:
        raise FocusGroupNotFound(f"there is no focus group {focus_group_id} with a round {round}")
    rows = connection.execute(
        text("""
            SELECT a.id, a.persona_id, split_part(p.name, ' ', 1) AS speaker, a.text, a.stance, a.sentiment, a.themes
            FROM answers a
            JOIN focus_group_members m ON m.focus_group_id = a.focus_group_id AND m.persona_id = a.persona_id
            JOIN personas p ON p.id = a.persona_id
            WHERE a.focus_group_id = :group AND a.question_position = :round AND a.workspace_id = :workspace
            ORDER BY m.position
        """),
        parameters,
    )
    said = [Said(*row) for row in rows]
    quotes = quotable(said, seed=seed, round=round)
    connection.execute(
        text("""
            INSERT INTO discussion_rounds (focus_group_id, round, workspace_id, digest, quotes)
            VALUES (:group, :round, :workspace, CAST(:digest AS jsonb), CAST(:quotes AS jsonb)) ON CONFLICT DO NOTHING
        """),
        parameters
        | {
            "digest": digest(asked.text, asked.members, said).model_dump_json(),
            "quotes": json.dumps([quote.model_dump(mode="json") for quote in quotes], ensure_ascii=False),
        },
    )
    kept = _read(connection, key)  # another process may have been first
    if kept is None:
        raise FocusGroupNotFound(f"the focus group {focus_group_id} was deleted meanwhile")
    return kept


def _by_stance(each: Iterable[T]) -> dict[Stance, list[T]]:
    groups: dict[Stance, list[T]] = defaultdict(list)
    for one in each:
        groups[one.stance].append(one)
    return groups
