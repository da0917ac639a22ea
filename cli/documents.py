"""Reads YAML and JSON files people write by hand, and remembers the line every field is on.

Scalars are read as YAML 1.2 has them, because 1.1 turns the label `no` into false, `1:30` into 90 and a date
into something JSON cannot hold. Keys are always text, and none may be there twice.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from cli.errors import UnusableFile

if TYPE_CHECKING:
    from yaml import Node

MAX_BYTES = 1_000_000
MAX_DEPTH = 40
MAX_NODES = 200_000
"""Aliases can make a small file large; nobody writes this many values by hand."""

_WORDS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULLS = {"", "~", "null", "Null", "NULL"}
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_STEP = re.compile(r'\.?([^.\[\]]+)|\[(\d+)\]|\["([^"]*)"\]')


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says (`data`: what JSON could hold) and where (`node`, None where that is not known)."""

    name: str
    data: Any
    node: Node | None

    def place_of(self, path: str) -> str:
        """`run.yaml:12` for `panel.audience.dimensions[0].shares`: the line of the field, or of the nearest
        one around it that is there. An index into a mapping counts its entries."""
        from yaml import MappingNode, ScalarNode, SequenceNode

        node = self.node
        if node is None:
            return self.name
        mark = node.start_mark
        for step in _STEP.finditer(path):
            key, index = step[1] or step[3], int(step[2]) if step[2] else None
            if isinstance(node, SequenceNode) and index is not None and index < len(node.value):
                node = node.value[index]
                mark = node.start_mark
            elif isinstance(node, MappingNode):
                pairs = [(k, v) for k, v in node.value if isinstance(k, ScalarNode) and k.value == key]
                if index is not None and index < len(node.value):
                    pairs = [node.value[index]]
                if not pairs:
                    break
                mark, node = pairs[0][0].start_mark, pairs[0][1]
            else:
                break
        return f"{self.name}:{mark.line + 1}"


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a document that a request is made from. The request's field `size` is at `{prefix}.size` in
    the document, and what the request has below `root` is at `prefix` itself."""

    document: Document
    prefix: str = ""
    root: str = ""

    def locate(self, field: str) -> tuple[str, str]:
        """The path of a request's field in the document, and its place (`run.yaml:12`)."""
        field = "audience" if field in ("audience_slug", "audience_id") else "" if field == "body" else field
        if self.root and (field == self.root or field.startswith((f"{self.root}.", f"{self.root}["))):
            field = field[len(self.root) :].lstrip(".")
        path = f"{self.prefix}.{field}" if self.prefix and field else self.prefix or field
        return path, self.document.place_of(path)


def read_document(path: Path) -> Document:
    """The document in a file, or on standard input for `-`. Raises `UnusableFile`."""
    name = "standard input" if str(path) == "-" else str(path)
    try:
        raw = sys.stdin.buffer.read(MAX_BYTES + 1) if str(path) == "-" else _head(path)
    except OSError as error:
        raise UnusableFile(f"{name} cannot be read: {error.strerror or error}") from error
    if len(raw) > MAX_BYTES:
        raise UnusableFile(f"{name} is larger than {MAX_BYTES:,} bytes")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise UnusableFile(f"{name}:{line} is not UTF-8", hint="Save the file as UTF-8.") from error
    return parse_document(text, name)


def parse_document(text: str, name: str) -> Document:
    """The document in a text; `name` is what messages call it. Raises `UnusableFile`."""
    if not text.strip():
        raise UnusableFile(f"{name} is empty")
    if name.endswith(".json") or text.lstrip()[:1] in "{[":
        try:
            data = json.loads(text, parse_constant=_refuse)
        except ValueError as error:
            if name.endswith(".json"):
                line = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
                raise UnusableFile(f"{name}{line} is not JSON: {error}") from error
        else:
            return Document(name, data, _compose_if_possible(text, name))
    node = _compose(text, name)
    return Document(name, _Reader(name).value(node), node)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number of JSON")


def _compose(text: str, name: str) -> Node:
    import yaml

    try:
        node = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}:{mark.line + 1}" if mark else name
        raise UnusableFile(f"{place} cannot be read: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise UnusableFile(f"{name} cannot be read: {error}") from error
    if node is None:
        raise UnusableFile(f"{name} is empty")
    return node


def _compose_if_possible(text: str, name: str) -> Node | None:
    try:
        node = _compose(text.replace("\t", " "), name)
        _Reader(name).value(node)
    except _Twice:
        raise
    except UnusableFile:
        return None
    return node


class _Twice(UnusableFile):
    """A key is there twice."""


class _Reader:
    """Turns nodes into values, within limits."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes = 0

    def value(self, node: Node, depth: int = 0) -> Any:
        from yaml import MappingNode, ScalarNode, SequenceNode

        self.nodes += 1
        if depth > MAX_DEPTH or self.nodes > MAX_NODES:
            raise UnusableFile(f"{self._place(node)} is nested too deep, or refers to itself too often")
        if isinstance(node, SequenceNode):
            return [self.value(each, depth + 1) for each in node.value]
        if isinstance(node, MappingNode):
            return self._mapping(node, depth)
        assert isinstance(node, ScalarNode)
        return _scalar(node.value, plain=not node.style)

    def _mapping(self, node: Node, depth: int) -> dict[str, Any]:
        from yaml import ScalarNode

        found: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                raise UnusableFile(f"{self._place(key)} has a key that is not text")
            if key.value in found:
                raise _Twice(f'{self._place(key)} has "{key.value}" twice')
            found[key.value] = self.value(value, depth + 1)
        return found

    def _place(self, node: Node) -> str:
        return f"{self.name}:{node.start_mark.line + 1}"


def _scalar(text: str, *, plain: bool) -> Any:
    if not plain:  # quoted, or a block
        return text
    if text in _NULLS:
        return None
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
