"""The OpenAPI document: valid, complete, the same as the copy in docs, and served with its page."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any, get_type_hints

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator, validate
from pydantic import BaseModel
from werkzeug.test import TestResponse

from functions.api.openapi import document
from tests.fixtures.api import ROOT, Api, bare_app

OWN_ERRORS = {("health", "503"), ("readiness", "503"), ("startup", "503")}
"""Not well is an answer of health like any other."""

UNDOCUMENTED = {"documentation"}


@pytest.fixture(scope="module")
def openapi() -> dict[str, Any]:
    """The document."""
    with bare_app().app_context():
        return document()


def operations(openapi: dict[str, Any]) -> list[dict[str, Any]]:
    """Every operation of the document."""
    return [each for path in openapi["paths"].values() for each in path.values()]


def fetch(api: Api, path: str) -> TestResponse:
    """A file, read to its end and closed."""
    response = api.client.get(path)
    response.get_data()
    response.close()
    return response


def test_the_document_is_valid_openapi_3_1(openapi: dict[str, Any]) -> None:
    """The document holds against the OpenAPI 3.1 schema."""
    assert openapi["openapi"].startswith("3.1")
    validate(openapi, cls=OpenAPIV31SpecValidator)


def test_the_copy_in_docs_is_this_document(openapi: dict[str, Any]) -> None:
    """docs/openapi.json is what `python -m functions.api.export` writes now."""
    assert json.loads((ROOT / "docs/openapi.json").read_text()) == openapi


def test_every_route_is_documented(openapi: dict[str, Any]) -> None:
    """Every route but the documentation's own is an operation with its own id and a summary."""
    app = bare_app()
    functions = {
        rule.endpoint.rpartition(".")[2]
        for rule in app.url_map.iter_rules()
        if rule.endpoint.rpartition(".")[0] not in UNDOCUMENTED
    }
    ids = [each["operationId"] for each in operations(openapi)]
    assert sorted(ids) == sorted(functions)
    assert all(each["summary"].endswith(".") for each in operations(openapi))


def test_every_error_is_documented_as_a_problem(openapi: dict[str, Any]) -> None:
    """Whatever fails, the document promises the same shape."""
    for each in operations(openapi):
        errors = {status: answer for status, answer in each["responses"].items() if int(status) >= 400}
        assert {"500", "503"} <= set(errors)
        for status, answer in errors.items():
            if (each["operationId"], status) in OWN_ERRORS:
                continue
            assert answer["content"] == {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
            }


def test_every_route_but_health_needs_the_key(openapi: dict[str, Any]) -> None:
    """Denial is the default, in the document too."""
    assert openapi["security"] == [{"key": []}]
    public = [each["operationId"] for each in operations(openapi) if each.get("security") == []]
    assert sorted(public) == ["health", "liveness", "readiness", "startup"]


def test_every_body_has_an_example_that_is_accepted(openapi: dict[str, Any]) -> None:
    """What the page offers to try out is read without complaint."""
    app = bare_app()
    for each in operations(openapi):
        if "requestBody" in each and each["operationId"] != "change_project":
            view = app.view_functions[next(e for e in app.view_functions if e.endswith(f".{each['operationId']}"))]
            model: type[BaseModel] = get_type_hints(view)["json"]
            model.model_validate(each["requestBody"]["content"]["application/json"]["example"])


def test_no_two_models_share_a_name(openapi: dict[str, Any]) -> None:
    """A name in the document stands for one model: a second one would silently replace it."""
    named: defaultdict[str, set[type[BaseModel]]] = defaultdict(set)
    waiting: list[type[BaseModel]] = [BaseModel]
    while waiting:
        for model in waiting.pop().__subclasses__():
            waiting.append(model)
            if model.__module__.startswith(("common.", "functions.")):
                named[model.__name__].add(model)
    shared = {name: found for name, found in named.items() if name in openapi["components"]["schemas"]}
    assert {name: found for name, found in shared.items() if len(found) > 1} == {}


def test_the_document_is_served_once_made(api: Api) -> None:
    """/openapi.json is the document, and costs nothing when it has not changed."""
    response = api.client.get("/openapi.json")
    assert response.json == json.loads((ROOT / "docs/openapi.json").read_text())
    again = api.client.get("/openapi.json", headers={"If-None-Match": response.headers["ETag"]})
    assert again.status_code == 304


def test_the_page_needs_no_other_host(api: Api) -> None:
    """Swagger UI comes with everything it loads, under a policy that lets it load nothing else."""
    page = fetch(api, "/docs")
    assert page.status_code == 200
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "//" not in page.text.replace("</", "")
    for name in ("swagger-ui.css", "swagger-ui-bundle.js", "docs.css", "docs.js", "favicon-32x32.png"):
        assert f"docs/{name}" in page.text
        assert fetch(api, f"/docs/{name}").status_code == 200


def test_browsers_find_an_icon(guarded: Api) -> None:
    """They ask for it by themselves, without a key; functions-framework would say that there is none."""
    response = fetch(guarded, "/favicon.ico")
    assert (response.status_code, response.data[:4]) == (200, b"\0\0\1\0")
    assert response.mimetype in ("image/x-icon", "image/vnd.microsoft.icon")
    assert guarded.client.get("/robots.txt").mimetype == "application/problem+json"


def test_files_outside_the_page_are_not_served(api: Api) -> None:
    """A name that leads out of the folder leads nowhere."""
    assert api.client.get("/docs/..%2fapp.py").status_code == 404
    assert api.client.get("/docs/%2e%2e/app.py").status_code == 404


def test_every_route_is_in_the_guide(openapi: dict[str, Any]) -> None:
    """docs/api.md names every path there is."""
    guide = (ROOT / "docs/api.md").read_text()
    assert [path for path in openapi["paths"] if f"{path}`" not in guide] == []
