"""Slack: one message for each thread, updated as it goes on.

https://api.slack.com/methods/chat.postMessage, https://api.slack.com/methods/chat.update
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from common.notify.blocks import blocks, summary
from common.notify.port import NotTold, Telling

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

ENDPOINT = "https://slack.com"
CALL_SECONDS = 10.0
EVENT = "sight_notification"
"""The type of the metadata by which a message is found again (https://api.slack.com/metadata)."""

LOOKED_THROUGH = 100
"""How many of the channel's latest messages are."""

GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed", "channel_not_found"})
"""Why a message cannot be updated that can be posted anew."""

HINTS = {
    "not_in_channel": "invite the bot to the channel",
    "channel_not_found": "SIGHT_SLACK_CHANNEL is no channel the bot can see",
    "invalid_auth": "SIGHT_SLACK_TOKEN is not valid",
    "token_revoked": "SIGHT_SLACK_TOKEN was revoked",
    "missing_scope": "the bot needs the scope chat:write",
    "is_archived": "the channel is archived",
}


class Slack:
    """One channel of a workspace, spoken to with a bot's token.

    The token needs the scope `chat:write`. With `channels:history` (`groups:history` for a private channel) a message
    whose posting was cut off is found and not posted twice.
    """

    def __init__(self, token: str, channel: str, *, endpoint: str | None = None) -> None:
        self._token = token
        self._channel = channel
        self._endpoint = (endpoint or ENDPOINT).rstrip("/")

    def deliver(self, telling: Telling) -> str:
        """Posts the message, or brings the one posted before up to date. The handle is `channel:ts`."""
        handle = telling.handle
        if handle is None and telling.doubtful and telling.key:
            handle = self._find(telling.key)
        if handle is not None:
            channel, _, ts = handle.partition(":")
            try:
                return _handle(self._call("chat.update", {"channel": channel, "ts": ts, **_content(telling)}))
            except _Refused as refused:
                if refused.reason not in GONE:
                    raise
        asked = {"channel": self._channel, "unfurl_links": False, **_content(telling)}
        return _handle(self._call("chat.postMessage", asked))

    def _find(self, key: str) -> str | None:
        asked = {"channel": self._channel, "limit": str(LOOKED_THROUGH), "include_all_metadata": "true"}
        try:
            answer = self._call("conversations.history", asked, form=True)
        except _Refused:
            return None  # the token may not look: better told twice than not at all
        for found in answer.get("messages", ()):
            metadata = found.get("metadata") or {}
            if metadata.get("event_type") == EVENT and metadata.get("event_payload", {}).get("key") == key:
                return f"{self._channel}:{found['ts']}"
        return None

    def _call(self, method: str, body: dict[str, Any], *, form: bool = False) -> dict[str, Any]:
        """Calls a method and returns its answer. Those that read take forms and no JSON."""
        from urllib.parse import urlencode

        import urllib3

        kind = "application/x-www-form-urlencoded" if form else "application/json; charset=utf-8"
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": kind}
        data = (urlencode(body) if form else json.dumps(body)).encode()
        url = f"{self._endpoint}/api/{method}"
        try:
            with urllib3.PoolManager(timeout=CALL_SECONDS, retries=False) as http:
                response = http.request("POST", url, body=data, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            raise NotTold(f"Slack did not answer: {type(error).__name__}") from error
        if response.status == 429:
            raise NotTold("Slack asks to wait", retry_after=_retry_after(response))
        return _answer(response)


class _Refused(NotTold):
    """Slack will not do it, for a reason of its list."""

    def __init__(self, reason: str) -> None:
        hint = HINTS.get(reason)
        super().__init__(f"Slack refused: {reason}" + (f" ({hint})" if hint else ""))
        self.reason = reason


def _content(telling: Telling) -> dict[str, Any]:
    content: dict[str, Any] = {"text": summary(telling.message), "blocks": blocks(telling.message)}
    if telling.key:
        content["metadata"] = {"event_type": EVENT, "event_payload": {"key": telling.key}}
    return content


def _answer(response: BaseHTTPResponse) -> dict[str, Any]:
    try:
        answer = json.loads(response.data)
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or not isinstance(answer.get("ok"), bool):
        raise NotTold(f"Slack answered {response.status} and nothing of its own")
    if answer["ok"]:
        return answer
    reason = str(answer.get("error", "no reason given"))
    if reason in ("ratelimited", "rate_limited"):
        raise NotTold("Slack asks to wait", retry_after=_retry_after(response))
    raise _Refused(reason)


def _handle(answer: dict[str, Any]) -> str:
    try:
        return f"{answer['channel']}:{answer['ts']}"
    except KeyError as error:
        raise NotTold(f"Slack says it took the message, but not its {error}") from None


def _retry_after(response: BaseHTTPResponse) -> float | None:
    try:
        return max(0.0, float(response.headers["Retry-After"]))
    except (KeyError, ValueError):
        return None
