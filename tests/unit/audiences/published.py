"""The figures of the audiences that come with Sight, computed from the published counts in `audiences/counts`.

Shares are whole hundred-thousandths that sum to 1, rounded by largest remainder, and a dimension that is in a
cross-tab has the sums of its cells, so that nothing has to be adjusted. `audiences/counts/README.md` says where
each table is from.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

COUNTS = Path(__file__).parents[3] / "audiences" / "counts"
UNIT = 100_000
Cell = tuple[str, ...]
Cells = dict[Cell, float]

OLDER_AGES = {"25-34": "25-34", "35-44": "35-44", "45-54": "45-64", "55-64": "45-64", "65+": "65+"}
"""The age groups of the United States that are 25 and over, and those the table of attainment has for them."""
LEVELS = {
    "less than 9th grade": "less than high school",
    "9th to 12th grade, no diploma": "less than high school",
    "high school graduate": "high school",
    "some college, no degree": "some college",
    "associate's degree": "associate degree",
    "bachelor's degree": "bachelor's degree",
    "graduate or professional degree": "advanced degree",
}
ATTAINMENT_2022 = dict(zip(dict.fromkeys(LEVELS.values()), (9, 28, 15, 10, 23, 14), strict=True))
"""Per cent of people of 25 and over (Census Bureau, press release CB23-TPS.21); they sum to 99."""
DEGREES = ("bachelor's degree", "advanced degree")
SEXES = {"woman": "women", "man": "men"}

POLISH_EDUCATION = {"kobieta": (14.9, 33.4, 26.9), "mężczyzna": (24.6, 31.2, 19.0)}
"""Per cent with basic vocational, secondary or post-secondary, and higher education, census of 2021, 13 and over."""
POLISH_PRIMARY = {"kobieta": 13, "mężczyzna": 11}
"""Per cent with primary education, rounded: "nearly 13" and "nearly 11"; for both sexes together 11.7."""
POLISH_SEXES = {"kobieta": 0.517, "mężczyzna": 0.483}


@dataclass(frozen=True, slots=True)
class Figures:
    """What is derived of an audience: shares by dimension and label, and by cross-tab and cell."""

    dimensions: dict[str, dict[str, float]]
    cross_tabs: dict[Cell, dict[Cell, float]]


def poland_adults() -> Figures:
    """Age and sex; sex and education; voivodeship and size of place."""
    ages: Cells = defaultdict(float)
    for row in _table("poland-2024-age-sex"):
        age, part = {"16-19": ("18-24", 0.5), "20-24": ("18-24", 1.0)}.get(row["age"], (row["age"], 1.0))
        for gender, column in (("kobieta", "women"), ("mężczyzna", "men")):
            ages[age, gender] += part * float(row[column])
    age_gender = round_shares(ages)

    scale = 11.7 / sum(POLISH_SEXES[gender] * percent for gender, percent in POLISH_PRIMARY.items())
    levels = ("podstawowe lub gimnazjalne", "zasadnicze zawodowe", "średnie lub policealne", "wyższe")
    gender_education: dict[Cell, int] = {}
    for gender, published in POLISH_EDUCATION.items():
        percents = (scale * POLISH_PRIMARY[gender] + 3.1, *published)
        people = sum(units for (_, each), units in age_gender.items() if each == gender)
        cells: Cells = {(gender, level): percent for level, percent in zip(levels, percents, strict=True)}
        gender_education.update(round_shares(cells, people))

    return _figures({
        ("age", "gender"): age_gender,
        ("gender", "education"): gender_education,
        ("region", "location"): round_shares(_polish_places()),
    })  # fmt: skip


def _polish_places() -> Cells:
    towns = {row["voivodeship"]: float(row["people"]) for row in _table("poland-2023-urban")}
    large: Cells = defaultdict(float)
    for row in _table("poland-2023-cities"):
        size = "miasto ponad 500 tys." if int(row["people"]) >= 500_000 else "miasto 100-500 tys."
        large[row["voivodeship"], size] += float(row["people"])
    cells: Cells = {}
    for row in _table("poland-2024-voivodeships"):
        region = row["voivodeship"]
        adults = float(row["total"]) - sum(float(row[age]) for age in ("0-2", "3-6", "7-12", "13-15"))
        adults -= float(row["16-19"]) / 2
        if row["place"] == "rural":
            cells[region, "wieś"] = adults
            continue
        parts = {size: large[region, size] / towns[region] for size in ("miasto 100-500 tys.", "miasto ponad 500 tys.")}
        parts = {"miasto do 100 tys.": 1 - sum(parts.values()), **parts}
        cells |= {(region, size): adults * part for size, part in parts.items() if part}
    return cells


def usa_adults() -> Figures:
    """Age, sex and education; region and urban or rural."""
    ages = {"18-24": "18-24", **OLDER_AGES}
    cells: Cells = {
        (age, gender, level): people * share
        for (age, gender), people in _usa_ages(ages).items()
        for level, share in attainment()[ages[age], gender].items()
    }
    return _figures({
        ("age", "gender", "education"): round_shares(cells),
        ("region", "location"): round_shares(_usa_places()),
    })  # fmt: skip


def attainment() -> dict[tuple[str, str], dict[str, float]]:
    """Education by age group and sex: the table of 2017, that of people of 25 and over fitted by iterative
    proportional fitting (Deming & Stephan 1940) to the people of 2024 and the attainment of 2022."""
    counts: Cells = defaultdict(float)
    for row in _table("usa-2017-attainment"):
        gender = {"women": "woman", "men": "man"}[row["sex"]]
        counts[row["age"], gender, LEVELS[row["level"]]] += float(row["people"])
    people: Cells = defaultdict(float)
    for (age, gender), number in _usa_ages(OLDER_AGES).items():
        people[OLDER_AGES[age], gender] += number
    everybody = sum(people.values())
    levels: Cells = {(level,): everybody * part / 99 for level, part in ATTAINMENT_2022.items()}
    older: Cells = {cell: number for cell, number in counts.items() if cell[0] != "18-24"}
    for _ in range(200):
        older = _scaled(older, people, lambda cell: cell[:2])
        older = _scaled(older, levels, lambda cell: cell[2:])
    fitted = older | {cell: number for cell, number in counts.items() if cell[0] == "18-24"}
    shares: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for (age, gender, level), number in fitted.items():
        shares[age, gender][level] = number / sum(fitted[age, gender, each] for each in ATTAINMENT_2022)
    return shares


def _scaled(cells: Cells, targets: Mapping[Cell, float], key: Callable[[Cell], Cell]) -> Cells:
    sums: Cells = defaultdict(float)
    for cell, number in cells.items():
        sums[key(cell)] += number
    return {cell: number * targets[key(cell)] / sums[key(cell)] for cell, number in cells.items()}


def generation(ages: Mapping[str, str]) -> Figures:
    """Age, sex and education of people of some ages; `ages` names the age group of the table of attainment that
    stands for each."""
    cells: Cells = {
        (age, gender, level): people * share
        for (age, gender), people in _usa_ages(ages).items()
        for level, share in attainment()[ages[age], gender].items()
    }
    regions = _sum(_usa_places(), (0,))
    return _figures({("age", "gender", "education"): round_shares(cells), ("location",): round_shares(regions)})


def urban_professionals() -> Figures:
    """Age and degree, sex, and the regions of urban people."""
    cells: Cells = {}
    for row in _table("usa-2025-professionals"):
        people = float(row["employed_thousands"]) * float(row["percent_professional"])
        group = OLDER_AGES[row["age"]]
        degrees = {
            level: sum(
                number * attainment()[group, gender][level]
                for (age, gender), number in _usa_ages(OLDER_AGES).items()
                if age == row["age"]
            )
            for level in DEGREES
        }
        cells |= {(row["age"], level): people * part / sum(degrees.values()) for level, part in degrees.items()}
    sexes: Cells = {
        ({"women": "woman", "men": "man"}[row["sex"]],): float(row["employed_thousands"])
        * float(row["percent_professional"])
        for row in _table("usa-2025-professionals-sex")
    }
    urban = _sum({cell: people for cell, people in _usa_places().items() if cell[1] == "urban"}, (0,))
    return _figures({
        ("age", "education"): round_shares(cells),
        ("gender",): round_shares(sexes),
        ("location",): round_shares(urban),
    })  # fmt: skip


def rural() -> Figures:
    """The regions of rural people."""
    regions: Cells = defaultdict(float)
    for row in _table("usa-states"):
        regions[(f"rural {row['region']}",)] += float(row["rural_2020"])
    order = [(f"rural {region}",) for region in ("Northeast", "Midwest", "South", "West")]
    return _figures({("location",): round_shares({region: regions[region] for region in order})})


def germany_adults() -> Figures:
    """Age and sex, school certificate, state."""
    ages = {"18-24": 18, "25-34": 25, "35-44": 35, "45-54": 45, "55-64": 55, "65+": 65}
    cells: Cells = defaultdict(float)
    for row in _table("germany-2020-age-sex"):
        age = [label for label, youngest in ages.items() if int(row["age"]) >= youngest][-1]
        for gender, column in (("Frau", "women"), ("Mann", "men")):
            cells[age, gender] += float(row[column])
    return _figures({
        ("age", "gender"): round_shares(cells),
        ("education",): round_shares(_column("germany-attainment", "certificate", "thousands")),
        ("location",): round_shares(_column("germany-2022-states", "state", "people")),
    })  # fmt: skip


DERIVED: dict[str, Callable[[], Figures]] = {
    "poland-adults": poland_adults,
    "usa-adults": usa_adults,
    "germany-adults": germany_adults,
    "gen-z": lambda: generation({"18-24": "18-24", "25-27": "25-34"}),
    "millennials": lambda: generation({"28-34": "25-34", "35-43": "35-44"}),
    "gen-x": lambda: generation({"44-51": "45-64", "52-59": "45-64"}),
    "boomers": lambda: generation({"60-64": "45-64", "65-69": "65+", "70-78": "65+"}),
    "urban-professionals": urban_professionals,
    "rural": rural,
}


def round_shares(cells: Mapping[Cell, float], total: int = UNIT) -> dict[Cell, int]:
    """Whole units that sum to `total` in proportion to `cells`, by largest remainder."""
    everything = sum(cells.values())
    exact = {cell: total * number / everything for cell, number in cells.items()}
    units = {cell: int(number) for cell, number in exact.items()}
    by_remainder = sorted(exact, key=lambda cell: (units[cell] - exact[cell], cell))
    for cell in by_remainder[: total - sum(units.values())]:
        units[cell] += 1
    return units


def _figures(tables: Mapping[Cell, Mapping[Cell, int]]) -> Figures:
    dimensions: dict[str, dict[str, float]] = {}
    for names, cells in tables.items():
        for axis, name in enumerate(names):
            labels: dict[str, int] = defaultdict(int)
            for cell, units in cells.items():
                labels[cell[axis]] += units
            dimensions.setdefault(name, {label: units / UNIT for label, units in labels.items()})
    cross_tabs = {
        names: {cell: units / UNIT for cell, units in cells.items()}
        for names, cells in tables.items()
        if len(names) > 1
    }
    return Figures(dimensions, cross_tabs)


def _usa_ages(ages: Iterable[str]) -> Cells:
    cells: Cells = defaultdict(float)
    for label in ages:
        youngest, _, oldest = label.partition("-")
        low, high = (int(youngest.rstrip("+")), int(oldest) if oldest else 100)
        for row in _table("usa-2024-age-sex"):
            if low <= int(row["age"]) <= high:
                for gender, column in SEXES.items():
                    cells[label, gender] += float(row[column])
    return cells


def _usa_places() -> Cells:
    cells: Cells = {
        (region, place): 0.0 for region in ("Northeast", "Midwest", "South", "West") for place in ("urban", "rural")
    }
    for row in _table("usa-states"):
        urban, country = float(row["urban_2020"]), float(row["rural_2020"])
        for place, people in (("urban", urban), ("rural", country)):
            cells[row["region"], place] += float(row["adults_2023"]) * people / (urban + country)
    return cells


def _sum(cells: Mapping[Cell, float], axes: tuple[int, ...]) -> Cells:
    sums: Cells = defaultdict(float)
    for cell, number in cells.items():
        sums[tuple(cell[axis] for axis in axes)] += number
    return sums


def _column(table: str, label: str, number: str) -> Cells:
    return {(row[label],): float(row[number]) for row in _table(table)}


def _table(name: str) -> list[dict[str, str]]:
    with (COUNTS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
