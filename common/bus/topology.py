"""Topics, and which function each is delivered to. Terraform, the emulator and the embedded bus all follow it."""

from __future__ import annotations

from dataclasses import dataclass

COMMANDS = "sight-commands"
JOBS = "sight-jobs"
PERSONAS = "sight-personas"
ANSWERS = "sight-answers"
RESULTS = "sight-results"
EVENTS = "sight-events"
ALERTS = "sight-alerts"
RELEASES = "sight-releases"
NOTIFICATIONS = "sight-notifications"
DEAD_LETTERS = "sight-dead-letters"


@dataclass(frozen=True, slots=True)
class Subscription:
    """How a topic's messages reach a function. Times are in seconds."""

    name: str
    topic: str
    function: str
    ack_deadline: int = 60
    max_attempts: int = 10
    min_backoff: float = 1.0
    max_backoff: float = 60.0
    dead_letter_topic: str | None = DEAD_LETTERS


SUBSCRIPTIONS = (
    Subscription("sight-commands-accept", COMMANDS, "commands"),
    Subscription("sight-jobs-fan-out", JOBS, "fan_out", ack_deadline=120),
    Subscription("sight-personas-persona", PERSONAS, "persona", ack_deadline=180),
    Subscription("sight-answers-answer", ANSWERS, "answer", ack_deadline=120),
    Subscription("sight-results-summary", RESULTS, "summary", ack_deadline=540),
    Subscription("sight-alerts-rollback", ALERTS, "rollback", ack_deadline=120, max_attempts=100, max_backoff=30.0),
    Subscription("sight-releases-rollout", RELEASES, "rollout", ack_deadline=600, max_attempts=100),
    Subscription("sight-notifications-notify", NOTIFICATIONS, "notify", ack_deadline=120),
    Subscription("sight-dead-letters-record", DEAD_LETTERS, "dead_letter", dead_letter_topic=None),
)

BY_NAME = {subscription.name: subscription for subscription in SUBSCRIPTIONS}

TOPICS = (COMMANDS, JOBS, PERSONAS, ANSWERS, RESULTS, EVENTS, ALERTS, RELEASES, NOTIFICATIONS, DEAD_LETTERS)
