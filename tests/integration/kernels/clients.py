"""A live kernel as a front end sees it: requests, and all that they show."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from queue import Empty
from typing import Any

from attrs import define, field
from jupyter_client.manager import KernelManager

TIMEOUT = 60
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_OWN_FILE = re.compile(r"/\S*/ipykernel_\d+/\d+\.py")
_ADDRESS = re.compile(r"\b(0x[0-9a-f]{6,}|[0-9a-f]{12}(?=[,>])|pid=\d+|Thread-\d+|\d+ times|\d+ frames)\b")


@define
class Shown:
    """What one request led to; `lines` are nbrewind's own displays, which `outputs` leaves out."""

    reply: dict[str, Any]
    messages: list[dict[str, Any]] = field(factory=list)

    @property
    def content(self) -> dict[str, Any]:
        return self.reply["content"]

    @property
    def told(self) -> dict[str, Any]:
        """What the reply's metadata say of the cell."""
        return self.reply["metadata"].get("nbrewind", {})

    @property
    def lines(self) -> list[str]:
        return [content["data"]["text/plain"] for _, content in self.messages if _is_line(content)]

    @property
    def actions(self) -> list[str]:
        return [
            content["metadata"]["nbrewind"]["action"] for _, content in self.messages if _is_line(content)
        ]

    @property
    def outputs(self) -> list[Any]:
        """Without what differs between two processes: addresses, colours, the names of cells' own files."""
        found = []
        for kind, content in self.messages:
            if _is_line(content):
                continue
            if (
                kind == "stream"
                and found
                and found[-1][0] == "stream"
                and found[-1][1]["name"] == content["name"]
            ):
                found[-1][1]["text"] += content["text"]
            else:
                found.append([kind, json.loads(json.dumps(content))])
        return plain(found)

    @property
    def text(self) -> str:
        """All that was printed."""
        return "".join(content["text"] for kind, content in self.messages if kind == "stream")


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, str):
        return _ADDRESS.sub("…", _OWN_FILE.sub("CELL.py", _COLOURS.sub("", value)))
    return value


def _is_line(content: dict[str, Any]) -> bool:
    return "nbrewind" in content.get("metadata", {})


class Live:
    """A running kernel and a client of it."""

    KINDS = ("stream", "display_data", "execute_result", "update_display_data", "clear_output", "error")

    def __init__(self, name: str, folder: Path, **environment: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.manager = KernelManager(kernel_name=name)
        self.manager.start_kernel(cwd=str(folder), env={**os.environ, **environment})
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=TIMEOUT)

    def run(self, code: str, cell: str | None = None, answers: tuple[str, ...] = (), **options: Any) -> Shown:
        """Execute, and wait for the reply and for the kernel to be idle again."""
        self.client.session.metadata = {} if cell is None else {"cellId": cell}
        messages: list[Any] = []
        waiting = list(answers)

        def answer(message: Any) -> None:
            messages.append(("input_request", message["content"]))
            self.client.input(waiting.pop(0))

        reply = self.client.execute_interactive(
            code,
            timeout=TIMEOUT,
            output_hook=lambda message: messages.append((message["msg_type"], message["content"])),
            stdin_hook=answer,
            **options,
        )
        return Shown(reply, [pair for pair in messages if pair[0] in (*self.KINDS, "input_request")])

    def start(self, code: str, cell: str | None = None) -> str:
        """Execute without waiting; returns the identifier of the request."""
        self.client.session.metadata = {} if cell is None else {"cellId": cell}
        return self.client.execute(code)

    def finish(self, request: str) -> Shown:
        """Wait for a request that was started."""
        messages = [
            (m["msg_type"], m["content"]) for m in self.until_idle(request) if m["msg_type"] in self.KINDS
        ]
        while True:
            reply = self.client.get_shell_msg(timeout=TIMEOUT)
            if reply["parent_header"].get("msg_id") == request:
                return Shown(reply, messages)

    def until_idle(self, request: str) -> list[Any]:
        """Messages about a request, until the kernel has done with it."""
        found = []
        while True:
            message = self.client.get_iopub_msg(timeout=TIMEOUT)
            if message["parent_header"].get("msg_id") != request:
                continue
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return found
            found.append(message)

    def wait_for_text(self, text: str) -> None:
        """Until something that was started has printed this."""
        while True:
            message = self.client.get_iopub_msg(timeout=TIMEOUT)
            if message["msg_type"] == "stream" and text in message["content"]["text"]:
                return

    def later(self, seconds: float) -> list[Any]:
        """Messages that come of themselves within some time."""
        found, deadline = [], time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                message = self.client.get_iopub_msg(timeout=left)
            except Empty:
                break
            if message["msg_type"] != "status":
                found.append((message["msg_type"], message["content"]))
        return found

    def ask(self, kind: str, content: dict[str, Any]) -> dict[str, Any]:
        """Any other request on the shell channel; returns the reply's content."""
        message = self.client.session.msg(kind, content)
        self.client.shell_channel.send(message)
        return self.reply_to(message)

    def control(self, kind: str, content: dict[str, Any]) -> dict[str, Any]:
        """A request on the control channel."""
        message = self.client.session.msg(kind, content)
        self.client.control_channel.send(message)
        while True:
            reply = self.client.get_control_msg(timeout=TIMEOUT)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                return reply["content"]

    def reply_to(self, message: Any) -> dict[str, Any]:
        while True:
            reply = self.client.get_shell_msg(timeout=TIMEOUT)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                return reply["content"]

    def complete(self, code: str) -> list[str]:
        return self.ask("complete_request", {"code": code, "cursor_pos": len(code)})["matches"]

    def inspect(self, code: str) -> str:
        content = {"code": code, "cursor_pos": len(code), "detail_level": 0}
        return plain(self.ask("inspect_request", content)["data"].get("text/plain", ""))

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel()
        self.manager.cleanup_resources()

    def __enter__(self) -> Live:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
