"""Settings: the only place that reads the environment."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from common.releases import policies

LOCAL_WORKSPACE = UUID("00000000-0000-7000-8000-000000000001")
"""The one workspace there is until accounts exist."""

NO_PROJECT = "sight-local"
"""The Google Cloud project where none is set."""


PLACEHOLDERS = frozenset(
    {
        "change-me",
        "changeme",
        "example",
        "password",
        "placeholder",
        "replace-me",
        "secret",
        "xxx",
        "your-api-key",
    }
)
"""What stands in examples where a key belongs; `_` and `-` are alike, and so are cases and angle brackets."""


class Misconfigured(Exception):
    """A setting is missing that this process cannot do without."""


class Settings(BaseSettings):
    """Everything that differs between one machine, a test and the cloud. Names in the environment
    carry the prefix `SIGHT_`, except those that other software already gave a name."""

    model_config = SettingsConfigDict(
        env_prefix="SIGHT_", env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    environment: Literal["development", "staging", "production"] = Field(
        "development",
        description="Outside development nothing starts without an API key, or with one copied from an example.",
    )
    api_key: SecretStr | None = Field(None, description="What callers send as `Authorization: Bearer ...`.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="The least level logged.")
    revision: str = Field(
        "local", validation_alias=AliasChoices("K_REVISION", "SIGHT_REVISION"), description="The running revision."
    )
    cloud_run_service: str | None = Field(
        None,
        validation_alias="K_SERVICE",
        description="The running service; Cloud Run sets it, and where it is set tokens come from its metadata server.",
    )

    database_url: SecretStr | None = Field(
        None,
        validation_alias="DATABASE_URL",
        description="Postgres with pgvector. Unset: the embedded one on this machine.",
    )
    cloud_sql_instance: str | None = Field(
        None, description="`project:region:instance`; when set, the Cloud SQL connector with IAM authentication."
    )
    database_user: str = Field("sight", description="The IAM database user on Cloud SQL.")
    database_name: str = Field("sight", description="The database on Cloud SQL.")
    database_pool_size: int = Field(2, ge=1, le=20, description="Connections per process; there is no overflow.")

    redis_url: SecretStr | None = Field(
        None, validation_alias="REDIS_URL", description="Redis. Unset: the embedded one on this machine."
    )

    neo4j_url: str | None = Field(
        None,
        validation_alias="NEO4J_URL",
        description="Neo4j, such as `bolt://127.0.0.1:7687`. Unset: Sight does without.",
    )
    neo4j_user: str = Field("neo4j", validation_alias="NEO4J_USER", description="The user of Neo4j.")
    neo4j_password: SecretStr | None = Field(
        None, validation_alias="NEO4J_PASSWORD", description="The password of Neo4j."
    )

    bus: Literal["embedded", "pubsub"] = Field("embedded", description="Which bus carries the events.")
    google_cloud_project: str = Field(
        NO_PROJECT, validation_alias="GOOGLE_CLOUD_PROJECT", description="The Google Cloud project."
    )
    pubsub_emulator_host: str | None = Field(
        None, validation_alias="PUBSUB_EMULATOR_HOST", description="`host:port` of the Pub/Sub emulator."
    )
    push_base_url: str | None = Field(
        None, description="Where Pub/Sub pushes to: `{push_base_url}/{function}` is a function's endpoint."
    )
    push_audience: str | None = Field(
        None, description="When set, push requests must carry an OIDC token for this audience."
    )
    push_service_account: str | None = Field(None, description="The service account e-mail the push token must be of.")
    push_certificates_url: str | None = Field(
        None,
        description="Another address of the certificates that prove push tokens, such as a fake's; development only.",
    )
    open_pushes: bool = Field(
        False,
        description="Takes pushes without a token outside development, where the platform lets nobody else call.",
    )
    tasks_location: str = Field("europe-central2", description="The region of the Cloud Tasks queue.")
    tasks_queue: str = Field("sight-delayed", description="The Cloud Tasks queue of delayed messages.")
    tasks_endpoint: str | None = Field(None, description="Another endpoint for Cloud Tasks, such as a fake.")

    cloud_run_endpoint: str | None = Field(
        None, description="Another endpoint for the Cloud Run Admin API, such as a fake."
    )
    monitoring_endpoint: str | None = Field(None, description="Another endpoint for Cloud Monitoring, such as a fake.")

    release_policies: dict[str, dict[str, Any]] = Field(
        {},
        description="How services are released and rolled back, as JSON by service: what differs from the defaults in"
        " docs/releases.md. A service that is not in it is never touched.",
    )
    release_dry_run: bool = Field(False, description="Releases and rollbacks decide and tell, and move nothing.")

    slack_token: SecretStr | None = Field(
        None, description="The token of the bot that tells of releases and rollbacks on Slack."
    )
    slack_channel: str | None = Field(None, description="The id of the Slack channel it tells them in.")
    slack_endpoint: str | None = Field(None, description="Another endpoint for Slack, such as a fake.")
    smtp_url: SecretStr | None = Field(
        None, description="The mail server they are mailed through: `smtp://user:password@host:587` or `smtps://`."
    )
    email_from: str | None = Field(None, description="The sender of those mails.")
    email_to: list[str] = Field([], description="Who is mailed, as a JSON list of addresses.")

    llm: Literal["auto", "gemini", "simulated"] = Field(
        "auto",
        description="`auto` is Gemini when there is a key and, in development, the simulated model when there is none.",
    )
    google_api_key: SecretStr | None = Field(
        None, validation_alias=AliasChoices("GOOGLE_API_KEY", "GEMINI_API_KEY"), description="The key for Gemini."
    )
    gemini_endpoint: str | None = Field(None, description="Another endpoint for Gemini, such as a fake server.")
    gemini_model: str = Field("gemini-2.5-flash", description="The model that plays personas and answers.")
    gemini_analysis_model: str = Field("gemini-2.5-pro", description="The model that analyses.")
    gemini_embedding_model: str = Field("gemini-embedding-001", description="The model that embeds.")
    llm_timeout_seconds: float = Field(
        60.0, gt=0, description="The limit of one LLM call; an analysis has four times this."
    )
    llm_requests_per_minute: int = Field(60_000, ge=1, description="Shared by all processes, per model.")
    llm_tokens_per_minute: int = Field(60_000_000, ge=1, description="Shared by all processes, per model.")
    llm_cache_days: float = Field(7.0, ge=0, description="How long a reply is kept for an identical request; 0: not.")
    simulated_latency_seconds: float = Field(0.0, ge=0, description="What a call of the simulated model takes.")

    workers: int = Field(2, ge=1, le=64, description="Worker processes on one machine.")
    worker_threads: int = Field(32, ge=1, le=256, description="Messages a worker process handles at once.")
    data_dir: str = Field(".sight", description="Where the embedded Postgres and Redis keep their files.")
    port: int = Field(
        8080,
        ge=0,
        le=65535,
        validation_alias=AliasChoices("SIGHT_PORT", "PORT"),
        description="The port of the local gateway, or of the function that a container serves.",
    )
    function: str | None = Field(
        None, validation_alias="FUNCTION_TARGET", description="The function that a container serves."
    )

    @field_validator("release_policies")
    @classmethod
    def _policies_make_sense(cls, value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        policies.read(value)
        return value

    @model_validator(mode="after")
    def _requires_a_key_outside_development(self) -> Self:
        if self.environment == "development":
            return self
        key = self.api_key.get_secret_value().strip() if self.api_key else ""
        if not key:
            raise ValueError("SIGHT_API_KEY must be set outside development")
        if key.strip("<>").lower().replace("_", "-") in PLACEHOLDERS:
            raise ValueError("SIGHT_API_KEY is a placeholder; outside development it must be a key of your own")
        return self

    @model_validator(mode="after")
    def _names_its_model_outside_development(self) -> Self:
        if self.environment != "development" and self.llm == "auto" and self.google_api_key is None:
            raise ValueError("outside development no model is made up: set GOOGLE_API_KEY or SIGHT_LLM=simulated")
        return self

    @model_validator(mode="after")
    def _tells_whole(self) -> Self:
        if bool(self.slack_token) != bool(self.slack_channel):
            raise ValueError("SIGHT_SLACK_TOKEN and SIGHT_SLACK_CHANNEL tell people together: set both")
        if self.smtp_url and not (self.email_from and self.email_to):
            raise ValueError("SIGHT_SMTP_URL needs SIGHT_EMAIL_FROM and SIGHT_EMAIL_TO as well")
        return self

    @model_validator(mode="after")
    def _proves_pushes_or_does_not(self) -> Self:
        if bool(self.push_audience) != bool(self.push_service_account):
            raise ValueError("SIGHT_PUSH_AUDIENCE and SIGHT_PUSH_SERVICE_ACCOUNT prove a push together: set both")
        if self.push_certificates_url and self.environment != "development":
            raise ValueError("outside development tokens are proved by Google: unset SIGHT_PUSH_CERTIFICATES_URL")
        if self.bus == "pubsub" and self.environment != "development" and not (self.push_audience or self.open_pushes):
            raise ValueError(
                "outside development anybody could push: set SIGHT_PUSH_AUDIENCE and SIGHT_PUSH_SERVICE_ACCOUNT,"
                " or SIGHT_OPEN_PUSHES=true where only Pub/Sub may call the functions"
            )
        return self

    @property
    def llm_provider(self) -> Literal["gemini", "simulated"]:
        """The provider `llm` comes down to."""
        if self.llm == "auto":
            return "gemini" if self.google_api_key else "simulated"
        return self.llm


@cache
def settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()
