"""Plays the respondents of focus groups: each answers from the persona it is given.

What a persona thinks of a subject follows from who it is (traits, and chance that is fixed by the persona),
so that it stays itself from question to question; how it says it changes with the seed.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from common.llm.simulated.questions import Question, Vocabulary, vocabulary

POSITION = 0.22
"""From which attitude on, for or against, a persona takes a position."""

_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_OTHERS_LIFE = re.compile(r"\b(?:he|she|they|jej|jego|ich|nią|nim|niej|niego)\b", re.IGNORECASE)
_POSSESSIVE = re.compile(r"\b(?:her|his|their)\b", re.IGNORECASE)


def play_answer(variables: Mapping[str, Any], rng: random.Random) -> dict[str, Any]:
    """Answers a question of an interview."""
    return _Respondent.of(variables, rng).answer()


def play_discussion(variables: Mapping[str, Any], rng: random.Random) -> dict[str, Any]:
    """Answers a question of a discussion, with what was heard in mind."""
    respondent = _Respondent.of(variables, rng)
    heard = variables["heard"]
    return respondent.answer(heard) if heard and heard["digest"]["answered"] else respondent.answer()


@dataclass
class _Respondent:
    vocabulary: Vocabulary
    rng: random.Random
    persona: Mapping[str, Any]
    briefing: str
    question: Question
    earlier: Sequence[Mapping[str, Any]]
    used: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, variables: Mapping[str, Any], rng: random.Random) -> _Respondent:
        words = vocabulary(variables["language"])
        return cls(
            vocabulary=words,
            rng=rng,
            persona=variables["persona"],
            briefing=variables["briefing"],
            question=words.read(variables["question"]),
            earlier=variables["memory"],
        )

    def answer(self, heard: Mapping[str, Any] | None = None) -> dict[str, Any]:
        own = self.attitude()
        attitude = self._moved(own, heard["digest"]) if heard else own
        stance, before = self._stance(attitude), self._stance(own)
        sentences = self._sentences(stance)
        if heard and self.rng.random() < 0.65:
            sentences.insert(1, self._reaction(heard, attitude, changed=stance != before))
        return {
            "text": " ".join(sentences),
            "stance": stance,
            "sentiment": self._sentiment(stance, attitude),
            "themes": [self.vocabulary.words["themes"][theme]["label"] for theme in self.used],
            "confidence": self._confidence(stance, attitude),
        }

    # What the persona thinks

    def trait(self, name: str) -> float:
        """A Big Five score in standard deviations from the mean, cut at 2.5."""
        score = float(self.persona.get("traits", {}).get(name, 50.0))
        return max(-2.5, min(2.5, (score - 50.0) / 10.0))

    def fixed(self, about: str) -> random.Random:
        """Chance that is the same whenever this persona is asked about this."""
        who = json.dumps([self.persona.get("name"), self.persona.get("demographics")], sort_keys=True)
        return random.Random(f"{who}\0{about}")

    def attitude(self) -> float:
        """What the persona thinks of the question's subject: from -1 (against) to 1 (for)."""
        general = 0.09 * self.trait("agreeableness") - 0.09 * self.trait("neuroticism")
        subject = self.fixed(f"subject {self.briefing}").gauss(0.08, 0.28)
        topic = self.fixed(f"topic {self.question.topic.words.lower()}").gauss(0, 0.2)
        themes = [self._leaning(theme) for theme in self.question.themes[:4]]
        leaning = sum(themes) / len(themes) if themes else 0.0
        return _clip(general + subject + topic + leaning + self.rng.gauss(0, 0.06))

    def _leaning(self, theme: str) -> float:
        inborn = self.fixed(f"theme {theme}").gauss(0, 0.22)
        match theme:
            case "novelty":
                return inborn + 0.12 * self.trait("openness")
            case "environment" | "community" | "fairness":
                return inborn + 0.05 * (self.trait("openness") + self.trait("agreeableness"))
            case "privacy" | "safety":
                return inborn - 0.1 * self.trait("neuroticism")
            case "habit":
                return inborn - 0.06 * self.trait("openness") + 0.05 * self.trait("conscientiousness")
        return inborn

    def _moved(self, attitude: float, digest: Mapping[str, Any]) -> float:
        """The attitude after hearing the others: the more agreeable, the nearer to theirs."""
        weight = max(0.0, min(0.4, 0.15 + 0.1 * self.trait("agreeableness")))
        return attitude + weight * (float(digest["mean_sentiment"]) - attitude)

    def _stance(self, attitude: float) -> str:
        if attitude >= POSITION:
            return "support"
        if attitude <= -POSITION:
            return "oppose"
        character = self.fixed(f"undecided {self.question.topic.words.lower()}")
        weights = (
            1.2 + 0.3 * abs(self.trait("openness")),
            max(0.2, 0.8 - 0.3 * self.trait("neuroticism")),
            max(0.2, 0.6 + 0.3 * self.trait("neuroticism")),
        )
        return character.choices(("mixed", "neutral", "unsure"), weights)[0]

    def _sentiment(self, stance: str, attitude: float) -> float:
        noise = self.rng.uniform(-0.12, 0.12)
        match stance:
            case "support":
                return round(max(0.15, min(1.0, 0.2 + 0.8 * attitude + noise)), 2)
            case "oppose":
                return round(min(-0.15, max(-1.0, -0.2 + 0.8 * attitude + noise)), 2)
            case "mixed":
                return round(0.5 * attitude + noise, 2)
        return round(0.3 * attitude + noise / 2, 2)

    def _confidence(self, stance: str, attitude: float) -> float:
        low, high = {"unsure": (0.15, 0.4), "neutral": (0.45, 0.7), "mixed": (0.4, 0.7)}.get(stance, (0.6, 0.8))
        firm = 0.25 * abs(attitude) if stance in ("support", "oppose") else 0.0
        steady = 0.04 * (self.trait("conscientiousness") - self.trait("neuroticism"))
        return round(max(0.05, min(0.98, self.rng.uniform(low, high) + firm + steady)), 2)

    # What the persona says

    def _sentences(self, stance: str) -> list[str]:
        position, reasons = self._position(stance), self._reasons(stance)
        talkative = self.rng.random() + 0.15 * self.trait("extraversion")
        extras = [extra for extra in (self._ground(), self._recollection()) if extra]
        if extras and talkative > 0.5:
            # The two sides of a mixed answer belong together.
            reasons.insert(0 if stance == "mixed" else 1, self.rng.choice(extras))
        if talkative > 0.85 or len(reasons) < 2:
            reasons.append(self._pick(self.vocabulary.words["closings"][stance]))
        if stance != "mixed" and self.rng.random() < 0.2:
            return [reasons[0], self._join("so", position), *reasons[1:3]]
        return [f"{self._pick(self.vocabulary.words['starts'])}{position}", *reasons[:3]]

    def _position(self, stance: str) -> str:
        words = self.vocabulary.words
        lead = self._pick(words["leads"][self.question.topic.case], topic=self.question.topic.words)
        return f"{lead} {self._pick(words['clauses'][self.question.kind][stance])}."

    def _reasons(self, stance: str) -> list[str]:
        first, second = self._two_themes()
        if stance == "mixed":
            self.used += [first, second]
            pair = [self._reason(first, "for"), self._reason(second, "against")]
            self.rng.shuffle(pair)
            return [pair[0], self._join("but", pair[1])]
        side = {"support": "for", "oppose": "against"}.get(stance, "weigh")
        self.used.append(first)
        reasons = [self._reason(first, side)]
        if self.rng.random() < 0.45:
            self.used.append(second)
            reasons.append(self._join("and", self._reason(second, side)))
        return reasons

    def _reason(self, theme: str, side: str) -> str:
        return self._pick(self.vocabulary.words["themes"][theme][side])

    def _two_themes(self) -> tuple[str, str]:
        """Two things to talk about: what the question or the briefing touches, and what is always on this mind."""
        themes = list(self.vocabulary.words["themes"])
        usual = self.vocabulary.words["usual_themes"]
        told = self.vocabulary.themes_in(self.briefing)
        own = self._on_my_mind()
        favourites = self.fixed("themes")
        weights = [
            (10.0 if theme in self.question.themes else 2.5 if theme in told else 0.6 if theme in usual else 0.1)
            * (2.5 if theme in own else 1.0)
            * favourites.uniform(0.4, 1.8)
            for theme in themes
        ]
        [first] = self.rng.choices(themes, weights)
        weights[themes.index(first)] = 0.0
        [second] = self.rng.choices(themes, weights)
        return first, second

    def _on_my_mind(self) -> tuple[str, ...]:
        phrases = (phrase for part in ("values", "concerns", "needs", "pains") for phrase in self.persona.get(part, ()))
        return self.vocabulary.themes_in(" . ".join(phrases))

    def _ground(self) -> str | None:
        """Something of the persona's own life."""
        part = self.rng.choice(("occupation", "age", "values", "concerns", "needs", "pains"))
        grounds = self.vocabulary.words["grounds"]
        if part == "age":
            age = self.persona.get("age_years")
            return self._pick(grounds["age"], age=str(age)) if age else None
        if part == "occupation":
            occupation = _in_a_sentence(str(self.persona.get("occupation", "")))
            filled = {"occupation": occupation, "an_occupation": _with_article(occupation)}
            return self._pick(grounds[part], **filled) if occupation else None
        phrases = [_in_a_sentence(phrase) for phrase in self.persona.get(part, ())]
        said = " ".join(entry["answer"] for entry in self.earlier).lower()
        fresh = [phrase for phrase in phrases if phrase and phrase.lower() not in said]
        return self._pick(grounds[part.removesuffix("s")], phrase=self.rng.choice(fresh)) if fresh else None

    def _recollection(self) -> str | None:
        """A word about an earlier answer, where it was about the same."""
        if not self.earlier:
            return None
        entry = self.earlier[-1] if self.rng.random() < 0.6 else self.rng.choice(self.earlier)
        theme = next((theme for theme in self.used if theme in self.vocabulary.themes_in(entry["answer"])), None)
        if theme is None:
            return None
        topic = self.vocabulary.read(entry["question"]).topic
        sentences = [
            sentence for sentence in self.vocabulary.words["memory"] if topic.case == "any" or "{topic}" not in sentence
        ]
        return self._pick(sentences, theme=self.vocabulary.words["themes"][theme]["label"], topic=topic.words)

    def _reaction(self, heard: Mapping[str, Any], attitude: float, *, changed: bool) -> str:
        """A word about what the others said."""
        words, digest, quotes = self.vocabulary.words["heard"], heard["digest"], heard["quotes"]
        if changed:
            return self._pick(words["shift"])
        if quotes and self.rng.random() < 0.6:
            quote = self.rng.choice(quotes)
            against = (quote["stance"] == "oppose") == (attitude > 0) and quote["stance"] in ("support", "oppose")
            sentences = words["disagree" if against else "agree"]
            return self._pick(sentences, speaker=quote["speaker"], snippet=_snippet(quote["text"]))
        if digest["themes"] and self.rng.random() < 0.5:
            return self._pick(words["theme"], theme=self.rng.choice(digest["themes"][:3])["theme"])
        mean = float(digest["mean_sentiment"])
        mood = words["moods"]["up" if mean > 0.12 else "down" if mean < -0.12 else "level"]
        return self._pick(words["majority"], mood=mood)

    def _join(self, joint: str, sentence: str) -> str:
        word = self._pick(self.vocabulary.words["joints"][joint])
        return f"{word}{_lower(sentence) if word else sentence}"

    def _pick(self, sentences: Sequence[str], **filled: str) -> str:
        """One of the sentences, with one of each of its `[alternatives|there|are]`, and its `{gaps}` filled."""
        sentence = _CHOICE.sub(lambda match: self.rng.choice(match[1].split("|")), self.rng.choice(sentences))
        for name, value in filled.items():
            sentence = sentence.replace(f"{{{name}}}", value)
        return sentence[:1].upper() + sentence[1:] if filled else sentence


