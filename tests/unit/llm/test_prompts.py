"""Rendering prompts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from common.llm.prompts import PromptBroken, Prompts, delimited
from tests.unit.llm.scripted import request


def write(folder: Path, system: str, user: str) -> Prompts:
    """A folder with one prompt, `p`."""
    (folder / "p.system.md").write_text(system)
    (folder / "p.user.md").write_text(user)
    return Prompts(folder)


def rendered(prompts: Prompts, **variables: Any) -> str:
    """The user part of `p`."""
    return prompts.render(request(prompt="p", variables=variables)).user


def test_variables_stand_between_tags_with_their_name(tmp_path: Path) -> None:
    """Text goes in delimited and named, in the place of its variable."""
    prompts = write(tmp_path, "System.", "First: ${a}\nThen: ${b}\n")

    assert rendered(prompts, a="x", b="y") == 'First: <data name="a">x</data>\nThen: <data name="b">y</data>'


@given(st.text())
def test_no_text_can_end_its_data_or_open_another(text: str) -> None:
    """Whatever is in a text, exactly one pair of tags comes out, around all of it."""
    shown = delimited("question", text)

    assert len(re.findall(r"<", shown)) == 2
    assert shown.startswith('<data name="question">')
    assert shown.endswith("</data>")


@given(st.dictionaries(st.text(), st.lists(st.text())))
def test_structures_read_back_as_they_were(value: dict[str, list[str]]) -> None:
    """Lists and dictionaries are JSON which means the same in spite of the escaping, and holds no tag."""
    shown = delimited("v", value)

    inside = shown.removeprefix('<data name="v">').removesuffix("</data>")
    assert json.loads(inside) == value
    assert "<" not in inside


def test_letters_stay_as_they_are() -> None:
    """Structures in any language are readable, not written in escapes."""
    assert delimited("v", ["zażółć"]) == '<data name="v">["zażółć"]</data>'


def test_numbers_stand_plain_and_nothing_is_null() -> None:
    """Numbers and truth values cannot hold text, so they need no tags."""
    assert [delimited("v", value) for value in (3, 0.5, True)] == ["3", "0.5", "true"]
    assert delimited("v", None) == '<data name="v">null</data>'


def test_pydantic_models_are_shown_as_json() -> None:
    """A model within a structure is shown by its fields."""

    class Trait(BaseModel):
        name: str

    assert delimited("v", [Trait(name="calm")]) == '<data name="v">[{"name": "calm"}]</data>'


def test_what_cannot_be_shown_is_an_error() -> None:
    """An object without a form of its own is not shown by its memory address."""
    with pytest.raises(TypeError, match="cannot show a object"):
        delimited("v", [object()])


def test_missing_variables_are_errors_and_unused_ones_are_not(tmp_path: Path) -> None:
    """The prompt must get what it names, and may get more."""
    prompts = write(tmp_path, "System.", "${a}")

    assert rendered(prompts, a=1, more="x") == "1"
    with pytest.raises(PromptBroken, match="needs the variable a"):
        rendered(prompts, more="x")


def test_the_system_prompt_is_the_same_for_every_call(tmp_path: Path) -> None:
    """A variable in the system prompt is refused: it would end the prefix a provider can cache."""
    with pytest.raises(PromptBroken, match="must be the same for every call"):
        rendered(write(tmp_path, "You are ${name}.", "Hi."), name="Anna")


def test_malformed_variables_are_errors(tmp_path: Path) -> None:
    """A placeholder which would stay in the prompt as text is refused."""
    with pytest.raises(PromptBroken, match="malformed variable"):
        rendered(write(tmp_path, "S.", "${Bad Name}"))


def test_missing_files_are_named(tmp_path: Path) -> None:
    """A prompt that is not there says which file is missing."""
    with pytest.raises(PromptBroken, match=r"p\.system\.md"):
        rendered(Prompts(tmp_path))


def test_dollar_signs_are_only_text(tmp_path: Path) -> None:
    """Amounts of money survive, in the prompt and in its variables."""
    assert rendered(write(tmp_path, "S.", "$5 ${a}"), a="${b} costs $1") == '$5 <data name="a">${b} costs $1</data>'


def test_the_hash_follows_either_file_and_not_the_variables(tmp_path: Path) -> None:
    """The same files have the same hash, and a change in one of them another."""
    first = write(tmp_path, "System.", "User.").hash("p")
    again = Prompts(tmp_path).hash("p")
    other_user = write(tmp_path, "System.", "User!").hash("p")
    other_system = write(tmp_path, "System!", "User.").hash("p")

    assert first == again
    assert len({first, other_user, other_system}) == 3
    assert re.fullmatch("[0-9a-f]{12}", first)


def test_a_rendered_request_keeps_its_prompt(tmp_path: Path) -> None:
    """A request rendered once is not rendered again, whatever the files say by then."""
    asked = write(tmp_path, "System.", "User.").rendered(request(prompt="p"))
    changed = write(tmp_path, "System.", "Something else.")

    assert changed.render(asked).user == "User."
    assert changed.rendered(asked) is asked
