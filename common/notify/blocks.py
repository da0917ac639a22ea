"""Messages as Slack's blocks, within their limits (https://api.slack.com/reference/block-kit/blocks)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from common.notify.models import Message

MAX_HEADER = 150
MAX_TEXT = 3000
MAX_FIELDS = 10
MAX_LINE = 300
SIGNS = {
    "trouble": ":rotating_light:",
    "working": ":hourglass_flowing_sand:",
    "done": ":white_check_mark:",
    "information": ":information_source:",
}


def blocks(message: Message) -> list[dict[str, Any]]:
    """The message as blocks; of a timeline that is too long the latest lines."""
    title = _cut(f"{SIGNS[message.status]} {message.title}", MAX_HEADER)
    found: list[dict[str, Any]] = [{"type": "header", "text": {"type": "plain_text", "text": title}}]
    found += _section(escaped(message.text, MAX_TEXT))
    if message.facts:
        fields = [f"*{escaped(name, MAX_LINE)}*\n{escaped(value, MAX_TEXT // 2)}" for name, value in message.facts]
        found.append({"type": "section", "fields": [{"type": "mrkdwn", "text": each} for each in fields[:MAX_FIELDS]]})
    found += _section(_latest(message.lines))
    commands = "\n".join(message.commands).replace("`", "'").strip()
    found += _section(f"```{escaped(commands, MAX_TEXT - 6)}```" if commands else "")
    return found + _section(_link(message.url))


def summary(message: Message) -> str:
    """The message in a line, for where blocks are not shown: the notification on a phone."""
    return escaped(f"{message.title}: {message.text}" if message.text else message.title, MAX_TEXT)


def escaped(text: str, limit: int) -> str:
    """Text that mentions nobody and links nowhere, in at most `limit` characters
    (https://api.slack.com/reference/surfaces/formatting#escaping)."""
    whole = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if len(whole) <= limit:
        return whole
    return re.sub(r"&[a-z]*$", "", whole[: limit - 1]) + "…"  # half an entity would be shown as it stands


def _latest(lines: Sequence[str]) -> str:
    """As many of the latest lines as fit, and how many were left out."""
    kept: list[str] = []
    room = MAX_TEXT - 40
    for line in reversed(lines):
        shown = escaped(line.replace("\n", " "), MAX_LINE)
        if len(shown) + 1 > room:
            break
        room -= len(shown) + 1
        kept.append(shown)
    left_out = len(lines) - len(kept)
    return "\n".join([f"_{left_out} earlier lines_"] * bool(left_out) + kept[::-1])


def _link(url: str) -> str:
    safe = quote(url, safe=":/?#[]@!$&()*+,;=%~")
    shown = safe.startswith(("https://", "http://")) and len(safe) < MAX_TEXT - 40
    return f"<{safe}|Open the incident>" if shown else ""


def _section(text: str) -> list[dict[str, Any]]:
    """A section, or none where there is nothing to say: Slack refuses an empty one."""
    return [{"type": "section", "text": {"type": "mrkdwn", "text": text}}] if text.strip() else []


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
