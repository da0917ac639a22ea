"""Numbers as people read them. What is not known is a dash, never a zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cli.screen import Symbols

MICROS = 1_000_000


def usd(micros: int | None) -> str:
    """Money in US dollars, with the digits that matter for small sums."""
    if micros is None:
        return "-"
    amount = micros / MICROS
    return f"${amount:,.2f}" if amount >= 100 or micros % 10_000 == 0 else f"${amount:,.4f}"


def percent(share: float | None) -> str:
    """A share (0 to 1) with one decimal."""
    return "-" if share is None else f"{100 * share:.1f} %"


def decimal(value: float | None, digits: int = 3) -> str:
    """A number with so many decimals."""
    return "-" if value is None else f"{value:.{digits}f}"


def signed(value: float | None) -> str:
    """A sentiment (-1 to 1) with its sign."""
    return "-" if value is None else f"{value:+.2f}"


def seconds(value: float | None) -> str:
    """A time in seconds, or minutes where that reads better."""
    if value is None:
        return "-"
    return f"{value:.1f} s" if value < 120 else f"{int(value // 60)} min {int(value % 60)} s"


def share_bar(produced: float, target: float, symbols: Symbols, *, width: int = 24, most: float = 1.0) -> str:
    """A bar as long as the produced share, with a mark where the target is; `most` is the share of full width."""
    scale = width / most if most > 0 else 0.0
    length, mark = round(produced * scale), min(width - 1, round(target * scale))
    cells = [symbols.full if n < length else " " for n in range(width)]
    cells[mark] = symbols.marker
    return "".join(cells).rstrip()


def level_bar(value: float, symbols: Symbols, *, width: int = 10, most: float = 100.0) -> str:
    """A bar that shows a value among `most`."""
    length = max(0, min(width, round(value / most * width)))
    return symbols.full * length + symbols.empty * (width - length)


def sentiment_bar(mean: float | None, symbols: Symbols, *, half: int = 8) -> str:
    """A bar from the middle: to the left what is negative, to the right what is positive."""
    if mean is None:
        return " " * (2 * half + 1)
    length = min(half, round(abs(mean) * half))
    left = (symbols.full * length if mean < 0 else "").rjust(half)
    right = (symbols.full * length if mean > 0 else "").ljust(half)
    return f"{left}{symbols.marker}{right}"
