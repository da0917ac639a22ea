"""A panel: how it meets its audience, and what its review found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cli.views.fit import prepare_fit, show_fit
from cli.views.jobs import show_facts
from cli.views.numbers import decimal, percent

if TYPE_CHECKING:
    from cli.screen import Screen


def prepare_panel(panel: dict[str, Any]) -> list[tuple[str, str]]:
    """The facts about a panel."""
    facts = [
        ("panel", panel["job_id"]),
        ("audience", panel["audience"]),
        ("personas", f"{panel['personas']} of {panel['size']}"),
        ("language", panel["language"]),
        ("seed", str(panel["seed"])),
        ("model", "simulated" if panel["simulated"] else "real"),
    ]
    return facts + prepare_review(panel["review"])


def prepare_review(review: dict[str, Any] | None) -> list[tuple[str, str]]:
    """What a panel's review found; nothing until it is reviewed."""
    if review is None:
        return [("review", "not yet")]
    nearest = review["nearest"]
    facts = [
        ("mean quality", f"{decimal(review['mean_quality'], 1)} of 100"),
        ("duplicates", f"{review['duplicates']} (more alike than {decimal(review['duplicate_threshold'], 2)})"),
        ("agree with their seat", percent(review["consistency_rate"])),
        ("at the first reply", percent(review["first_reply_consistency_rate"])),
        ("claims with grounds", percent(review["grounded_claims_rate"])),
    ]
    if nearest is not None:
        likeness = f"median {decimal(nearest['median'], 2)}, p95 {decimal(nearest['p95'], 2)}"
        facts.insert(2, ("likeness to nearest", f"{likeness}, largest {decimal(nearest['max'], 2)} (cosine)"))
    return facts


def show_panel(screen: Screen, panel: dict[str, Any], titles: dict[str, str] | None = None) -> None:
    """Shows a panel: its marginals beside their targets, and what the review found."""
    show_fit(screen, prepare_fit(panel["fit"], titles))
    show_facts(screen, prepare_panel(panel))
