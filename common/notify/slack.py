"""Slack: one message for each thread, updated as it goes on.

https://api.slack.com/methods/chat.postMessage, https://api.slack.com/methods/chat.update
"""

from __future__ import annotations

import json
from typing import Any

from common.notify.models import Message
from common.notify.port import NotTold

ENDPOINT = "https://slack.com"
CALL_SECONDS = 5.0
MAX_HEADER = 150
MAX_TEXT = 3000
MAX_FIELDS = 10
"""Limits of blocks: https://api.slack.com/reference/block-kit/blocks"""

LATEST_LINES = 20
SIGNS = {"trouble": ":rotating_light:", "working": ":hourglass_flowing_sand:", "done": ":white_check_mark:"}


class Slack:
    """One channel of a workspace, spoken to with a bot's token (scope `chat:write`)."""

    def __init__(self, token: str, channel: str, *, endpoint: str | None = None) -> None:
        self._token = token
        self._channel = channel
        self._endpoint = (endpoint or ENDPOINT).rstrip("/")

    def deliver(self, message: Message, handle: str | None) -> str:
        """Posts the message, or brings the one posted before up to date. The handle is `channel:ts`."""
        body: dict[str, Any] = {"text": f"{message.title}: {message.text}"[:MAX_TEXT], "blocks": blocks(message)}
        if handle is None:
            answer = self._call("chat.postMessage", {"channel": self._channel, "unfurl_links": False, **body})
        else:
            channel, _, ts = handle.partition(":")
            answer = self._call("chat.update", {"channel": channel, "ts": ts, **body})
        return f"{answer['channel']}:{answer['ts']}"

    def _call(self, method: str, body: dict[str, Any]) -> dict[str, Any]:
        import urllib3

        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json; charset=utf-8"}
        try:
            with urllib3.PoolManager(timeout=CALL_SECONDS, retries=False) as http:
                url = f"{self._endpoint}/api/{method}"
                response = http.request("POST", url, body=json.dumps(body).encode(), headers=headers)
        except urllib3.exceptions.HTTPError as error:
            raise NotTold(f"Slack did not answer: {type(error).__name__}") from error
        if response.status == 429:
            raise NotTold("Slack asks to wait", retry_after=float(response.headers.get("Retry-After", 1)))
        try:
            answer: dict[str, Any] = json.loads(response.data)
            refused = None if answer["ok"] else str(answer.get("error", "no reason given"))
        except (ValueError, KeyError, TypeError) as error:
            raise NotTold(f"Slack answered {response.status}") from error
        if refused is not None:
            raise NotTold(f"Slack refused: {refused}")
        return answer


def blocks(message: Message) -> list[dict[str, Any]]:
    """The message as Slack's blocks, within their limits: of a long timeline the latest lines."""
    sign = SIGNS.get(message.status, "")
    found: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": f"{sign} {message.title}".strip()[:MAX_HEADER]}}
    ]
    if message.text:
        found.append(_section(_escaped(message.text)))
    if message.facts:
        fields = [
            {"type": "mrkdwn", "text": f"*{_escaped(name)}*\n{_escaped(value)}"[:2000]} for name, value in message.facts
        ]
        found.append({"type": "section", "fields": fields[:MAX_FIELDS]})
    if message.lines:
        found.append(_section("\n".join(_escaped(line) for line in message.lines[-LATEST_LINES:])))
    if message.commands:
        found.append(_section("\n".join(f"`{_escaped(command)}`" for command in message.commands)))
    if message.url:
        found.append(_section(f"<{message.url}|Open in Cloud Monitoring>"))
    return found


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:MAX_TEXT]}}


def _escaped(text: str) -> str:
    """Text that mentions nobody and links nowhere (https://api.slack.com/reference/surfaces/formatting#escaping)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
