"""Where output goes: results to one place, messages to another, in colours and symbols the place can show."""

from __future__ import annotations

import codecs
import json
import re
import sys
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO, cast

if TYPE_CHECKING:
    from rich.console import Console

PLAIN_WIDTH = 110
"""Characters in a line where there is no terminal to ask."""


@dataclass(frozen=True, slots=True)
class Symbols:
    """The signs used, which need a terminal that has them."""

    good: str = "✓"
    bad: str = "✗"
    partial: str = "◐"
    full: str = "█"
    half: str = "▌"
    empty: str = "·"
    marker: str = "│"
    dash: str = "–"
    bullet: str = "•"
    quote_open: str = "“"
    quote_close: str = "”"
    minus: str = "−"
    times: str = "×"
    arrow: str = "→"


ASCII = Symbols("ok", "!!", "..", "#", "=", ".", "|", "-", "*", '"', '"', "-", "x", "->")


@dataclass(frozen=True, slots=True)
class Screen:
    """`out` shows what was asked for and nothing else, `notes` what is said on the way. Neither has colour
    codes or moving parts unless it is a terminal."""

    out: Console
    notes: Console
    symbols: Symbols

    def json(self, value: Any) -> None:
        """Writes `value` as JSON, as it came."""
        ascii_only = not self.out.encoding.lower().startswith("utf")
        self.out.file.write(json.dumps(value, indent=2, ensure_ascii=ascii_only) + "\n")
        self.out.file.flush()

    def note(self, message: str) -> None:
        """Says something that is not a result."""
        self.notes.print(message, markup=False, soft_wrap=True)


def open_screen(*, notes_with_results: bool = False) -> Screen:
    """The screen of this process; `notes_with_results` puts messages among the results, for a story."""
    out = _console(sys.stdout)
    notes = out if notes_with_results else _console(sys.stderr)
    return Screen(out, notes, Symbols() if out.encoding.lower().startswith("utf") else ASCII)


def _console(file: TextIO) -> Console:
    from rich.console import Console

    if hasattr(file, "reconfigure"):
        file.reconfigure(errors=_NEAREST)
    console = Console(file=file, highlight=False, emoji=False)
    if not console.is_terminal:
        # A file has no width; lines as long as its reader's terminal would make two runs differ.
        plain = cast("TextIO", _WithoutTrailingSpaces(file))
        console = Console(file=plain, highlight=False, emoji=False, width=PLAIN_WIDTH, no_color=True)
    return console


class _WithoutTrailingSpaces:
    """A file that is written to without the spaces that fill tables up to their width."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        self._file.write(_TRAILING_SPACES.sub("", text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


_TRAILING_SPACES = re.compile(r" +(?=\n)")


_NEAREST = "sight.nearest"
_LETTERS = {"ł": "l", "Ł": "L", "ø": "o", "Ø": "O", "ß": "ss", "đ": "d", "æ": "ae", "Æ": "AE", "’": "'", "‘": "'"} | {
    "„": '"', "“": '"', "”": '"', "–": "-", "—": "-", "…": "...", "−": "-", "•": "*", "€": "EUR"
}  # fmt: skip


def nearest(text: str) -> str:
    """The text in ASCII letters as close as they come: `Łódź` is `Lodz`; what has none is `?`."""
    decomposed = unicodedata.normalize("NFKD", "".join(_LETTERS.get(letter, letter) for letter in text))
    return "".join(letter if letter.isascii() else "?" for letter in decomposed if not unicodedata.combining(letter))


def _replace_unencodable(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return nearest(error.object[error.start : error.end]), error.end


codecs.register_error(_NEAREST, _replace_unencodable)
