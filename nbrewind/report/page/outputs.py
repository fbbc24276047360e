"""What a cell showed, made harmless: pictures as data, HTML in frames without rights, everything else as text."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from nbrewind.report.page.tree import Node, node, printable
from nbrewind.report.words import size

LONGEST_TEXT = 20_000
"""Characters of one output that are shown."""
LARGEST = 2_000_000
"""Characters of a picture or of HTML above which only its size is told."""
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:"
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")


def outputs(messages: Iterable[Mapping[str, Any]]) -> list[Node]:
    """Elements for the recorded messages of a cell."""
    return list(_outputs(messages))


def _outputs(messages: Iterable[Mapping[str, Any]]) -> Iterator[Node]:
    for message in messages:
        content = message.get("content") or {}
        match message.get("type"):
            case "stream":
                kind = "stderr" if content.get("name") == "stderr" else "stdout"
                yield _text(str(content.get("text", "")), kind)
            case "error":
                trace = content.get("traceback") or [f"{content.get('ename')}: {content.get('evalue')}"]
                yield _text("\n".join(map(str, trace)), "stderr")
            case "display_data" | "execute_result" | "update_display_data":
                yield _bundle(content.get("data") or {})


def _bundle(data: Mapping[str, Any]) -> Node:
    """The best form that can be shown safely."""
    for kind, show in _FORMS.items():
        value = data.get(kind)
        if isinstance(value, list):
            value = "".join(map(str, value))
        if isinstance(value, str):
            if len(value) > LARGEST:
                return _note(f"{kind}, {size(len(value))}: too large for this page")
            shown = show(kind, value)
            if shown is not None:
                return shown
    if "application/json" in data:
        return _text(json.dumps(data["application/json"], indent=1, ensure_ascii=False), "stdout")
    return _note(f"{', '.join(data) or 'nothing'}: not shown here")


def _picture(kind: str, value: str) -> Node | None:
    try:
        content = base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    return node("img", src=f"data:{kind};base64,{base64.b64encode(content).decode()}", alt=kind)


def _drawing(_kind: str, value: str) -> Node:
    """As a picture, SVG runs no script and loads nothing."""
    encoded = base64.b64encode(value.encode("utf-8", "replace")).decode()
    return node("img", src=f"data:image/svg+xml;base64,{encoded}", alt="drawing")


def _frame(_kind: str, value: str) -> Node:
    """In a frame that may do nothing: no script, no form, no link out of it, nothing loaded."""
    head = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"><style>{_FRAMED}</style>'
    rows = len(re.findall(r"<tr\b", value)) or len(re.findall(r"<(?:p|div|li|h\d|br)\b", value))
    height = min(600, 50 + 25 * rows)
    return node(
        "iframe", sandbox="", srcdoc=head + printable(value), style=f"height:{height}px", title="HTML output"
    )


def _plain(_kind: str, value: str) -> Node:
    return _text(value, "stdout")


_FRAMED = """body{font:13px sans-serif;margin:4px}table{border-collapse:collapse}
td,th{padding:2px 8px;text-align:right}tr{height:20px}"""
_FORMS: dict[str, Callable[[str, str], Node | None]] = {
    **dict.fromkeys(_PICTURES, _picture),
    "image/svg+xml": _drawing,
    "text/html": _frame,
    "text/markdown": _plain,
    "text/latex": _plain,
    "text/plain": _plain,
}


def _text(text: str, kind: str) -> Node:
    plain = _COLOURS.sub("", text)
    if len(plain) > LONGEST_TEXT:
        cut = f"{plain[:LONGEST_TEXT]}\n… {size(len(plain) - LONGEST_TEXT)} more"
        return node("pre", cut, class_=kind)
    return node("pre", plain, class_=kind)


def _note(text: str) -> Node:
    return node("p", f"({text})", class_="note")
