"""What work is expected to take before it starts: the median, and what it stays under in 9 of 10 cases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cli.progress import TITLES
from cli.views.numbers import seconds, usd
from cli.views.tables import show_table

if TYPE_CHECKING:
    from cli.screen import Screen

_BASES = {"history": "from calls made before", "defaults": "from typical sizes"}


def prepare_estimates(estimates: dict[str, dict[str, Any]]) -> list[list[str]]:
    """A row for each estimate, by the kind of its job."""
    return [
        [
            TITLES.get(kind, kind),
            f"{each['calls']:,}",
            _range(each["input_tokens"], "{:,}".format),
            _range(each["output_tokens"], "{:,}".format),
            _range(each["cost_micros"], usd),
            _range(each["seconds"], seconds),
            each["model"] + (" (simulated)" if each["simulated"] else ""),
        ]
        for kind, each in estimates.items()
    ]


def prepare_expectation(estimates: dict[str, dict[str, Any]]) -> str:
    """One line about all of it, one after the other."""
    took = {name: sum(each["seconds"][name] for each in estimates.values()) for name in ("p50", "p90")}
    cost = {name: sum(each["cost_micros"][name] for each in estimates.values()) for name in ("p50", "p90")}
    return (
        f"Expected to take {seconds(took['p50'])} and {usd(cost['p50'])} "
        f"(in 9 of 10 cases less than {seconds(took['p90'])} and {usd(cost['p90'])})"
    )


def show_estimates(screen: Screen, estimates: dict[str, dict[str, Any]]) -> None:
    """Shows the estimates and what they rest on."""
    headings = ("", "calls", "input tokens", "output tokens", "cost", "time", "model")
    show_table(screen, headings, prepare_estimates(estimates), empty="", right=range(1, 6))
    for kind, each in estimates.items():
        basis = _BASES.get(each["basis"], each["basis"])
        screen.note(f"{TITLES.get(kind, kind)}: estimated {basis}, at prices of {each['price_date']}.")


def _range(spread: dict[str, Any], shown: Any) -> str:
    return f"{shown(spread['p50'])} to {shown(spread['p90'])}"
