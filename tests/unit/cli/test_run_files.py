"""Tests of run files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from cli.documents import parse_document, read_document
from cli.errors import UnusableFile
from cli.run_files import (
    GroupPart,
    PanelPart,
    RunFile,
    group_body,
    panel_body,
    parse_any,
    parse_audience,
    parse_group,
    parse_panel,
    parse_run,
)
from common.focus_groups.models import GroupRequest
from common.personas.models import PanelRequest
from common.projects.models import NewProject

EXAMPLES = Path(__file__).parents[3] / "examples"
RUN = """\
project: Oat drink
panel:
  audience: poland-adults
  size: 20
group:
  name: First reactions
  questions:
    - What do you drink?
"""


def wrong(text: str, parse: Any = parse_run) -> dict[str, tuple[str, str]]:
    """What is wrong with a file: by field, what and where."""
    with pytest.raises(UnusableFile) as raised:
        parse(parse_document(text, "run.yaml"))
    return {finding.field: (finding.message, finding.place) for finding in raised.value.findings}


def test_reads_a_run() -> None:
    """A run file becomes the two requests it stands for; what it leaves out is left out."""
    run = parse_run(parse_document(RUN, "run.yaml"))
    assert run.project == "Oat drink"
    assert panel_body(run.panel) == {"audience_slug": "poland-adults", "size": 20}
    assert group_body(run.group) == {"name": "First reactions", "questions": ["What do you drink?"]}


def test_an_audience_may_be_named_kept_or_described() -> None:
    """Text is a name of the catalogue or an id, a mapping is an audience of its own."""
    kept = "01900000-0000-7000-8000-00000000000a"
    bodies: dict[str, dict[str, Any]] = {
        kept: {"audience_id": kept, "size": 20},
        '{"name": "x"}': {"audience": {"name": "x"}, "size": 20},
    }
    for audience, body in bodies.items():
        run = parse_run(parse_document(RUN.replace("poland-adults", audience), "run.yaml"))
        assert panel_body(run.panel) == body


def test_names_every_wrong_field_with_its_line() -> None:
    """All that is wrong is told at once, each with its line and what would be right."""
    text = RUN.replace("size: 20", "siz: 20\n  size: 1").replace("- What do you drink?", "- ' '\n    - 5")
    assert wrong(text.replace("poland-adults", "[]")) == {
        "panel.audience": ("must be the name of an audience, or an audience described here", "run.yaml:3"),
        "panel.siz": ('is not known; did you mean "size"?', "run.yaml:4"),
        "panel.size": ("must be greater than or equal to 2", "run.yaml:5"),
        "group.questions[0]": ("is blank", "run.yaml:9"),
        "group.questions[1]": ("must be text; put it in quotes", "run.yaml:10"),
    }


@pytest.mark.parametrize(
    ("text", "field", "message"),
    [
        ("- a\n", "the file", "must be a mapping of fields to values"),
        (RUN.replace("project: Oat drink\n", ""), "project", "is missing"),
        (RUN.replace("size: 20", "size: 1001"), "panel.size", "must be less than or equal to 1000"),
        (RUN.replace("size: 20", "size: 20.5"), "panel.size", "must be a whole number"),
        (RUN.replace("name: F", "mode: chat\n  name: F"), "group.mode", "must be 'interview' or 'discussion'"),
        (RUN.replace("What", "x" * 2000), "group.questions[0]", "String should have at most 2000 characters"),
        (RUN + "  language: english\n", "group.language", "must be a language tag, such as en or pt-BR"),
        (RUN + "  budget_usd: 500000\n", "group.budget_usd", "must be less than or equal to 100000"),
        (RUN + "other: 1\n", "other", "is not known; there are: project, panel, group"),
    ],
)  # fmt: skip
def test_says_what_would_be_right(text: str, field: str, message: str) -> None:
    """Each kind of mistake has its own words."""
    assert wrong(text)[field][0] == message


def limits(model: type[BaseModel], *, without: set[str] | None = None) -> dict[str, dict[str, Any]]:
    """What each field of a model takes: its type and every limit, but neither its default nor what is said of it."""
    schema = model.model_json_schema()
    return {
        name: taken(field, schema.get("$defs", {}))
        for name, field in schema["properties"].items()
        if name not in (without or set())
    }


def taken(field: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """What a field takes, that it may be left out aside."""
    if "$ref" in field:
        field = definitions[field["$ref"].rpartition("/")[2]]
    (field,) = [each for each in field.get("anyOf", [field]) if each != {"type": "null"}]
    said = {key: value for key, value in field.items() if key not in ("default", "description", "title")}
    return said | {"items": taken(said["items"], definitions)} if "items" in said else said


@pytest.mark.parametrize(
    ("part", "request_model", "said_otherwise"),
    [
        (PanelPart, PanelRequest, {"audience", "audience_slug", "audience_id"}),
        (GroupPart, GroupRequest, {"persona_ids", "panel_job_id"}),
    ],
)
def test_a_run_file_keeps_to_the_limits_of_the_requests_it_makes(
    part: type[BaseModel], request_model: type[BaseModel], said_otherwise: set[str]
) -> None:
    """What the server would refuse is found before anything is asked for, and nothing else is: a panel that was paid
    for is of no use to a group that cannot be."""
    assert limits(part, without=said_otherwise) == limits(request_model, without=said_otherwise)


def test_a_run_file_names_its_project_as_the_server_takes_it() -> None:
    """The project is created where it is not there."""
    assert limits(RunFile)["project"] == limits(NewProject)["name"]


def test_blanks_around_a_text_do_not_count() -> None:
    """A text is measured, and sent, without them, as the server keeps it."""
    spaced = RUN.replace("First reactions", f'" {"n" * 200} "').replace("What do you drink?", f'" {"x" * 2000} "')
    assert group_body(parse_run(parse_document(spaced, "run.yaml")).group) == {
        "name": "n" * 200,
        "questions": ["x" * 2000],
    }


def test_a_panel_may_be_part_of_a_run_by_itself_or_an_audience_alone() -> None:
    """All three forms say the same; options win over what the file says."""
    alone = "name: Adults\ndimensions:\n  age: {a: 0.5, b: 0.5}\n"
    found, part = parse_panel(parse_document(RUN, "run.yaml"), {"size": 5})
    assert panel_body(found.panel) == {"audience_slug": "poland-adults", "size": 5}
    assert part.locate("size")[0] == "panel.size"
    found, part = parse_panel(parse_document("audience: gen-z\nsize: 9\n", "panel.yaml"))
    assert panel_body(found.panel) == {"audience_slug": "gen-z", "size": 9}
    assert part.locate("size") == ("size", "panel.yaml:2")
    found, part = parse_panel(parse_document(alone, "audience.yaml"), {"size": 5})
    assert panel_body(found.panel)["audience"]["dimensions"] == {"age": {"a": 0.5, "b": 0.5}}
    assert part.locate("audience.dimensions[0].shares[1].share") == ("dimensions[0].shares[1].share", "audience.yaml:3")
    assert wrong(alone, parse_panel) == {"panel.size": ("is missing", "run.yaml:1")}


def test_a_group_may_be_part_of_a_run_or_by_itself() -> None:
    """A file with questions is a group; only the group of a run file is looked at."""
    found, part = parse_group(parse_document(RUN.replace("size: 20", "size: nonsense"), "run.yaml"))
    assert found.group.name == "First reactions"
    assert part.locate("name") == ("group.name", "run.yaml:6")
    found, part = parse_group(parse_document("name: x\nquestions: [y]\n", "group.yaml"))
    assert group_body(found.group) == {"name": "x", "questions": ["y"]}
    assert part.locate("questions[0]") == ("questions[0]", "group.yaml:2")
    assert wrong("name: x\nquestions: []\n", parse_group)["questions"][1] == "run.yaml:2"


def test_an_estimate_takes_whatever_part_there_is() -> None:
    """A run file has both parts, other files one of them."""
    panel, group = parse_any(parse_document(RUN, "run.yaml"))
    assert panel is not None
    assert group is not None
    assert parse_any(parse_document("audience: gen-z\nsize: 9\n", "panel.yaml"))[1] is None
    assert parse_any(parse_document("name: x\nquestions: [y]\n", "group.yaml"))[0] is None
    alone, _ = parse_any(parse_document("name: x\ndimensions: {}\n", "audience.yaml"), {"size": 7})
    assert alone is not None
    assert alone.size == 7


def test_an_audience_to_keep_must_be_described() -> None:
    """A name of the catalogue is none."""
    audience, part = parse_audience(parse_document("name: x\ndimensions: {}\n", "audience.yaml"))
    assert audience == {"name": "x", "dimensions": {}}
    assert part.locate("audience.dimensions") == ("dimensions", "audience.yaml:2")
    with pytest.raises(UnusableFile, match="describes none"):
        parse_audience(parse_document(RUN, "run.yaml"))


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_the_examples_are_run_files(path: Path) -> None:
    """What is shown as an example can be run."""
    assert parse_run(read_document(path)).group.questions