def _clip(value: float) -> float:
    return max(-1.0, min(1.0, value))


def _in_a_sentence(phrase: str) -> str:
    """A phrase of the profile as the persona would say it of itself; empty where that cannot be told."""
    phrase = phrase.strip().rstrip(".")
    if len(phrase) > 120 or _OTHERS_LIFE.search(phrase):
        return ""
    return _lower(_POSSESSIVE.sub("my", phrase))


def _with_article(noun: str) -> str:
    """The English indefinite article goes by sound, which the first letter tells well enough here."""
    return f"{'an' if noun[:1].lower() in 'aeio' else 'a'} {noun}"


def _lower(sentence: str) -> str:
    """The sentence without its capital, but for `I` and abbreviations."""
    first = sentence.split(" ", 1)[0]
    if first[:1].isupper() and (first in ("I",) or first.startswith(("I'", "I’")) or first[1:2].isupper()):
        return sentence
    return sentence[:1].lower() + sentence[1:]


def _snippet(text: str, words: int = 8) -> str:
    """The first words of a quote, up to the end of its first clause."""
    clause = re.split(r"(?<=\w)[.!?;:…]\s", text, maxsplit=1)[0]
    cut = clause.split()
    return " ".join(cut[:words]).rstrip(".,;:!?…") + ("…" if len(cut) > words else "")
