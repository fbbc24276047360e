"""What every page stands in: the policy that lets it load nothing, its style, who made it."""

from __future__ import annotations

from nbrewind import __version__
from nbrewind.report.page.outputs import POLICY
from nbrewind.report.page.style import STYLE
from nbrewind.report.page.tree import Node, node, write


def framed(title: str, *content: Node | None) -> str:
    """A whole page, as text."""
    head = node(
        "head",
        node("meta", charset="utf-8"),
        node("meta", http_equiv="Content-Security-Policy", content=POLICY),
        node("meta", name="viewport", content="width=device-width"),
        node("title", title),
        node("style", STYLE),
    )
    body = node("body", *content, node("footer", f"made by nbrewind {__version__}"))
    return "<!DOCTYPE html>\n" + write(node("html", head, body, lang="en")) + "\n"
