"""The page on audiences says what there is."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from common.audiences.catalogue import list_audiences, load_audience
from common.audiences.panel import draw_panel
from common.audiences.parsing import parse_audience

PAGE = (Path(__file__).parents[3] / "docs" / "audiences.md").read_text(encoding="utf-8")


def test_the_examples_work() -> None:
    """Every audience shown on the page can be drawn as it stands."""
    examples = re.findall(r"```yaml\n(name: .*?)```", PAGE, re.DOTALL)
    assert len(examples) == 2
    for example in examples:
        assert draw_panel(parse_audience(yaml.safe_load(example)), 20, 1).fit.overall.within_one_seat


def test_every_audience_is_listed_with_its_publishers() -> None:
    """The table of the page has a line per audience, with everybody whose figures it uses."""
    for entry in list_audiences():
        (line,) = (line for line in PAGE.splitlines() if line.startswith(f"| `{entry.slug}` "))
        for source in load_audience(entry.slug).sources:
            assert source.publisher.split(" (")[0] in line
