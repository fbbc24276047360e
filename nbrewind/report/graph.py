"""The graph of a notebook's cells: as a table, as Mermaid, as Graphviz' dot, as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from nbrewind.plan.graph import Arrow, Graph, Item, Part
from nbrewind.report.words import printable, seconds, several

_WIDEST = 44
_MOST_ITEMS = 6
_JOBS = (2, 4)
_WORTH = 1.05


def name_of(part: Part, place: int) -> str:
    """A cell in a few characters: its index in the notebook, else its place."""
    return str(place if part.index is None else part.index)


def _title(part: Part) -> str:
    title = printable(part.title)
    return title if len(title) <= _WIDEST else title[: _WIDEST - 1] + "…"


def _items(items: Iterable[Item]) -> str:
    names = [printable(str(item)) for item in items]
    return ", ".join(names[:_MOST_ITEMS]) + (f", … {len(names)} in all" if len(names) > _MOST_ITEMS else "")


def as_text(graph: Graph) -> list[RenderableType]:
    """A table with one row a cell, and what the graph means for running cells side by side."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("cell", justify="right")
    table.add_column("level", justify="right")
    table.add_column("time", justify="right")
    table.add_column("code", no_wrap=True)
    table.add_column("reads, of which cell")
    critical = set(graph.critical)
    for place, part in enumerate(graph.parts):
        needs = " · ".join(
            f"{name_of(graph.parts[arrow.maker], arrow.maker)}: {_items(arrow.items)}"
            for arrow in sorted(graph.arrows, key=lambda one: one.maker)
            if arrow.reader == place
        )
        mark = "" if part.level == "recorded" else " (predicted)" if needs else "(predicted)"
        table.add_row(
            name_of(part, place),
            f"{graph.levels[place]}{'*' if place in critical else ''}",
            seconds(part.seconds),
            Text(_title(part)),
            Text(needs + (f" [any variable: {part.everything}]" if part.everything else "") + mark),
        )
    return [table, *map(Text, sentences(graph))]


def sentences(graph: Graph) -> list[str]:
    """Depth, longest chain, the bound on what parallel cells can gain, and what it costs to keep an order."""
    chain = " → ".join(name_of(graph.parts[place], place) for place in graph.critical)
    found = [
        f"{several(len(graph.parts), 'cell')}, {several(len(graph.arrows), 'arrow')}, "
        f"{graph.depth} deep" + (f"; {seconds(graph.seconds)} one after the other" if graph.seconds else ""),
    ]
    unknown = sum(part.seconds is None for part in graph.parts)
    if unknown:
        found.append(
            f"the times of {several(unknown, 'cell')} are not known: they have not run as they are now"
        )
    if graph.seconds > 0:
        bounds = ", ".join(f"{graph.bound(jobs):.2f} with {jobs} at a time" for jobs in _JOBS)
        found.append(f"* the longest chain: {chain}, {seconds(graph.critical_seconds)}")
        found.append(
            f"at best {graph.bound():.2f} times as fast with all that can run side by side ({bounds})"
        )
    found += _costly(graph)
    return found


def _costly(graph: Graph) -> list[str]:
    """Ambient state and files whose order keeps cells apart that have nothing else to do with each other."""
    items = {item for arrow in graph.arrows for item in arrow.items if item.kind != "variable"}
    rows: list[tuple[float, str]] = []
    for item in sorted(items):
        gain = graph.without(item).bound()
        if gain > graph.bound() * _WORTH:
            cells = sorted({place for a in graph.arrows if item in a.items for place in (a.maker, a.reader)})
            names = ", ".join(name_of(graph.parts[place], place) for place in cells)
            rows.append((gain, f"{_advice(item)} would allow {gain:.2f} (cells {names})"))
    return [text for _, text in sorted(rows, reverse=True)]


def _advice(item: Item) -> str:
    name = printable(str(item))
    if item.kind == "file":
        return f"a file of its own for each cell in place of {name}"
    if "random" in name or "generator" in name:
        return f"a generator of its own for each cell in place of {name}"
    return f"cells that do not depend on {name}"


def as_mermaid(graph: Graph) -> str:
    """A Mermaid flow chart, as Markdown in Jupyter and on GitHub shows; what is no variable goes along dotted lines."""
    lines = ["flowchart TD"]
    for place, part in enumerate(graph.parts):
        text = _mermaid(f"{name_of(part, place)}: {_title(part)}" + _time(part))
        lines.append(f'  c{place}("{text}")' if part.level == "predicted" else f'  c{place}["{text}"]')
    for arrow in graph.arrows:
        line = "-->" if _has_variables(arrow) else "-.->"
        lines.append(f'  c{arrow.maker} {line}|"{_mermaid(_items(arrow.items))}"| c{arrow.reader}')
    lines += [f"  style c{place} stroke-width:3px" for place in graph.critical]
    return "\n".join(lines) + "\n"


def _mermaid(text: str) -> str:
    return "".join(
        char if char.isalnum() or char in " _.,:/=-*·…()[]+" else f"#{ord(char)};" for char in text
    )


def as_dot(graph: Graph) -> str:
    """Graphviz: ``dot -Tsvg``."""
    lines = [
        "digraph notebook {",
        '  node [shape=box, fontname="monospace", fontsize=10];',
        "  edge [fontsize=9];",
    ]
    critical = set(graph.critical)
    for place, part in enumerate(graph.parts):
        style = ["rounded"] * (part.level == "predicted") + ["bold"] * (place in critical)
        text = _dot(f"{name_of(part, place)}: {_title(part)}" + _time(part))
        lines.append(f'  c{place} [label="{text}"' + (f', style="{",".join(style)}"];' if style else "];"))
    for arrow in graph.arrows:
        dashed = "" if _has_variables(arrow) else ", style=dashed"
        lines.append(f'  c{arrow.maker} -> c{arrow.reader} [label="{_dot(_items(arrow.items))}"{dashed}];')
    return "\n".join([*lines, "}"]) + "\n"


def _dot(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _time(part: Part) -> str:
    return "" if part.seconds is None else f" ({seconds(part.seconds)})"


def _has_variables(arrow: Arrow) -> bool:
    return any(item.kind == "variable" for item in arrow.items)


def as_json(graph: Graph) -> dict[str, Any]:
    """In the published form, schema 1."""
    return {
        "schema": 1,
        "cells": [
            {
                "place": place,
                "index": part.index,
                "id": part.cell_id,
                "level": part.level,
                "depth": graph.levels[place],
                "seconds": part.seconds,
                "title": part.title,
                "everything": part.everything,
                "reads": items_as_json(part.reads),
                "leaves": items_as_json(part.leaves),
            }
            for place, part in enumerate(graph.parts)
        ],
        "arrows": [
            {"from": arrow.maker, "to": arrow.reader, "items": items_as_json(arrow.items)}
            for arrow in graph.arrows
        ],
        "depth": graph.depth,
        "seconds": graph.seconds,
        "critical": list(graph.critical),
        "critical_seconds": graph.critical_seconds,
        "bound": {**{str(jobs): graph.bound(jobs) for jobs in _JOBS}, "unlimited": graph.bound()},
    }


def items_as_json(items: Sequence[Item]) -> list[dict[str, str]]:
    """Items as objects with ``kind`` and ``name``."""
    return [{"kind": item.kind, "name": item.name} for item in items]
