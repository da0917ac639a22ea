"""Has a persona answer a question: what it is told, what is asked of the model, and what an answer must be."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from common.database import statement
from common.focus_groups.errors import FocusGroupNotFound
from common.focus_groups.memory import remember
from common.focus_groups.models import AnswerContent, Heard, HeardQuote, Quote
from common.focus_groups.rounds import choose_quotes, said_in
from common.jobs.models import Effect
from common.llm.port import BadReply, Request
from common.text import storable

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from common.focus_groups.models import Digest
    from common.jobs.models import Claim
    from common.llm.port import Calls, LanguageModel, Reply

PURPOSE = "answer"
OUTPUT_TOKENS = 1024
LEAST_OF_ITS_OWN = 10
"""So many letters and digits an answer must have beyond the question it repeats."""
MAX_THEME_CHARACTERS = 80
_NO_LETTERS = re.compile(r"[\W_]+")


def answer(claim: Claim, calls: Calls, deadline: float, *, engine: Engine, llm: LanguageModel) -> Effect:
    """Makes the answer of one item of a focus group.

    Raises what `LanguageModel.generate` raises, `BadReply` also when the reply is no answer, and
    `FocusGroupNotFound`.
    """
    told = _told(engine, claim)
    hears = _hears(engine, claim, told)
    reply = llm.generate(
        Request(
            purpose=PURPOSE,
            prompt="answer_discussion" if told.mode == "discussion" else "answer",
            variables=variables(told, hears),
            schema=AnswerContent,
            seed=answer_seed(claim.seed, claim.position, claim.attempts - 1 if told.last_reply_was_bad else 0),
            max_output_tokens=OUTPUT_TOKENS,
        ),
        calls=calls,
        deadline=deadline,
    )
    return _effect(claim, checked(reply.data, told.question), hears, reply)


@dataclass(frozen=True, slots=True)
class Told:
    """What a persona is told before it answers. `earlier` holds its own (question, answer) pairs in order."""

    persona: dict[str, Any]
    mode: str
    language: str
    briefing: str
    question: str
    earlier: list[tuple[str, str]]
    last_reply_was_bad: bool


@dataclass(frozen=True, slots=True)
class Hears:
    """What a persona hears of the round before."""

    digest: Digest
    quotes: list[Quote]


def variables(told: Told, hears: Hears | None) -> dict[str, Any]:
    """The variables of the prompts `answer` and `answer_discussion`, those that stay the same first."""
    filled: dict[str, Any] = {
        "language": told.language,
        "briefing": told.briefing,
        "persona": told.persona,
        "memory": [
            {"question": each.question, "answer": each.answer, "shortened": each.shortened}
            for each in remember(told.earlier)
        ],
    }
    if told.mode == "discussion":
        filled["heard"] = hears and {
            "digest": hears.digest.model_dump(mode="json"),
            "quotes": [{"speaker": q.speaker, "stance": q.stance, "text": q.text} for q in hears.quotes],
        }
    filled["question"] = told.question
    return filled


def answer_seed(job_seed: int, position: int, variation: int) -> int:
    """The seed (31 bits) of the answer at a position. `variation` counts replies that were no good: asked
    with the same seed again, a model may well say the same again."""
    digest = hashlib.blake2b(f"{job_seed}:{position}:{variation}".encode(), digest_size=4).digest()
    return int.from_bytes(digest) >> 1


def checked(content: object, question: str) -> AnswerContent:
    """The answer with its text and themes tidied. Raises `BadReply` when it is blank, says nothing but the
    question, or names no theme."""
    if not isinstance(content, AnswerContent):
        raise BadReply("the reply is not an answer")
    said = _tidy(content.text)
    letters, asked = _letters(said), _letters(question)
    if not letters:
        raise BadReply("the answer is blank")
    if letters == asked or (asked in letters and len(letters) - len(asked) < LEAST_OF_ITS_OWN):
        raise BadReply("the answer only repeats the question")
    tidied = (" ".join(_tidy(theme).lower().split()) for theme in content.themes)
    themes = [theme for theme in dict.fromkeys(tidied) if 0 < len(theme) <= MAX_THEME_CHARACTERS]
    if not themes:
        raise BadReply("the answer names no theme")
    return content.model_copy(update={"text": said, "themes": themes})


def _tidy(value: str) -> str:
    return str(storable(value)).strip()


def _letters(value: str) -> str:
    return _NO_LETTERS.sub("", value.casefold())


_TELL = """
SELECT p.name, p.demographics, p.traits, p.profile, g.mode, g.language, g.briefing, q.text,
       (SELECT coalesce(json_agg(json_build_array(e.text, a.text) ORDER BY a.question_position), '[]')
        FROM answers a JOIN questions e ON e.id = a.question_id
        WHERE a.focus_group_id = g.id AND a.persona_id = p.id AND a.workspace_id = g.workspace_id
          AND a.question_position < q.position),
       (SELECT i.reason_code FROM job_items i WHERE i.id = :item AND i.workspace_id = g.workspace_id)
