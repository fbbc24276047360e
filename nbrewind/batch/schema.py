"""The JSON Schema of site files, for editors, and their reference for people; both from the model's own words."""

from __future__ import annotations

import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import attrs

from nbrewind.batch.model import Site
from nbrewind.batch.units import MEMORY_PATTERN, TIME_PATTERN, Megabytes, Seconds, clock, memory_text

Schema = dict[str, Any]
IDENTIFIER = "https://json-schema.org/draft/2020-12/schema"


def schema() -> Schema:
    """Return the JSON Schema (draft 2020-12) of a site file."""
    title = {"title": "A site of nbrewind"}
    return {"$schema": IDENTIFIER, **title, **_table(Site)}


def _table(kind: Any) -> Schema:
    hints = get_type_hints(kind)
    fields = attrs.fields(kind)
    properties = {each.name: _key(each, hints[each.name]) for each in fields}
    # a file that extends another may leave out what that one says: nothing but names of queues is required
    required = [each.name for each in fields if each.default is attrs.NOTHING and kind.__name__ == "Queue"]
    made = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**made, "required": required} if required else made


def _key(each: Any, kind: Any) -> Schema:
    made = _kind(kind)
    made["description"] = each.metadata["doc"]
    if (default := _default(each, kind)) is not None:
        made["default"] = default
    if each.metadata["examples"]:
        made["examples"] = each.metadata["examples"]
    if "minimum" in each.metadata:
        made["minimum"] = each.metadata["minimum"]
    return made


def _kind(kind: Any) -> Schema:
    if kind is Megabytes:
        return {"type": "string", "pattern": MEMORY_PATTERN}
    if kind is Seconds:
        return {"type": "string", "pattern": TIME_PATTERN}
    if get_origin(kind) in (Union, types.UnionType):
        return _kind(next(each for each in get_args(kind) if each is not type(None)))
    if get_origin(kind) is Literal:
        return {"enum": list(get_args(kind))}
    if get_origin(kind) is list:
        return {"type": "array", "items": _kind(get_args(kind)[0])}
    if get_origin(kind) is dict:
        return {"type": "object", "additionalProperties": _kind(get_args(kind)[1])}
    if attrs.has(kind):
        return _table(kind)
    return {"type": {str: "string", int: "integer", bool: "boolean"}[kind]}


def _default(each: Any, kind: Any) -> Any:
    if each.default is attrs.NOTHING or attrs.has(kind):
        return None
    value = each.default.factory() if isinstance(each.default, attrs.Factory) else each.default  # type: ignore[arg-type]
    return clock(value) if kind is Seconds and value else value


def table(site: Site, *, full: bool = False) -> dict[str, Any]:
    """Return a site as the tables of a file: what is not the default, or everything."""
    return {name: body for name, body in _body(site, full).items() if full or body}


def _body(value: Any, full: bool) -> dict[str, Any]:
    hints = get_type_hints(type(value))
    found = {}
    for each in attrs.fields(type(value)):
        given = getattr(value, each.name)
        if given is None or (not full and not attrs.has(type(given)) and given == _plain_default(each)):
            continue
        found[each.name] = _written(given, hints[each.name], full)
    return found


def _plain_default(each: Any) -> Any:
    return each.default.factory() if isinstance(each.default, attrs.Factory) else each.default  # type: ignore[arg-type]


def _written(value: Any, kind: Any, full: bool) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        kind = next(each for each in get_args(kind) if each is not type(None))
    if kind is Megabytes:
        return memory_text(value)
    if kind is Seconds:
        return clock(value)
    if attrs.has(type(value)):
        return _body(value, full)
    if isinstance(value, list):
        return [_written(item, get_args(kind)[0], full) for item in value]
    return value


def reference() -> str:
    """Return the reference of site files as Markdown, a table for each section."""
    parts = []
    hints = get_type_hints(Site)
    for section in attrs.fields(Site):
        parts.append(f"## `[{section.name}]`\n\n{_rows(hints[section.name])}")
        for each, kind in get_type_hints(hints[section.name]).items():
            if get_origin(kind) is list and attrs.has(get_args(kind)[0]):
                inner = get_args(kind)[0]
                parts.append(f"## `[[{section.name}.{each}]]`\n\n{_about(inner)}\n\n{_rows(inner)}")
    return "\n\n".join(parts) + "\n"


def _about(kind: Any) -> str:
    text: str = kind.__doc__ or ""
    first, _, rest = text.strip().partition("\n\n")
    return " ".join((rest or first).split())


def _rows(kind: Any) -> str:
    hints = get_type_hints(kind)
    rows = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for each in attrs.fields(kind):
        made = _key(each, hints[each.name])
        default = "required" if each.default is attrs.NOTHING else _cell(made.get("default"))
        doc = each.metadata["doc"].replace("|", "\\|")
        examples = ", ".join(_cell(value) for value in each.metadata["examples"])
        rows.append(
            f"| `{each.name}` | {_named(made)} | {default} | {doc}{f' For example {examples}.' if examples else ''} |"
        )
    return "\n".join(rows)


def _cell(value: Any) -> str:
    if value in (None, "", [], {}):
        return ""
    text = (
        str(value).lower()
        if isinstance(value, bool)
        else str(value)
        if isinstance(value, int)
        else _toml(value)
    )
    return f"`{text}`"


def _toml(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_toml(each) for each in value)}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _named(made: Schema) -> str:
    if "enum" in made:
        return ", ".join(f"`{each}`" for each in made["enum"])
    if made.get("pattern") == MEMORY_PATTERN:
        return "memory"
    if made.get("pattern") == TIME_PATTERN:
        return "time"
    if made["type"] == "array":
        return f"list of {_named(made['items'])}" if made["items"]["type"] != "object" else "tables"
    return {"string": "text", "integer": "number", "boolean": "true or false", "object": "table"}[
        made["type"]
    ]
