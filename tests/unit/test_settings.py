"""Tests of the settings and of the page that lists them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from common.settings import Settings
from common.settings_page import page, variables

ROOT = Path(__file__).parents[2]


def read(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    """The settings of an environment that holds nothing else."""
    for name in os.environ:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Settings(_env_file=None)


@pytest.mark.parametrize("environment", ["staging", "production"])
@pytest.mark.parametrize(
    "key", [None, "", "  ", "change-me", "CHANGE_ME", "changeme", "<your-api-key>", "your_api_key", "secret"]
)
def test_no_key_or_a_placeholder_is_refused_outside_development(
    monkeypatch: pytest.MonkeyPatch, environment: str, key: str | None
) -> None:
    """Nothing that faces the world starts open, or with a key that everybody knows."""
    given = {} if key is None else {"SIGHT_API_KEY": key}
    with pytest.raises(ValidationError, match="SIGHT_API_KEY"):
        read(monkeypatch, SIGHT_ENVIRONMENT=environment, **given)


def test_a_key_of_ones_own_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A real key works anywhere, and is not shown when settings are printed."""
    found = read(monkeypatch, SIGHT_ENVIRONMENT="production", SIGHT_API_KEY="kX3-secret-9", SIGHT_LLM="gemini")
    assert found.api_key is not None
    assert found.api_key.get_secret_value() == "kX3-secret-9"
    assert "kX3" not in repr(found)


@pytest.mark.parametrize("key", ["", "change-me"])
def test_development_needs_no_key(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """On one's own machine everything runs as it is."""
    assert read(monkeypatch, SIGHT_API_KEY=key).environment == "development"


@pytest.mark.parametrize(
    ("environment", "provider"),
    [
        ({}, "simulated"),
        ({"GOOGLE_API_KEY": ""}, "simulated"),
        ({"GOOGLE_API_KEY": "k"}, "gemini"),
        ({"GEMINI_API_KEY": "k"}, "gemini"),
        ({"GOOGLE_API_KEY": "k", "SIGHT_LLM": "simulated"}, "simulated"),
        ({"SIGHT_LLM": "gemini"}, "gemini"),
    ],
)
def test_the_provider_follows_from_the_key_unless_it_is_named(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], provider: str
) -> None:
    """With a key it is Gemini, without one the simulated model, and what is named is obeyed."""
    assert read(monkeypatch, **environment).llm_provider == provider


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_no_model_is_made_up_outside_development(monkeypatch: pytest.MonkeyPatch, environment: str) -> None:
    """A key that was forgotten is found at the start, not in answers that no model gave; what is named is obeyed."""
    outside = {"SIGHT_ENVIRONMENT": environment, "SIGHT_API_KEY": "own-key"}
    with pytest.raises(ValidationError, match="set GOOGLE_API_KEY or SIGHT_LLM=simulated"):
        read(monkeypatch, **outside)
    assert read(monkeypatch, **outside, GOOGLE_API_KEY="k").llm_provider == "gemini"
    assert read(monkeypatch, **outside, SIGHT_LLM="simulated").llm_provider == "simulated"


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose files pass variables on that nobody set."""
    found = read(monkeypatch, DATABASE_URL="", REDIS_URL="", SIGHT_PORT="")
    assert (found.database_url, found.redis_url, found.port) == (None, None, 8080)


@pytest.mark.parametrize("name", ["SIGHT_PUSH_AUDIENCE", "SIGHT_PUSH_SERVICE_ACCOUNT"])
def test_half_of_what_proves_a_push_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """An audience alone proves nothing, and must not look as if it did."""
    with pytest.raises(ValidationError, match="set both"):
        read(monkeypatch, **{name: "x"})


def test_others_prove_pushes_in_development_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever serves the certificates says who may push."""
    outside = {"SIGHT_ENVIRONMENT": "production", "SIGHT_API_KEY": "own-key", "SIGHT_LLM": "gemini"}
    fake = {"SIGHT_PUSH_CERTIFICATES_URL": "http://127.0.0.1:9/certs"}
    with pytest.raises(ValidationError, match="unset SIGHT_PUSH_CERTIFICATES_URL"):
        read(monkeypatch, **outside, **fake)
    assert read(monkeypatch, **fake).push_certificates_url == "http://127.0.0.1:9/certs"


