"""Plays the analyst of a focus group. What it finds is simple, and every quote is an extract of an answer given."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from common.llm.simulated.analysis_findings import (
    Drawn,
    Topic,
    cite,
    dealt,
    extract,
    lean_of,
    quoted,
    read,
    stems_of,
    words_of,
)


def play_summary(variables: Mapping[str, Any], rng: random.Random) -> Drawn:
    """A report from all answers of a group (prompt `summary`)."""
    said, reading, topics = read(variables, rng)
    mood = lean_of(fmean(answer.sentiment for answer in said))
    voices = sorted(said, key=lambda answer: answer.sentiment, reverse=mood == "negative")
    usual = voices[len(voices) // 2 :]
    return reading | _conclude(
        words_of(variables),
        rng,
        mood=mood,
        topics=topics,
        disagreements=reading["disagreements"],
        general=[cite(answer, rng) for answer in rng.sample(usual, k=min(2, len(usual)))],
        minority=[cite(voices[0], rng)],
    )


def play_part(variables: Mapping[str, Any], rng: random.Random) -> Drawn:
    """A reading of a portion (prompt `summary_part`)."""
    return read(variables, rng)[1]


def play_fold(variables: Mapping[str, Any], rng: random.Random) -> Drawn:
    """A reading of several readings (prompt `summary_fold`)."""
    return _join(variables, rng)[0]


def play_merge(variables: Mapping[str, Any], rng: random.Random) -> Drawn:
    """A report from readings (prompt `summary_merge`)."""
    reading, topics = _join(variables, rng)
    mood = lean_of(variables["figures"]["overall"] or 0.0)
    passages = [citation for topic in topics for citation in topic.evidence]
    if not passages:
        return reading | {"executive_summary": [], "recommendations": []}
    return reading | _conclude(
        words_of(variables),
        rng,
        mood=mood,
        topics=topics,
        disagreements=reading["disagreements"],
        general=rng.sample(passages, k=min(2, len(passages))),
        minority=[],
    )


def play_mend(variables: Mapping[str, Any], rng: random.Random) -> Drawn:
    """Other evidence for statements, from the answers they cite (prompt `summary_mend`)."""
    texts = {answer["label"]: answer["text"] for answer in variables["answers"]}
    mended = []
    for statement in variables["statements"]:
        cited = dict.fromkeys(citation.partition(":")[0] for citation in statement["evidence"])
        evidence = [f"{label}: {extract(texts[label], rng)}" for label in cited if label in texts]
        mended.append({"label": statement["label"], "evidence": evidence})
    return {"statements": mended}


def _join(variables: Mapping[str, Any], rng: random.Random) -> tuple[Drawn, list[Topic]]:
    """Readings as one: themes whose names share a stem are the same."""
    readings = variables["readings"]
    gathered: list[tuple[set[str], list[Mapping[str, Any]]]] = []
    for theme in (theme for reading in readings for theme in reading["themes"]):
        stems = stems_of(theme["name"])
        home = next((themes for known, themes in gathered if known & stems), None)
        if home is None:
            gathered.append((stems, [theme]))
        else:
            home.append(theme)
    gathered.sort(key=lambda entry: -len(entry[1]))
    topics = []
    for _, themes in gathered[:10]:
        passages = [citation for theme in themes for citation in theme["evidence"]]
        told = rng.choice(themes)
        topics.append(
            Topic(
                name=themes[0]["name"],
                description=told["description"],
                lean="mixed",
                sources=[theme["label"] for theme in themes],
                evidence=rng.sample(passages, k=min(3, len(passages))),
            )
        )
    surprising = _unlike((s for reading in readings for s in reading["surprising"]), "statement")
    disagreements = _unlike((d for reading in readings for d in reading["disagreements"]), "about")
    reading = {
        "themes": [topic.draft() for topic in topics],
        "surprising": rng.sample(surprising, k=min(4, len(surprising))),
        "disagreements": disagreements[:4],
    }
    return reading, topics


def _conclude(
    words: Drawn,
    rng: random.Random,
    *,
    mood: str,
    topics: Sequence[Topic],
    disagreements: Sequence[Drawn],
    general: list[str],
    minority: list[str],
) -> Drawn:
    """Executive summary and recommendations."""
    points = [{"statement": rng.choice(words["mood"][mood]), "evidence": general}]
    recommendations = []
    if topics:
        top = topics[0]
        statement = rng.choice(words["top"]).format(theme=quoted(top.name.lower(), words))
        points.append({"statement": statement[0].upper() + statement[1:], "evidence": top.evidence})
    advices = {lean: dealt(options, rng) for lean, options in words["recommend"].items()}
    for topic in topics[:3]:
        advice = next(advices[topic.lean])
        action = advice["action"].format(theme=quoted(topic.name.lower(), words))
        recommendations.append({"action": action, "reason": advice["reason"], "evidence": topic.evidence[:2]})
    if disagreements:
        both = [disagreements[0]["one_side_evidence"][0], disagreements[0]["other_side_evidence"][0]]
        about = disagreements[0]["about"]
        statement = rng.choice(words["divide"]).format(about=about[0].lower() + about[1:])
        points.append({"statement": statement, "evidence": both})
        recommendations.append(dict(next(advices["divide"])) | {"evidence": both})
    if minority and minority[0] not in general:
        points.append({"statement": rng.choice(words["voice"]), "evidence": minority})
    return {"executive_summary": points, "recommendations": recommendations}


def _unlike(found: Iterable[Drawn], key: str) -> list[Drawn]:
    return list({entry[key]: entry for entry in found}.values())
