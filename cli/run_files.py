"""Run files: what to ask of whom, in one YAML or JSON file.

    project: Oat drink in Poland     # found by its name, created when it is not there
    panel:                           # the body of `POST /projects/{id}/personas:generate`
      audience: poland-adults        # one of `sight audiences list`, its id, or an audience described here
      size: 20
    group:                           # the body of `POST /projects/{id}/focus-groups`, without its personas
      name: First reactions
      questions: [...]

The group is checked here, before the panel costs anything, within the very limits that the server keeps to; a test
compares them, since the cli imports nothing of it. What an audience may say is for the server to judge: its panel is
the first thing that is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from cli.documents import Document, Part
from cli.errors import Finding, UnusableFile
from cli.ids import is_id

MAX_SEED = 2**53 - 1


def _stripped(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _audience(value: Any) -> Any:
    if isinstance(value, str) and value.strip():
        return value.strip()
    if not isinstance(value, dict):
        raise ValueError("must be the name of an audience, or an audience described here")
    return value


Name = Annotated[str, Field(min_length=1, max_length=200), BeforeValidator(_stripped)]
QuestionText = Annotated[str, Field(min_length=1, max_length=2000), BeforeValidator(_stripped)]
Briefing = Annotated[str, Field(max_length=4000), BeforeValidator(_stripped)]
Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
PanelBudget = Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)]
GroupBudget = Annotated[float, Field(ge=0.000001, le=100_000, allow_inf_nan=False)]
Day = Annotated[float, Field(ge=60, le=24 * 3600, allow_inf_nan=False)]
Week = Annotated[float, Field(ge=1, le=7 * 24 * 3600, allow_inf_nan=False)]


class Strict(BaseModel):
    """Takes nothing it does not know and converts nothing but whole numbers to decimals."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class PanelPart(Strict):
    """The panel: how many personas (2 to 1,000) of which audience. What is left out the server decides."""

    audience: Annotated[Any, AfterValidator(_audience)]
    size: Annotated[int, Field(ge=2, le=1000)]
    language: Language | None = None
    seed: Seed | None = None
    budget_usd: PanelBudget | None = None
    deadline_seconds: Day | None = None


class GroupPart(Strict):
    """The focus group: 1 to 50 questions of up to 2,000 characters."""

    name: Name
    questions: Annotated[list[QuestionText], Field(min_length=1, max_length=50)]
    mode: Literal["interview", "discussion"] | None = None
    language: Language | None = None
    briefing: Briefing | None = None
    without_duplicates: bool | None = None
    seed: Seed | None = None
    budget_usd: GroupBudget | None = None
    deadline_seconds: Week | None = None


class RunFile(Strict):
    """A panel and what it is asked."""

    project: Name
    panel: PanelPart
    group: GroupPart


class PanelFile(Strict):
    """A file of which only the panel is used."""

    project: Name | None = None
    panel: PanelPart
    group: Any = None


class GroupFile(Strict):
    """A file of which only the group is used."""

    project: Name | None = None
    panel: Any = None
    group: GroupPart


M = TypeVar("M", bound=BaseModel)


def parse_run(document: Document) -> RunFile:
    """The run a document describes. Raises `UnusableFile`."""
    return _parse(document, RunFile)


def parse_panel(document: Document, options: Mapping[str, Any] | None = None) -> tuple[PanelFile, Part]:
    """The panel a document describes: as the part `panel` of a run file, by itself, or as an audience alone,
    which then needs a size in the `options`, which win over what the document says of the panel.

    Also returns which part of the document the panel is. Raises `UnusableFile`.
    """
    data, bare, part = document.data, "", Part(document, "panel")
    if isinstance(data, Mapping) and ("dimensions" in data or "respondents" in data):
        data, bare, part = {"panel": {"audience": data}}, "panel.audience", Part(document, root="audience")
    elif isinstance(data, Mapping) and "audience" in data:
        data, bare, part = {"panel": data}, "panel", Part(document)
    if options and isinstance(data, Mapping) and isinstance(data.get("panel"), Mapping):
        data = {**data, "panel": {**data["panel"], **options}}
    return _parse(document, PanelFile, data, bare=bare), part


