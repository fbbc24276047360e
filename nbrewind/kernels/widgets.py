"""Widgets among a cell's outputs: what of them is recorded, and when a restored cell may show them again.

A widget is a *model* that kernel and front end share over a *comm*: `comm_open` makes it, `comm_msg` changes it. Models
that only show something (a progress bar, a label) are shown again from their last state. Behind all others stand
callbacks in the kernel, so a cell that shows them has to run. Source: the Jupyter widget messaging protocol 2.1.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

KINDS = frozenset({"comm_open", "comm_msg", "comm_close"})
CONTROLS = "it shows controls that act on this kernel"

_TARGET = "jupyter.widget"
_ONLY_SHOWN = frozenset(
    """
    AccordionModel BoxModel DescriptionStyleModel FloatProgressModel GridBoxModel HBoxModel HTMLMathModel
    HTMLMathStyleModel HTMLModel HTMLStyleModel ImageModel IntProgressModel LabelModel LabelStyleModel LayoutModel
    ProgressStyleModel StackModel TabModel ValidModel VBoxModel
    """.split()
)

Message = dict[str, Any]


def plain(content: Any) -> Any:
    """A copy of what a message holds, as JSON has it."""
    return json.loads(json.dumps(content, default=str))


def recorded(kind: str, content: Any, metadata: Any, buffers: Sequence[Any] | None) -> Message:
    """A comm message in the form of the record."""
    message = {
        "type": kind,
        "content": plain(content),
        "metadata": metadata or {},
    }
    if buffers:
        message["buffers"] = [base64.b64encode(bytes(buffer)).decode() for buffer in buffers]
    return message


def buffers_of(message: Mapping[str, Any]) -> list[bytes]:
    """The binary parts of a recorded message."""
    return [base64.b64decode(text) for text in message.get("buffers", ())]


def controls(messages: Iterable[Message]) -> bool:
    """Whether something that a cell shows needs the kernel that made it."""
    for message in messages:
        content = message["content"]
        if message["type"] == "comm_open" and (
            content.get("target_name") != _TARGET or _state(message).get("_model_name") not in _ONLY_SHOWN
        ):
            return True
        if message["type"] == "comm_msg" and content.get("data", {}).get("method") != "update":
            return True
    return False


def condensed(messages: Iterable[Message]) -> list[Message]:
    """Messages in which every model is opened in its last state, however often it changed: a bar has one length.

    Updates with binary parts stay as they are, and so do those of models that an earlier cell opened.
    """
    kept: list[Message] = []
    opened: dict[str, Message] = {}
    for message in messages:
        comm = message["content"].get("comm_id", "")
        if message["type"] == "comm_open":
            opened[comm] = message
        elif message["type"] == "comm_msg" and comm in opened and "buffers" not in message:
            data = message["content"].get("data", {})
            if data.get("method") == "update" and "buffers" not in opened[comm]:
                _state(opened[comm]).update(data.get("state", {}))
                continue
            opened.pop(comm)
        kept.append(message)
    return kept


def _state(message: Message) -> dict[str, Any]:
    """A model's values, in the message itself."""
    state: dict[str, Any] = message["content"].setdefault("data", {}).setdefault("state", {})
    return state


class Renamer:
    """Gives models that are shown again names of their own, because a front end may still know the old ones."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def fresh(self, messages: Sequence[Message]) -> list[Message]:
        """The same messages, with new names for models that they open and for those that this renamer knows."""
        for message in messages:
            if message["type"] == "comm_open":
                self._names[message["content"]["comm_id"]] = secrets.token_hex(16)
        if not self._names:
            return list(messages)
        text = json.dumps(messages)
        for old, new in self._names.items():
            text = text.replace(old, new)
        renamed: list[Message] = json.loads(text)
        return renamed
