"""Plays the prompts that make personas: a segment's brief, a person of it, and the person put right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from common.llm.simulated.lives import Work, choose_work, name_of, years_of
from common.llm.simulated.places import Place, choose_place
from common.llm.simulated.wording import PRONOUNS, capital, fill, load, spoken, uncapital, weighted
from common.personas.labels import AgeRange, Reading, read_age, read_seat, read_settlement
from common.personas.names import naming

YOUNG, OLD = 30, 60
"""Ages from which a life is told as the one of the middle, and as that of the old."""
MAX_HEADLINE = 160
ADULT = 18
OLD_AGE_SPAN = 22
"""How many years above its start an open-ended age group is drawn from."""

Data = dict[str, Any]


def play_brief(variables: Mapping[str, Any], randomness: Random) -> Data:
    """A segment's brief; its attitudes are those of the themes its personas then share."""
    language = spoken(variables["language"])
    words = load(f"persona_{language}")
    brief = words["brief"]
    age = _typical_age(read_age(variables["age"]))
    education = read_seat({"education": variables["education"]}).education or "unknown"
    settlement = read_settlement(variables["location"]) or "plain"
    stage = "young" if age < YOUNG else "middle" if age < OLD else "old"
    themes = randomness.sample(_fitting(words["themes"], age, least=5), 5)
    return {
        "daily_life": " ".join(
            [*randomness.sample(brief["daily_life"][stage], 2), *brief["settings"][settlement]],
        ),
        "economic_situation": " ".join(_shuffled(brief["economic"][education], randomness)),
        "attitudes": [theme["attitude"] for theme in themes],
        "media_habits": randomness.sample(brief["media"][stage], 4),
        "variation": " ".join(randomness.sample(brief["variation"], 3)),
    }


def play_persona(variables: Mapping[str, Any], randomness: Random) -> Data:
    """A person for a seat."""
    return _told(_person(variables, randomness), randomness)


def play_repair(variables: Mapping[str, Any], randomness: Random) -> Data:
    """The person told anew for its seat, with what nobody found wrong kept as it was."""
    written: Data = dict(variables["persona"])
    found = " ".join(variables["findings"])
    anew = play_persona(variables, randomness)
    kept = {
        name: written[name]
        for name in ("values", "interests", "concerns", "needs", "pains", "communication_style", "decision_style")
        if name not in found
    }
    told = {**anew, **kept}
    said = _texts(told)
    grounds = [ground for ground in (*written["grounds"], *anew["grounds"]) if any(ground["claim"] in t for t in said)]
    return {**told, "grounds": grounds[:6]}


@dataclass(slots=True)
class _Person:
    language: str
    words: Data
    gender: str
    age: int
    reading: Reading
    seat: Mapping[str, str]
    traits: Mapping[str, float]
    brief: Data
    place: Place
    work: Work
    slots: dict[str, object] = field(default_factory=dict)

    def say(self, template: str) -> str:
        """A template filled for this person."""
        return fill(template, self.slots, gender=self.gender, language=self.language)


def _person(variables: Mapping[str, Any], randomness: Random) -> _Person:
    language = spoken(variables["language"])
    words = load(f"persona_{language}")
    seat: Mapping[str, str] = variables["seat"]
    reading = read_seat(seat)
    gender: str = reading.gender or randomness.choice(("female", "male"))
    if gender == "other" and language == "pl":
        gender = randomness.choice(("female", "male"))  # Polish has no third person without gender
    age = _age(reading.age, randomness)
    place = choose_place(variables["country"], variables["language"], reading, seat, randomness)
    work = choose_work(words, reading, age, gender, randomness)
    initials = variables["initials"]
    names = naming(variables["language"], variables["country"]) or naming(language, None)
    assert names is not None
    given, family = name_of(names, gender, age, initials["given"], initials["family"], randomness)
    partner = name_of(names, "male" if gender == "female" else "female", age, "", "", randomness)[0]
    person = _Person(
        language=language,
        words=words,
        gender=gender,
        age=age,
        reading=reading,
        seat=seat,
        traits=variables["traits"],
        brief=variables["brief"],
        place=place,
        work=work,
    )
    person.slots = {
        **PRONOUNS[gender],
        "name": f"{given} {family}",
        "first": given,
        "age": age,
        "partner": partner,
        "occupation": work.occupation,
        "a_occupation": f"{'an' if work.occupation[0] in 'aeiou' else 'a'} {work.occupation}",
        "studies": randomness.choice(words["studies"]),
        "children": randomness.choice(_fitting(words["children"], age))["text"],
        **{slot: randomness.choice(options) for slot, options in words["slots"].items()},
        **years_of(age, randomness),
    }
    return person