def test_open_pushes_are_chosen_or_refused_outside_development(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody opens the functions by forgetting something; the embedded bus has no pushes to open."""
    outside = {"SIGHT_ENVIRONMENT": "production", "SIGHT_API_KEY": "own-key", "SIGHT_LLM": "gemini"}
    with pytest.raises(ValidationError, match="SIGHT_PUSH_AUDIENCE"):
        read(monkeypatch, **outside, SIGHT_BUS="pubsub")
    proof = {"SIGHT_PUSH_AUDIENCE": "https://sight", "SIGHT_PUSH_SERVICE_ACCOUNT": "p@x"}
    assert read(monkeypatch, **outside, **proof, SIGHT_BUS="pubsub").push_audience == "https://sight"
    assert read(monkeypatch, **outside, SIGHT_BUS="pubsub", SIGHT_OPEN_PUSHES="true").open_pushes
    assert read(monkeypatch, **outside).bus == "embedded"
    assert read(monkeypatch, SIGHT_BUS="pubsub").push_audience is None


@pytest.mark.parametrize(
    "environment", [{"SIGHT_WORKERS": "0"}, {"SIGHT_BUS": "kafka"}, {"SIGHT_PORT": "70000"}, {"SIGHT_LLM": "none"}]
)
def test_a_value_out_of_bounds_is_refused(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    """A mistake is found at the start, not when it matters."""
    with pytest.raises(ValidationError):
        read(monkeypatch, **environment)


def test_the_page_in_docs_is_this_page() -> None:
    """docs/settings.md is what `make docs` writes now."""
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == page()


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_described_and_read(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Each has a sentence and a row, and the variables of its row do set it."""
    field: FieldInfo = Settings.model_fields[name]
    assert field.description
    assert field.description.endswith(".")
    for variable in variables(name, field):
        assert f"`{variable}`" in page()
        wanted: Any = "production" if name == "environment" else _another(name, field)
        written = json.dumps(wanted) if name in STRUCTURED else str(wanted)
        found = read(monkeypatch, **{"SIGHT_API_KEY": "own-key", **TOGETHER.get(name, {}), variable: written})
        value = getattr(found, name)
        assert getattr(value, "get_secret_value", lambda value=value: value)() == wanted


def _another(name: str, field: FieldInfo) -> Any:
    """A value that is not the default."""
    if name in STRUCTURED:
        return STRUCTURED[name]
    choices = getattr(field.annotation, "__args__", ())
    if choices and all(isinstance(choice, str) for choice in choices):
        return choices[-1]
    if isinstance(field.default, bool):
        return not field.default
    return field.default + 1 if isinstance(field.default, int | float) else "another"


STRUCTURED: dict[str, Any] = {"release_policies": {"api": {"min_requests": 5}}, "email_to": ["ada@example.com"]}

TOGETHER = {
    "environment": {"SIGHT_LLM": "gemini"},
    "push_audience": {"SIGHT_PUSH_SERVICE_ACCOUNT": "x"},
    "push_service_account": {"SIGHT_PUSH_AUDIENCE": "x"},
    "slack_channel": {"SIGHT_SLACK_TOKEN": "x"},
    "slack_token": {"SIGHT_SLACK_CHANNEL": "x"},
    "smtp_url": {"SIGHT_EMAIL_FROM": "x", "SIGHT_EMAIL_TO": '["x"]'},
}
"""What must be set along with a setting."""


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ({"min_request": 5}, "api.min_request is no setting"),
        ({"min_requests": "5"}, "api.min_requests must be a whole number"),
        ({"steps": [10, 50]}, "api.steps must rise to 100"),
        ({"automatic": "no"}, "api.automatic must be true or false"),
        ({"error_share": 5}, "api.error_share must be a share"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(
    monkeypatch: pytest.MonkeyPatch, policy: dict[str, Any], said: str
) -> None:
    """What is wrong is named, at the start rather than in the night it matters."""
    with pytest.raises(ValidationError, match=said):
        read(monkeypatch, SIGHT_RELEASE_POLICIES=json.dumps({"api": policy}))
