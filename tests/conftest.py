"""The servers and data every test may ask for."""

import os

from hypothesis import HealthCheck, settings

# Tests share two cores: how long an example takes says nothing about the code. CI says the same of the same commit; all
# other runs look at examples that were not seen before.
settings.register_profile(
    "sight",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=os.environ.get("CI") == "true",
)
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
