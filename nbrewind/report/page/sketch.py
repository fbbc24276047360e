"""Which cell reads what which other cell left: a drawing with one row a cell, and an arc for each dependency."""

from __future__ import annotations

from collections.abc import Sequence

from nbrewind.plan.graph import connect, recorded
from nbrewind.record.model import CellRun
from nbrewind.report.page.tree import Node, node

ROW = 22
_WIDEST = 220
_TEXT = 560
_MOST_NAMES = 8


def sketch(cells: Sequence[CellRun], titles: Sequence[str]) -> Node | None:
    """The drawing.

    Parameters
    ----------
    cells
        Of one run, in order.
    titles
        What stands beside each.
    """
    found = connect(map(recorded, cells)).arrows
    if not found:
        return None
    longest = max(arc.reader - arc.maker for arc in found)
    left = 30 + min(_WIDEST, 14 * longest)
    height = ROW * len(cells) + 8
    drawing = node(
        "svg", xmlns="http://www.w3.org/2000/svg", width=str(left + _TEXT), height=str(height),
        viewBox=f"0 0 {left + _TEXT} {height}", role="img",
    )  # fmt: skip
    for arc in found:
        names = ", ".join(map(str, arc.items[:_MOST_NAMES])) + (" …" if len(arc.items) > _MOST_NAMES else "")
        top, bottom = _middle(arc.maker), _middle(arc.reader)
        out = left - 8 - min(_WIDEST, 14 * (arc.reader - arc.maker))
        path = f"M{left - 6} {top} C{out} {top} {out} {bottom} {left - 6} {bottom}"
        told = node("title", f"{titles[arc.maker]} → {titles[arc.reader]}: {names}")
        drawing.append(node("path", told, d=path, class_="arc"))
    for place, (cell, title) in enumerate(zip(cells, titles, strict=True)):
        middle = _middle(place)
        dot = node("circle", cx=str(left), cy=str(middle), r="5", class_=f"dot {cell.action}")
        text = node("text", title, x=str(left + 12), y=str(middle + 4))
        drawing.append(node("a", dot, text, href=f"#cell-{place}"))
    return drawing


def _middle(place: int) -> int:
    return ROW * place + ROW // 2 + 2