FROM focus_groups g
JOIN questions q ON q.focus_group_id = g.id AND q.id = :question
JOIN personas p ON p.id = :persona AND p.workspace_id = g.workspace_id
WHERE g.id = :group AND g.workspace_id = :workspace
"""


def _told(engine: Engine, claim: Claim) -> Told:
    rows = statement.run(
        engine,
        _TELL,
        {
            "workspace": claim.workspace_id,
            "group": claim.subject_id,
            "question": claim.question_id,
            "persona": claim.persona_id,
            "item": claim.item_id,
        },
    )
    if not rows:
        raise FocusGroupNotFound(f"there is no focus group {claim.subject_id} with this question and persona")
    name, demographics, traits, profile, mode, language, briefing, question, earlier, reason_code = rows[0]
    return Told(
        persona={"name": name, "demographics": demographics, "traits": traits, **profile},
        mode=mode,
        language=language,
        briefing=briefing,
        question=question,
        earlier=[(asked, answered) for asked, answered in earlier],
        last_reply_was_bad=reason_code == BadReply.code,
    )


def _hears(engine: Engine, claim: Claim, told: Told) -> Hears | None:
    if told.mode != "discussion" or claim.round == 0 or claim.subject_id is None or claim.persona_id is None:
        return None
    before = claim.round - 1
    round = said_in(engine, claim.workspace_id, claim.subject_id, before, seed=claim.seed)
    quotes = choose_quotes(round.quotes, listener=claim.persona_id, seed=claim.seed, round=before)
    return Hears(round.digest, quotes)


_INSERT = """
INSERT INTO answers (id, workspace_id, focus_group_id, question_id, question_position, persona_id, text, stance,
                     sentiment, themes, confidence, heard, model, prompt_hash, simulated)
SELECT item.id, item.workspace_id, CAST(:e_group AS uuid), item.question_id, item.round, item.persona_id,
       CAST(:e_text AS text), CAST(:e_stance AS text), CAST(:e_sentiment AS float8), CAST(:e_themes AS jsonb),
       CAST(:e_confidence AS float8), CAST(:e_heard AS jsonb), CAST(:e_model AS text), CAST(:e_prompt_hash AS text),
       CAST(:e_simulated AS boolean)
FROM item ON CONFLICT DO NOTHING
"""


def _effect(claim: Claim, content: AnswerContent, hears: Hears | None, reply: Reply) -> Effect:
    heard = hears and Heard(
        digest=hears.digest,
        quotes=[HeardQuote(answer_id=q.answer_id, persona_id=q.persona_id, text=q.text) for q in hears.quotes],
    )
    return Effect(
        _INSERT,
        {
            "e_group": claim.subject_id,
            "e_text": content.text,
            "e_stance": content.stance,
            "e_sentiment": content.sentiment,
            "e_themes": json.dumps(content.themes, ensure_ascii=False),
            "e_confidence": content.confidence,
            "e_heard": heard and heard.model_dump_json(),
            "e_model": reply.model,
            "e_prompt_hash": reply.prompt_hash,
            "e_simulated": reply.simulated,
        },
    )
