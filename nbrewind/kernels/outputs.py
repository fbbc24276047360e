"""Outputs on their way to the front end: recorded as they pass, and played again later."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from threading import current_thread, get_ident
from typing import Any

from nbrewind.kernels import widgets

KINDS = frozenset(
    {"stream", "display_data", "execute_result", "update_display_data", "clear_output", "error"}
)

PAYLOAD = "payload"
"""Kept among the messages: what a reply asks of the front end, such as to open the pager (`print?`)."""


_CHILDREN = 0.05  # seconds that the last words of a forked child may take to arrive


class _Forks:
    """How often this process has forked."""

    seen = 0

    @classmethod
    def another(cls) -> None:
        """Called after each."""
        cls.seen += 1


os.register_at_fork(after_in_parent=_Forks.another)


class OutputTap:
    """Sees every message that a kernel sends, by standing before its `Session.send`.

    All that a cell shows goes through that method, whichever thread or library shows it. What forked children show
    comes by another way: through a pipe to the thread that serves the front ends.

    Parameters
    ----------
    session
        The kernel's, which makes messages.
    publisher
        The kernel's thread that sends them.
    """

    def __init__(self, session: Any, publisher: Any = None) -> None:
        self._session = session
        self._publisher = publisher
        self._send: Callable[..., Any] = session.send
        self._parent = ""
        self._recorded: list[dict[str, Any]] | None = None
        self._forks = 0
        self._muted = False
        self._own: set[int] = set()
        self._renamer = widgets.Renamer()
        session.send = self._observed
        if publisher is not None:
            self._publish: Callable[..., Any] = publisher.send_multipart
            publisher.send_multipart = self._passed_on

    def close(self) -> None:
        """Take the tap out."""
        self._session.send = self._send
        if self._publisher is not None:
            self._publisher.send_multipart = self._publish

    def start(self, parent: str) -> None:
        """Record what is shown for the request with this message identifier."""
        self._parent, self._recorded = parent, []
        self._forks = _Forks.seen

    def stop(self) -> list[dict[str, Any]]:
        """What was shown, as messages in the order sent; pieces of one stream and changes of one widget are joined."""
        flush()
        if _Forks.seen != self._forks:
            time.sleep(_CHILDREN)
        recorded, self._recorded = self._recorded or [], None
        return widgets.condensed(_joined(recorded))

    @contextlib.contextmanager
    def unseen(self) -> Iterator[None]:
        """What this thread shows here is nbrewind's own, and not recorded."""
        self._own.add(get_ident())
        try:
            yield
        finally:
            self._own.discard(get_ident())

    def add(self, message: dict[str, Any]) -> None:
        """Record something that did not come by a message."""
        if not self._muted and get_ident() not in self._own:
            self._record(message)

    def go_silent(self, refuse: Callable[[], object]) -> None:
        """Send nothing from here on, but record: this process is a fork of the kernel's. Controls are refused."""

        def unsent(_stream: Any, msg_or_type: Any, *_args: Any, **_more: Any) -> None:
            kind = msg_or_type.get("msg_type") if isinstance(msg_or_type, dict) else msg_or_type
            if kind in widgets.KINDS:
                refuse()

        self._send = unsent
        if self._publisher is not None:
            self._publisher.schedule = lambda _action: None

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
            if self._muted and get_ident() not in self._own:
                return None
            if self._records(parent_header):
                self._record({"type": kind, "content": widgets.plain(body)})
        elif kind in widgets.KINDS and not self._muted and self._records(parent_header):
            buffers = more.get("buffers") or (args[1] if len(args) > 1 else None)
            self._record(widgets.recorded(kind, body, more.get("metadata"), buffers))
        return self._send(stream, msg_or_type, content, parent, *args, **more)

    def _records(self, parent_header: Any) -> bool:
        """Whether a message that is sent now belongs to the cell that is recorded."""
        return (
            self._recorded is not None
            and get_ident() not in self._own
            and isinstance(parent_header, dict)
            and parent_header.get("msg_id") == self._parent
        )

    def _record(self, message: dict[str, Any]) -> None:
        recorded = self._recorded
        if recorded is not None:
            recorded.append(message)

    def _passed_on(self, frames: list[Any], *args: Any, **more: Any) -> Any:
        """Called for every message; in the publisher's own thread for those of forked children."""
        if current_thread() is getattr(self._publisher, "thread", None):
            with contextlib.suppress(Exception):
                if self._is_child(frames) and self._held_back(*_parsed(frames)):
                    return None
        return self._publish(frames, *args, **more)

    def _is_child(self, frames: list[Any]) -> bool:
        """Whether another process made a message: its identifier holds the process's number."""
        return f"_{os.getpid()}_".encode() not in bytes(frames[frames.index(b"<IDS|MSG>") + 2])

    def _held_back(self, kind: str, parent: str, content: Any) -> bool:
        """Record what a child shows; true for what nobody is to see."""
        recorded = self._recorded
        if kind in KINDS and recorded is not None and parent == self._parent and not self._muted:
            recorded.append({"type": kind, "content": content})
        return self._muted and kind in KINDS

    def play(self, kernel: Any, messages: list[dict[str, Any]], execution_count: int) -> None:
        """Show recorded messages again as outputs of the request that the kernel now serves."""
        for message in self._renamer.fresh(messages):
            if message["type"] == PAYLOAD:
                continue
            if message["type"] in widgets.KINDS:
                self._play_comm(kernel, message)
                continue
            content = dict(message["content"])
            if message["type"] == "execute_result":
                content["execution_count"] = execution_count
            kernel.send_response(kernel.iopub_socket, message["type"], content)

    def _play_comm(self, kernel: Any, message: dict[str, Any]) -> None:
        kernel.session.send(
            kernel.iopub_socket,
            message["type"],
            message["content"],
            metadata=message["metadata"],
            parent=kernel.get_parent("shell"),
            ident=f"comm-{message['content']['comm_id']}".encode(),
            buffers=widgets.buffers_of(message),
        )


def _parsed(frames: list[Any]) -> tuple[str, str, Any]:
    """Kind, request and content of a message that is on its way."""
    place = frames.index(b"<IDS|MSG>")
    header, parent, _, content = (json.loads(bytes(frame)) for frame in frames[place + 2 : place + 6])
    return header["msg_type"], parent.get("msg_id", ""), content


def with_payload(messages: list[dict[str, Any]], payload: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Messages of a cell, with what its reply asks of the front end."""
    asked = widgets.plain(payload)
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
