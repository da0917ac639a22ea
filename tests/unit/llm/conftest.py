"""What the tests of the layers around a model share."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.llm.prompts import Prompts
from tests.unit.llm.scripted import prompts_in


@pytest.fixture
def prompts(tmp_path: Path) -> Prompts:
    """A folder with the one prompt the tests use."""
    return prompts_in(tmp_path)
