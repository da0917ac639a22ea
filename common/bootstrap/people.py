"""Picks how people are reached."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from common.notify.port import Channel
    from common.settings import Settings


def channels(s: Settings) -> dict[str, Channel]:
    """How people are reached, by name; where nothing is set, through the log."""
    found: dict[str, Channel] = {}
    if s.slack_token and s.slack_channel:
        from common.notify.slack import Slack

        found["slack"] = Slack(s.slack_token.get_secret_value(), s.slack_channel, endpoint=s.slack_endpoint)
    if s.smtp_url and s.email_from:
        from common.notify.mail import Mail

        found["email"] = Mail(s.smtp_url.get_secret_value(), sender=s.email_from, recipients=s.email_to)
    if not found:
        from common.notify.log import Log

        found["log"] = Log()
    return found
