"""Prompts: file pairs whose variables go in as delimited data, which no text can close."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from common.errors import SightError
from common.llm.port import Request

PLACEHOLDER = re.compile(r"\$\{([a-z][a-z0-9_]*)\}")


class PromptBroken(SightError):
    """A prompt file is missing or malformed, or a variable it names was not given."""

    code = "prompt_broken"
    title = "Prompt broken"


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt ready to send. `system` is the same for every call, so that a provider can cache it as a
    prefix; `hash` identifies the two files."""

    system: str
    user: str
    hash: str


@dataclass(frozen=True, slots=True)
class RenderedRequest(Request):
    """A request whose prompt is rendered already, so that the layers it passes do not each do it again."""

    rendered: Prompt = field(kw_only=True)


class Prompts:
    """The prompts of a folder: `<name>.system.md` and `<name>.user.md`, each read once."""

    def __init__(self, folder: Path) -> None:
        self._load = cache(lambda name: _load(folder, name))

    def hash(self, name: str) -> str:
        """The version of a prompt: 12 hexadecimal digits of the SHA-256 of its files. Raises `PromptBroken`."""
        return self._load(name).hash

    def render(self, request: Request) -> Prompt:
        """The prompt of a request with its variables filled in. Raises `PromptBroken`."""
        if isinstance(request, RenderedRequest):
            return request.rendered
        source = self._load(request.prompt)
        return Prompt(source.system, source.fill(request.variables), source.hash)

    def rendered(self, request: Request) -> RenderedRequest:
        """The same request, carrying its prompt. Raises `PromptBroken`."""
        if isinstance(request, RenderedRequest):
            return request
        return RenderedRequest(
            **{name: getattr(request, name) for name in _REQUEST_FIELDS}, rendered=self.render(request)
        )


_REQUEST_FIELDS = tuple(field.name for field in fields(Request))


@dataclass(frozen=True, slots=True)
class _Source:
    name: str
    system: str
    user: tuple[str, ...]  # text and names of variables by turns, text first
    hash: str

    def fill(self, variables: Mapping[str, Any]) -> str:
        parts = list(self.user)
        for index in range(1, len(parts), 2):
            name = parts[index]
            if name not in variables:
                raise PromptBroken(f"the prompt {self.name} needs the variable {name}")
            parts[index] = delimited(name, variables[name])
        return "".join(parts)


def delimited(name: str, value: object) -> str:
    """A variable as it stands in a prompt: numbers plain, text and structures (as JSON) between tags.

    Whoever wrote the text cannot end the data early or open another: every `<` in it is written `&lt;`
    (`\\u003c` within JSON, which reads back exactly).
    """
    if isinstance(value, str):
        content = value.replace("<", "&lt;")
    elif isinstance(value, int | float):
        return json.dumps(value)
    else:
        content = json.dumps(value, ensure_ascii=False, default=_plain).replace("<", "\\u003c")
    return f'<data name="{name}">{content}</data>'


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a prompt cannot show a {type(value).__name__}")


def _load(folder: Path, name: str) -> _Source:
    system, user = _read(folder / f"{name}.system.md"), _read(folder / f"{name}.user.md")
    if "${" in system:
        raise PromptBroken(f"{name}.system.md has a variable: the system prompt must be the same for every call")
    if "${" in PLACEHOLDER.sub("", user):
        raise PromptBroken(f"{name}.user.md has a malformed variable: they are written ${{lower_case}}")
    digest = hashlib.sha256(system.encode() + b"\0" + user.encode()).hexdigest()
    return _Source(name, system.strip(), tuple(PLACEHOLDER.split(user.strip())), digest[:12])


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise PromptBroken(f"there is no prompt file {path.name}") from error
