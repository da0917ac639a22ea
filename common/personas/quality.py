"""Scores a persona from 0 to 100, with the parts the score is made of and what cost points in each.

The score says how much there is to work with and how well it hangs together, told from the text alone; it does
not say that such a person exists. Parts and weights are documented in docs/personas.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import combinations
from statistics import fmean

from common.personas import language as languages
from common.personas.checks import texts
from common.personas.labels import Reading, words_for
from common.personas.models import CheckedGround, Draft, Ground, Profile, Quality, QualityPart, SegmentBrief

WEIGHTS: Mapping[str, float] = {
    "consistency": 0.25,
    "grounding": 0.20,
    "specificity": 0.20,
    "completeness": 0.15,
    "diversity": 0.10,
    "language": 0.10,
}
"""What researchers can least do without weighs most: a persona that does not match its seat spoils the sample,
one without grounds is invented, a general one answers in generalities. Gaps, sameness and language are seen at once."""

FULL_LENGTHS = {"headline": 25, "story": 450, "communication_style": 40, "decision_style": 40}
FULL_LISTS = {"values": 4, "interests": 4, "concerns": 3, "needs": 3, "pains": 3}
"""Lengths (characters) and entries from which on more adds nothing."""
WANTED_GROUNDS = 3
WANTED_DETAILS = 6
PHRASE_WORDS = 3
GENERIC_COST = 15.0
NATURAL_SHARE = 0.20
"""Running prose has at least this share of function words."""
SAME = 0.5
"""Two entries that share this part of their words (Jaccard) say the same."""


def check_grounds(draft: Draft, demographics: Mapping[str, str], brief: SegmentBrief) -> list[CheckedGround]:
    """Whether each ground's claim stands in the profile, and its basis in the brief or among the seat's labels."""
    said = [_folded(value) for _, value in texts(draft)]
    known = [
        *(_folded(value) for value in (brief.daily_life, brief.economic_situation, brief.variation)),
        *(_folded(value) for value in (*brief.attitudes, *brief.media_habits)),
        *(_folded(part) for dimension, label in demographics.items() for part in (label, f"{dimension}: {label}")),
    ]
    return [_checked(ground, said, known) for ground in draft.grounds]


def _checked(ground: Ground, said: Sequence[str], known: Sequence[str]) -> CheckedGround:
    claim, basis = _folded(ground.claim), _folded(ground.basis)
    verified = bool(claim and basis) and any(claim in text for text in said) and any(basis in text for text in known)
    return CheckedGround(claim=ground.claim, basis=ground.basis, verified=verified)


def score(
    profile: Profile,
    reading: Reading,
    language: str,
    *,
    grounds: Sequence[CheckedGround],
    repaired: Sequence[str] = (),
) -> Quality:
    """The quality of a persona."""
    parts = {
        "consistency": _consistency(profile, reading, language),
        "grounding": _grounding(grounds),
        "specificity": _specificity(profile, language),
        "completeness": _completeness(profile),
        "diversity": _diversity(profile),
        "language": _language(profile, language),
    }
    scored = {
        name: QualityPart(score=round(100 * max(0.0, min(1.0, share)), 1), weight=WEIGHTS[name], findings=findings)
        for name, (share, findings) in parts.items()
    }
    return Quality(
        score=round(sum(part.score * part.weight for part in scored.values()), 1),
        parts=scored,
        grounds=list(grounds),
        repaired=list(repaired),
    )


Part = tuple[float, list[str]]
"""A share from 0 to 1, and what it lacks."""


def _consistency(profile: Profile, reading: Reading, language: str) -> Part:
    """Which of the seat's properties the text shows. What contradicts the seat never comes this far."""
    text = f"{profile.headline} {profile.occupation} {profile.story}".casefold()
    shown: dict[str, bool] = {}
    if reading.age is not None:
        shown["age"] = profile.age_years in reading.age
    if reading.gender in ("female", "male"):
        forms = languages.gender_forms(profile.story, language)
        if forms is not None:
            shown["gender"] = (forms.female if reading.gender == "female" else forms.male) > 0
    if reading.settlement is not None:
        shown["place"] = words_for("settlement", reading.settlement).search(text) is not None or _mentions(
            reading.place, text
        )
    elif reading.place is not None:
        shown["place"] = _mentions(reading.place, text)
    if reading.employment and reading.employment != "working":
        shown["employment"] = words_for("employment", reading.employment).search(text) is not None
    if not shown:
        return 1.0, ["nothing of the seat can be checked in the text"]
    return fmean(shown.values()), [
        f"the text does not show the seat's {name}" for name, seen in shown.items() if not seen
    ]


