"""Outputs on their way to the front end: recorded as they pass, and played again later."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

KINDS = frozenset(
    {"stream", "display_data", "execute_result", "update_display_data", "clear_output", "error"}
)

PAYLOAD = "payload"
"""Kept among the messages: what a reply asks of the front end, such as to open the pager (`print?`)."""


class OutputTap:
    """Sees every message that a kernel sends, by standing before its `Session.send`.

    All that a cell shows goes through that method, whichever thread or library shows it.
    """

    def __init__(self, session: Any) -> None:
        self._session = session
        self._send: Callable[..., Any] = session.send
        self._parent = ""
        self._recorded: list[dict[str, Any]] | None = None
        self._muted = False
        session.send = self._observed

    def close(self) -> None:
        """Take the tap out."""
        self._session.send = self._send

    def start(self, parent: str) -> None:
        """Record what is shown for the request with this message identifier."""
        self._parent, self._recorded = parent, []

    def stop(self) -> list[dict[str, Any]]:
        """What was shown, as messages in the order sent; neighbouring pieces of one stream are joined."""
        flush()
        recorded, self._recorded = self._recorded or [], None
        return _joined(recorded)

    def mute(self, muted: bool) -> None:
        """Hold outputs back, for a cell that runs only to rebuild state."""
        flush()
        self._muted = muted

    def _observed(
        self, stream: Any, msg_or_type: Any, content: Any = None, parent: Any = None, *args: Any, **more: Any
    ) -> Any:
        if isinstance(msg_or_type, dict):
            kind, body = msg_or_type.get("msg_type"), msg_or_type.get("content")
            parent_header = msg_or_type.get("parent_header") or {}
        else:
            kind, body = msg_or_type, content
            parent_header = (parent or {}).get("header", parent or {})
        if kind in KINDS:
            if self._muted:
                return None
            recorded = self._recorded
            if (
                recorded is not None
                and isinstance(parent_header, dict)
                and parent_header.get("msg_id") == self._parent
            ):
                recorded.append({"type": kind, "content": json.loads(json.dumps(body, default=str))})
        return self._send(stream, msg_or_type, content, parent, *args, **more)

    def play(self, kernel: Any, messages: list[dict[str, Any]], execution_count: int) -> None:
        """Show recorded messages again as outputs of the request that the kernel now serves."""
        for message in messages:
            if message["type"] == PAYLOAD:
                continue
            content = dict(message["content"])
            if message["type"] == "execute_result":
                content["execution_count"] = execution_count
            kernel.send_response(kernel.iopub_socket, message["type"], content)


def with_payload(messages: list[dict[str, Any]], payload: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Messages of a cell, with what its reply asks of the front end."""
    asked = json.loads(json.dumps(payload, default=str))
    return [*messages, *({"type": PAYLOAD, "content": item} for item in asked)]


def payload_of(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a recorded cell asked of the front end."""
    return [message["content"] for message in messages if message["type"] == PAYLOAD]


def flush() -> None:
    """Let pending stream output reach the tap."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


def _joined(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    result: list[dict[str, Any]] = []
    for message in messages:
        last = result[-1] if result else None
        if (
            last is not None
            and message["type"] == last["type"] == "stream"
            and message["content"].get("name") == last["content"].get("name")
        ):
            last["content"]["text"] += message["content"].get("text", "")
        else:
            result.append(message)
    return result
