"""Finds a quote in the answer it is said to be from. Nearly right is wrong.

Two texts are compared after Unicode canonical composition (NFC), full case folding, and with every
quotation mark and every run of whitespace as one: models straighten quotation marks and break lines, and
that changes no meaning. Nothing else is forgiven, neither a word nor a comma. A quote must not begin or
end within a word ("able to pay" is not in "unable to pay"), where the script sets words apart.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

MIN_QUOTE = 12
"""The least length of a quote, in compared characters, unless it is the whole answer: `it is` proves nothing."""

_MARKS = str.maketrans(
    dict.fromkeys('"\u201c\u201d\u201e\u201f\u00ab\u00bb\uff02\u2033', '"')
    | dict.fromkeys("'\u2018\u2019\u201a\u201b\u2039\u203a\uff07\u2032\u00b4`", "'")
)
_CASED_OR_DIGIT = {"Lu", "Ll", "Lt", "Nd"}
"""Letters with case, and digits, make words in scripts that put spaces between them."""


def find(quote: str, answer: str) -> str | None:
    """The passage of `answer` that `quote` quotes, exactly as it stands there; None when it is not there.

    Quotation marks around the quote are the model's and not part of it.
    """
    wanted = comparable(quote)[0].strip(" \"'")
    text, places = comparable(answer)
    if not wanted:
        return None
    start = text.find(wanted)
    while start >= 0:
        stop = start + len(wanted)
        if not (_within_word(text, start) or _within_word(text, stop)):
            composed = unicodedata.normalize("NFC", answer)
            return composed[places[start] : places[stop - 1] + 1]
        start = text.find(wanted, start + 1)
    return None


def too_short(quote: str, answer: str) -> bool:
    """Whether a quote says too little to tell where it is from: short, and not the whole answer."""
    wanted = comparable(quote)[0].strip(" \"'")
    return len(wanted) < MIN_QUOTE and wanted != comparable(answer)[0].strip(" \"'")


@lru_cache(maxsize=2048)
def comparable(text: str) -> tuple[str, tuple[int, ...]]:
    """The text as it is compared, and for each of its characters the index of the one it comes from in
    the composed (NFC) text. Kept, because every quote in doubt is looked for in every answer of its portion."""
    characters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(unicodedata.normalize("NFC", text)):
        if character.isspace():
            if characters and characters[-1] != " ":
                characters.append(" ")
                places.append(place)
            continue
        for folded in character.translate(_MARKS).casefold():
            characters.append(folded)
            places.append(place)
    if characters and characters[-1] == " ":
        characters.pop()
        places.pop()
    return "".join(characters), tuple(places)


def _within_word(text: str, at: int) -> bool:
    return 0 < at < len(text) and _makes_words(text[at - 1]) and _makes_words(text[at])


def _makes_words(character: str) -> bool:
    return unicodedata.category(character) in _CASED_OR_DIGIT