def _told(person: _Person, randomness: Random) -> Data:
    words, say = person.words, person.say
    themes = _themes(person, randomness)
    interests = _interests(person, randomness)
    place = place_phrase(person)
    person.slots |= {
        "place": place,
        "place_short": short_place(person),
        "household": say(randomness.choice(_fitting(words["households"], person.age))["text"]),
        "hook": say(randomness.choice(themes)["hook"]),
        "interest": interests[0],
        **_origin(person, randomness),
    }
    middle = [
        say(randomness.choice(words["origins"])),
        say(_sentence(words["money"], person.age, randomness)),
        say(_by_trait(words["habits"], person.traits, randomness)),
        say(_sentence(words["changes"], person.age, randomness)),
    ]
    person.slots["interest"] = interests[1]
    story = [
        say(randomness.choice(words["openings"])),
        say(randomness.choice(words["days"][person.work.sector])),
        *_shuffled(middle, randomness),
        say(_sentence(words["quirks"], person.age, randomness)),
    ]
    person.slots["interest"] = interests[2]
    occupation = capital(say(words["statuses"][person.work.status]) if person.work.status else person.work.occupation)
    told: Data = {
        "name": person.slots["name"],
        "headline": _headline(person, occupation, randomness),
        "age_years": person.age,
        "occupation": occupation,
        "story": " ".join(story),
        "values": [capital(theme["value"]) for theme in themes],
        "interests": [capital(interest) for interest in interests],
        "communication_style": _style(words["communication"], person, randomness),
        "decision_style": _style(words["decision"], person, randomness),
        **{
            kind: [capital(say(randomness.choice(theme[kind]))) for theme in chosen]
            for kind, chosen in zip(("concerns", "needs", "pains"), _spread(themes, randomness), strict=True)
        },
    }
    told["grounds"] = _grounds(told, person, themes, place)
    return told


def _themes(person: _Person, randomness: Random) -> list[Data]:
    """Four themes of the person's life: two that the brief names, where it does, and others of that age."""
    fitting = _fitting(person.words["themes"], person.age, least=5)
    briefed = [theme for theme in fitting if theme["attitude"] in person.brief["attitudes"]]
    shared = randomness.sample(briefed, min(2, len(briefed)))
    others = [theme for theme in fitting if theme not in shared]
    return [*shared, *randomness.sample(others, 4 - len(shared))]


def _spread(themes: Sequence[Data], randomness: Random) -> list[list[Data]]:
    """Which themes the concerns, needs and pains are of: those the brief shares in all, the others in some."""
    shared, rest = list(themes[:2]), list(themes[2:])
    return [_shuffled([*shared, randomness.choice(rest)], randomness) for _ in range(3)]


def _interests(person: _Person, randomness: Random) -> list[str]:
    fitting = _fitting(person.words["interests"], person.age, least=5)
    pull = [max(0.1, 1 + interest["sign"] * _deviation(person.traits, interest["trait"])) for interest in fitting]
    return [interest["text"] for interest in weighted(randomness, fitting, pull, randomness.choice((3, 4, 4, 5)))]


def _headline(person: _Person, occupation: str, randomness: Random) -> str:
    slots = {**person.slots, "occupation": uncapital(occupation)}
    headlines = [
        fill(template, slots, gender=person.gender, language=person.language)
        for template in _shuffled(person.words["headlines"], randomness)
    ]
    return next((headline for headline in headlines if len(headline) <= MAX_HEADLINE), occupation[:MAX_HEADLINE])


def _style(entries: Sequence[Data], person: _Person, randomness: Random) -> str:
    """Two manners, of the traits in which the person is furthest from average."""
    first = _by_trait(entries, person.traits, randomness, whole=True)
    others = [entry for entry in entries if entry["trait"] != first["trait"]]
    second = _by_trait(others, person.traits, randomness, whole=True)
    return f"{first['text']}. {second['text']}."


