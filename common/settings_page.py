"""Writes down every setting: `python -m common.settings_page docs/settings.md`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from pydantic import AliasChoices, SecretStr

from common.settings import Settings

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

INTRODUCTION = """\
# Settings

Made from `common/settings.py` by `make docs`; change it there.

Everything that differs between one machine, a test and the cloud is an environment variable, or a line of a
`.env` file in the folder Sight is started from. The environment wins over the file, and a variable that is
empty counts as unset. Where several names are given, the first that is set is used. Nothing has to be set to
run Sight on one machine.

| variable | values | default | meaning |
|---|---|---|---|
"""


def page() -> str:
    """The page, in Markdown: one row for each setting, in the order of the code."""
    return INTRODUCTION + "".join(_row(name, field) for name, field in Settings.model_fields.items())


def variables(name: str, field: FieldInfo) -> list[str]:
    """The environment variables that set a field, the strongest first."""
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        return [str(choice) for choice in alias.choices]
    return [alias if isinstance(alias, str) else f"{Settings.model_config['env_prefix']}{name}".upper()]


def export(path: Path) -> None:
    """Writes the page as it is now."""
    path.write_text(page(), encoding="utf-8")


def _row(name: str, field: FieldInfo) -> str:
    names = ", ".join(f"`{variable}`" for variable in variables(name, field))
    default = "-" if field.default is None else f"`{field.default}`"
    return f"| {names} | {_values(field)} | {default} | {field.description} |\n"


def _values(field: FieldInfo) -> str:
    kind: Any = next((each for each in get_args(field.annotation) if each is not type(None)), field.annotation)
    if get_origin(field.annotation) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(field.annotation))
    words = {str: "text", int: "whole number", float: "number", bool: "`true`, `false`", SecretStr: "secret"}[kind]
    return ", ".join([words, *_bounds(field)])


def _bounds(field: FieldInfo) -> list[str]:
    signs = {"ge": "at least", "gt": "over", "le": "at most", "lt": "under"}
    found = ((sign, getattr(each, name, None)) for each in field.metadata for name, sign in signs.items())
    return [f"{sign} {bound:g}" for sign, bound in found if bound is not None]


if __name__ == "__main__":
    export(Path(sys.argv[1]))