def parse_group(document: Document) -> tuple[GroupFile, Part]:
    """The group a document describes, as the part `group` of a run file or by itself, and which part of the
    document it is. Raises `UnusableFile`."""
    data = document.data
    bare = isinstance(data, Mapping) and "questions" in data
    found = _parse(document, GroupFile, {"group": data} if bare else data, bare="group" if bare else "")
    return found, Part(document, "" if bare else "group")


def parse_audience(document: Document) -> tuple[dict[str, Any], Part]:
    """The audience a document describes by itself or in the part `panel` of a run file, and which part of the
    document it is. Raises `UnusableFile`."""
    found, part = parse_panel(document, {"size": 2})
    if not isinstance(found.panel.audience, dict):
        raise UnusableFile(f"{document.name} names an audience and describes none")
    return found.panel.audience, part


def parse_any(
    document: Document, options: Mapping[str, Any] | None = None
) -> tuple[PanelPart | None, GroupPart | None]:
    """The panel and the group of a run file, or the one of them that a document describes by itself; see
    `parse_panel` for the `options`. Raises `UnusableFile`."""
    data = document.data
    if isinstance(data, Mapping) and ("questions" in data or ("group" in data and "panel" not in data)):
        return None, parse_group(document)[0].group
    panel = parse_panel(document, options)[0].panel
    return panel, parse_group(document)[0].group if "group" in data else None


def panel_body(panel: PanelPart) -> dict[str, Any]:
    """The request a panel stands for; what is left out the server decides."""
    body = panel.model_dump(exclude_none=True)
    if isinstance(panel.audience, str):
        del body["audience"]
        body["audience_id" if is_id(panel.audience) else "audience_slug"] = panel.audience
    return body


def group_body(group: GroupPart) -> dict[str, Any]:
    """The request a group stands for, without its personas; what is left out the server decides."""
    return group.model_dump(exclude_none=True)


def _parse(document: Document, model: type[M], data: Any = None, *, bare: str = "") -> M:
    data = document.data if data is None else data
    try:
        return model.model_validate(data)
    except ValidationError as error:
        findings = []
        for each in error.errors(include_url=False, include_context=False):
            path = field_path(each["loc"])
            if bare and path.startswith(bare):
                path = path[len(bare) :].lstrip(".")
            message = _message(each["type"], each["msg"], each["loc"], model)
            findings.append(Finding(path or "the file", message, document.place_of(path)))
        count = len(findings)
        what = "one field is" if count == 1 else f"{count} fields are"
        raise UnusableFile(
            f"{document.name}: {what} wrong",
            findings=tuple(findings),
            hint="`sight run --help` shows what a run file looks like.",
        ) from None


def field_path(location: Sequence[str | int]) -> str:
    """`("group", "questions", 3)` is `group.questions[3]`."""
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


_WORDS = {
    "missing": "is missing",
    "model_type": "must be a mapping of fields to values",
    "list_type": "must be a list",
    "string_pattern_mismatch": "must be a language tag, such as en or pt-BR",
    "string_too_short": "is blank",
    "string_type": "must be text; put it in quotes",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
}


def _message(kind: str, message: str, location: Sequence[str | int], model: type[BaseModel]) -> str:
    if kind in _WORDS:
        return _WORDS[kind]
    if kind != "extra_forbidden":
        return message.removeprefix("Value error, ").replace("Input should be", "must be")
    known = _fields(model, location[:-1])
    close = get_close_matches(str(location[-1]), known, n=1)
    return f'is not known; did you mean "{close[0]}"?' if close else f"is not known; there are: {', '.join(known)}"


def _fields(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    for part in location:
        annotation = model.model_fields[str(part)].annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            model = annotation
    return list(model.model_fields)