def _by_trait(entries: Sequence[Data], traits: Mapping[str, float], randomness: Random, *, whole: bool = False) -> Any:
    pull = [max(0.02, entry["sign"] * _deviation(traits, entry["trait"])) ** 2 for entry in entries]
    chosen = weighted(randomness, entries, pull, 1)[0]
    return chosen if whole else chosen["text"]


def _deviation(traits: Mapping[str, float], trait: str) -> float:
    """How many standard deviations a trait is above the average."""
    return (float(traits[trait]) - 50) / 10


def _grounds(told: Data, person: _Person, themes: Sequence[Data], place: str) -> list[Data]:
    """What of the person rests on the brief and on the seat, word for word."""
    grounds = []
    for theme, kind in zip(themes[:2], ("concerns", "needs"), strict=True):
        said = {capital(person.say(text)) for text in theme[kind]}
        claim = next((entry for entry in told[kind] if entry in said), None)
        if claim and theme["attitude"] in person.brief["attitudes"]:
            grounds.append({"claim": claim, "basis": theme["attitude"]})
    if person.reading.place:
        grounds.append({"claim": place, "basis": person.reading.place})
    label = person.reading.labels.get("employment") or person.reading.labels.get("education")
    if label or len(grounds) < 2:
        grounds.append({"claim": told["occupation"], "basis": label or next(iter(person.seat.values()))})
    if len(grounds) < 2:
        grounds.append({"claim": told["story"].split(". ")[0][:240], "basis": next(iter(person.seat.values()))})
    return [{name: text[:240] for name, text in ground.items()} for ground in grounds]


def place_phrase(person: _Person) -> str:
    """Where the person lives, as the story says it."""
    phrases, place = person.words["places"], person.place
    slots = {**person.slots, "name": place.name, "label": place.label, "in": _inside(place, person.language)}
    if place.name:
        template = phrases[place.kind]
    elif place.label and place.kind == "plain":
        template = phrases["label"]
    else:
        template = phrases["unnamed"][place.kind]
    return fill(template, slots, gender=person.gender, language=person.language)


def short_place(person: _Person) -> str:
    """Where the person lives, as the headline says it."""
    phrases, place = person.words["places"], person.place
    template = phrases["short"] if place.name else phrases["short_unnamed"][place.kind]
    return fill(template, {"name": place.name}, gender=person.gender, language=person.language)


def _inside(place: Place, language: str) -> str:
    if language == "en":
        return f"in {place.name}"
    return place.inside or f"w mieście {place.name}"


def _origin(person: _Person, randomness: Random) -> dict[str, object]:
    phrases = person.words["places"]
    if not person.place.others:
        return {"origin": phrases["origin_unnamed"], "origin_name": "further south"}
    name = randomness.choice(person.place.others)
    return {"origin": fill(phrases["origin"], {"name": name}, gender="other", language="en"), "origin_name": name}


def _age(ages: AgeRange | None, randomness: Random) -> int:
    if ages is None:
        return randomness.randint(ADULT, 80)
    low = max(ages.low, min(ADULT, ages.high))
    return randomness.randint(low, min(ages.high, low + OLD_AGE_SPAN))


def _typical_age(ages: AgeRange | None) -> int:
    return 40 if ages is None else (max(ages.low, min(ADULT, ages.high)) + min(ages.high, ages.low + OLD_AGE_SPAN)) // 2


def _fitting(entries: Sequence[Data], age: int, *, least: int = 1) -> list[Data]:
    """What fits an age; the nearest where fewer than `least` do."""
    fitting = [entry for entry in entries if entry["from"] <= age <= entry["to"]]
    return fitting if len(fitting) >= least else sorted(entries, key=lambda entry: _distance(entry, age))[: 2 * least]


def _sentence(entries: Sequence[str | list[Any]], age: int, randomness: Random) -> str:
    """One of the sentences, of which some hold from an age on: `[sentence, age]`."""
    since = [(entry, 0) if isinstance(entry, str) else (str(entry[0]), int(entry[1])) for entry in entries]
    return randomness.choice([sentence for sentence, start in since if start <= age])


def _distance(entry: Data, age: int) -> int:
    return max(0, int(entry["from"]) - age, age - int(entry["to"]))


def _shuffled(entries: Sequence[Any], randomness: Random) -> list[Any]:
    return randomness.sample(entries, len(entries))


def _texts(told: Data) -> list[str]:
    return [
        text
        for value in told.values()
        for text in (value if isinstance(value, list) else [value])
        if isinstance(text, str)
    ]
