"""Outputs of cells as lines of text, so that two of them can be compared and read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def shown_lines(messages: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    r"""What a cell showed, line by line; of what is no text, type, size and a short digest.

    >>> list(shown_lines([{"type": "stream", "content": {"name": "stdout", "text": "a\\nb\\n"}}]))
    ['a', 'b']
    """
    for message in messages:
        content = message["content"]
        match message["type"]:
            case "stream":
                text = content.get("text", "")
                yield from (text if content.get("name") == "stdout" else f"stderr: {text}").splitlines()
            case "error":
                yield f"{content.get('ename')}: {_COLOURS.sub('', str(content.get('evalue')))}"
            case "display_data" | "execute_result" | "update_display_data":
                yield from _bundle(content.get("data") or {})
            case "clear_output":
                yield "(output cleared)"


def _bundle(data: Mapping[str, Any]) -> Iterator[str]:
    plain = data.get("text/plain")
    if isinstance(plain, str):
        yield from _COLOURS.sub("", plain).splitlines()
    for kind, value in data.items():
        if kind != "text/plain":
            raw = (value if isinstance(value, str) else repr(value)).encode("utf-8", "surrogatepass")
            yield f"({kind}, {len(raw)} bytes, {hashlib.blake2b(raw, digest_size=4).hexdigest()})"