def _mentions(label: str | None, text: str) -> bool:
    words = [word for word in languages.WORD.findall((label or "").casefold()) if len(word) >= 4]
    return any(word[: max(4, len(word) - 2)] in text for word in words)


def _grounding(grounds: Sequence[CheckedGround]) -> Part:
    verified = sum(ground.verified for ground in grounds)
    findings = [
        f'not found word for word: "{ground.claim}" from "{ground.basis}"' for ground in grounds if not ground.verified
    ]
    if len(grounds) < WANTED_GROUNDS:
        findings.append(f"{len(grounds)} grounds given, {WANTED_GROUNDS} wanted")
    return verified / max(len(grounds), WANTED_GROUNDS), findings


def _specificity(profile: Profile, language: str) -> Part:
    """Details that fit one person (names and numbers in the story), entries that are more than a word, and no
    phrases that fit anyone."""
    details = len(re.findall(r"(?<=[\w,;:] )[^\W\d_a-zß-öø-ÿ]\w+|\d+", profile.story))
    entries = [*profile.interests, *profile.concerns, *profile.needs, *profile.pains]
    phrases = fmean(len(entry.split()) >= PHRASE_WORDS for entry in entries)
    whole = " ".join(value for _, value in texts(profile)).casefold()
    generic = [phrase for phrase in languages.phrases("generic", language) if phrase in whole]
    findings = [f'fits anyone: "{phrase}"' for phrase in generic]
    if details < WANTED_DETAILS:
        findings.append(f"{details} names or numbers in the story, {WANTED_DETAILS} wanted")
    if phrases < 0.5:
        findings.append("most entries are single words")
    share = 0.5 * min(1.0, details / WANTED_DETAILS) + 0.5 * phrases
    return share - GENERIC_COST / 100 * len(generic), findings


def _completeness(profile: Profile) -> Part:
    lengths = {field: len(getattr(profile, field)) / full for field, full in FULL_LENGTHS.items()}
    entries = {field: len(getattr(profile, field)) / full for field, full in FULL_LISTS.items()}
    short = [field for field, share in {**lengths, **entries}.items() if share < 1]
    return fmean(min(1.0, share) for share in (*lengths.values(), *entries.values())), [
        f"{field} is short" for field in short
    ]


def _diversity(profile: Profile) -> Part:
    """How little the entries of the lists repeat each other."""
    fields = ("values", "interests", "concerns", "needs", "pains")
    entries = [(entry, set(_words(entry))) for field in fields for entry in getattr(profile, field)]
    nearest = dict.fromkeys(range(len(entries)), 0.0)
    findings = []
    for one, other in combinations(range(len(entries)), 2):
        similarity = _jaccard(entries[one][1], entries[other][1])
        nearest[one], nearest[other] = max(nearest[one], similarity), max(nearest[other], similarity)
        if similarity >= SAME:
            findings.append(f'"{entries[one][0]}" and "{entries[other][0]}" say the same')
    return 1 - fmean(nearest.values()), findings


def _language(profile: Profile, language: str) -> Part:
    text = f"{profile.story} {profile.communication_style} {profile.decision_style}"
    share = languages.function_share(text, language)
    if share is None:
        return 1.0, [f'not checked: we know too little of "{language}"']
    return share / NATURAL_SHARE, [] if share >= NATURAL_SHARE else [f'reads little like running "{language}"']


def _words(text: str) -> list[str]:
    return [word for word in languages.WORD.findall(text.casefold()) if len(word) > 3]


def _jaccard(one: set[str], other: set[str]) -> float:
    union = one | other
    return len(one & other) / len(union) if union else 0.0


def _folded(text: str) -> str:
    return " ".join(text.casefold().strip(" .\"'„”“").split())
