"""Elements of a page."""

from __future__ import annotations

import re
from html import escape
from xml.etree import ElementTree

Node = ElementTree.Element
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def printable(text: str) -> str:
    """A text without the characters that no HTML document may hold."""
    return _UNPRINTABLE.sub("�", text)


def node(tag: str, *content: Node | str | None, **attributes: str) -> Node:
    """An element; texts and elements follow each other as given, and nothing in them is markup.

    A trailing underscore of an attribute's name is left out, other underscores become hyphens.

    >>> write(node("p", "1 < 2 ", node("b", "yes"), class_="x"))
    '<p class="x">1 &lt; 2 <b>yes</b></p>'
    """
    named = {name.rstrip("_").replace("_", "-"): printable(value) for name, value in attributes.items()}
    made = ElementTree.Element(tag, named)
    last: Node | None = None
    for part in content:
        if isinstance(part, str):
            text = printable(part)
            if last is None:
                made.text = (made.text or "") + text
            else:
                last.tail = (last.tail or "") + text
        elif part is not None:
            made.append(part)
            last = part
    return made


def table(titles: tuple[str, ...], rows: list[tuple[Node | str, ...]]) -> Node | None:
    """A table, nothing where it would be empty."""
    if not rows:
        return None
    head = node("tr", *(node("th", title) for title in titles))
    return node("table", head, *(node("tr", *(node("td", cell) for cell in row)) for row in rows))


def folded(title: str, *content: Node | None) -> Node | None:
    """Something that opens when one clicks on its title, nothing where there is nothing."""
    present = [part for part in content if part is not None]
    return node("details", node("summary", title), *present) if present else None


def write(element: Node) -> str:
    """An element as HTML, every character with a meaning escaped; the text of a style element stands as it is."""
    parts: list[str] = []
    _write(element, parts)
    return "".join(parts)


def _write(element: Node, parts: list[str]) -> None:
    attributes = "".join(f' {name}="{escape(value)}"' for name, value in element.items())
    parts.append(f"<{element.tag}{attributes}>")
    if element.tag in _EMPTY:
        return
    text = element.text or ""
    parts.append(
        text if element.tag == "style" else ("\n" * (element.tag == "pre") + escape(text, quote=False))
    )
    for child in element:
        _write(child, parts)
        parts.append(escape(child.tail or "", quote=False))
    parts.append(f"</{element.tag}>")


_EMPTY = frozenset({"meta", "img", "br"})
