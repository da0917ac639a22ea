"""The servers and data every test may ask for."""

from hypothesis import HealthCheck, settings

# Tests share two cores: how long an example takes says nothing about the code.
settings.register_profile("sight", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("sight")

pytest_plugins = [
    "tests.fixtures.emulator",
    "tests.fixtures.neo4j",
    "tests.fixtures.postgres",
    "tests.fixtures.redis",
    "tests.fixtures.silent",
    "tests.fixtures.api",
    "tests.fakes.cloud_run.fixtures",
    "tests.fakes.gemini.fixtures",
    "tests.fakes.slack.fixtures",
    "tests.fakes.smtp.fixtures",
]
