"""Tests of reading files people write by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cli.documents import MAX_BYTES, Part, parse_document, read_document
from cli.errors import UnusableFile

TEXT = """\
# a comment
panel:
  audience:
    dimensions:
      age:
        shares:
          18-24: 0.4
          25+: 0.6
group:
  questions:
    - First?
    - Second?
"""
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("panel.audience.dimensions.age", 5),
        ("panel.audience.dimensions[0].shares", 6),
        ("panel.audience.dimensions[0].shares[1].share", 8),
        ('panel.audience.dimensions.age.shares["18-24"]', 7),
        ("group.questions[1]", 12),
        ("group.name", 9),
        ("nothing.like.it", 2),
        ("", 2),
    ],
)
def test_knows_the_line_of_a_field(path: str, line: int) -> None:
    """A field is found by its path, by its place in a mapping where the server counts, or by what is around it."""
    assert parse_document(TEXT, "run.yaml").place_of(path) == f"run.yaml:{line}"


def test_labels_that_look_like_something_else_stay_labels() -> None:
    """Words of YAML 1.1, dates and times stay text, and keys are always text."""
    text = "- no\n- on\n- 2024-01-01\n- 1:30\n- 0x1F\n- 1_000\n- {18: 0.5, true: x}\n"
    values = ["no", "on", "2024-01-01", "1:30", "0x1F", "1_000", {"18": 0.5, "true": "x"}]
    assert parse_document(text, "a.yaml").data == values


def test_numbers_and_words_are_read_as_such() -> None:
    """Numbers, true, false and null mean what they do in JSON; quotes make them text."""
    text = "[1, -2.5, 1e3, true, null, ~, '1', \"true\"]"
    assert parse_document(text, "a.yaml").data == [1, -2.5, 1000.0, True, None, None, "1", "true"]


@given(VALUES)
def test_json_is_read_as_json_has_it(value: Any) -> None:
    """Whatever JSON can say comes back the same."""
    document = {"value": value}
    assert parse_document(json.dumps(document), "a.json").data == document
    assert parse_document(json.dumps(document, indent=2, ensure_ascii=False), "a.json").data == document


@given(st.lists(st.booleans() | st.integers() | st.text(st.characters(categories=["L", "P", "Zs"]))))
def test_yaml_that_was_written_for_us_is_read_back(value: list[Any]) -> None:
    """What a YAML writer quotes is read as it was meant."""
    written = yaml.safe_dump({"value": value}, allow_unicode=True)
    assert parse_document(written, "a.yaml").data == {"value": value}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("# nothing\n", "is empty"),
        ("a: 1\nb: 2\na: 3\n", r'a.yaml:3 has "a" twice'),
        ("a: [1\nb: 2\n", r"a.yaml:2 cannot be read"),
        ("a: 1\n\tb: 2\n", r"a.yaml:2 cannot be read"),
        ("? [1, 2]\n: x\n", "a key that is not text"),
        ("a: &a [*a]\n", "refers to itself"),
    ],
)  # fmt: skip
def test_says_what_is_wrong_with_a_file_and_where(text: str, message: str) -> None:
    """Files that cannot be used are refused with the line."""
    with pytest.raises(UnusableFile, match=message):
        parse_document(text, "a.yaml")


def test_aliases_are_fine_while_they_stay_small() -> None:
    """What is said once may be meant twice."""
    assert parse_document("a: &a [x]\nb: *a\n", "a.yaml").data == {"a": ["x"], "b": ["x"]}


def test_refuses_a_file_that_unfolds_into_millions() -> None:
    """Aliases of aliases do not fill the memory."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(UnusableFile, match="refers to itself too often"):
        parse_document("\n".join(lines), "a.yaml")


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": 1, "a": 2}', '{"a": 1,}', "{'a': 1}"])
def test_what_is_called_json_must_be_json(text: str) -> None:
    """A .json file is held to JSON."""
    with pytest.raises(UnusableFile):
        parse_document(text, "a.json")


def test_reads_files_by_their_bytes(tmp_path: Path) -> None:
    """A byte order mark is no part of the text; what is not UTF-8, too large or not there is refused."""
    good, latin, large = tmp_path / "good.yaml", tmp_path / "latin.yaml", tmp_path / "large.yaml"
    good.write_bytes(b"\xef\xbb\xbfa: \xc5\x82\n")
    latin.write_bytes(b"a: b\nc: \xb3\n")
    large.write_bytes(b"a" * (MAX_BYTES + 1))
    assert read_document(good).data == {"a": "ł"}
    with pytest.raises(UnusableFile, match=r"latin\.yaml:2 is not UTF-8"):
        read_document(latin)
    with pytest.raises(UnusableFile, match="larger than"):
        read_document(large)
    with pytest.raises(UnusableFile, match="No such file"):
        read_document(tmp_path / "missing.yaml")


def test_a_part_knows_where_a_request_field_is() -> None:
    """Fields of a request are found at the part of the file the request was made from."""
    document = parse_document(TEXT, "run.yaml")
    assert Part(document, "group").locate("questions[0]") == ("group.questions[0]", "run.yaml:11")
    assert Part(document, "panel").locate("audience_slug") == ("panel.audience", "run.yaml:3")
    assert Part(document, "panel").locate("body") == ("panel", "run.yaml:2")
    alone = parse_document("name: x\ndimensions: {}\n", "a.yaml")
    assert Part(alone, root="audience").locate("audience.dimensions") == ("dimensions", "a.yaml:2")
    assert Part(alone, root="audience").locate("size") == ("size", "a.yaml:1")
