"""From the text of a site file to a `Site`, or to all that is wrong with it at once."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import attrs
from attrs import frozen
from cattrs import (
    BaseValidationError,
    ClassValidationError,
    Converter,
    ForbiddenExtraKeysError,
    IterableValidationError,
)
from cattrs.gen import make_dict_structure_fn

from nbrewind.batch import model, places
from nbrewind.batch.model import Site
from nbrewind.batch.units import Megabytes, Seconds, clock, megabytes, seconds
from nbrewind.errors import SiteFileError

Table = dict[str, Any]


@frozen
class Mistake:
    """One thing that is wrong: where in the file, at which key, and what to do about it."""

    path: places.Path
    text: str
    line: int | None = None

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line is not None else ""
        return f"{where}{dotted(self.path)}: {self.text}" if self.path else f"{where}{self.text}"


def dotted(path: places.Path) -> str:
    """Write the way to a key as in a file's header: ``scheduler.queues[2].name``."""
    text = ""
    for part in path:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def table_of(text: str, name: str) -> Table:
    """Parse TOML.

    Raises
    ------
    SiteFileError
        It is none; the message has line and column.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SiteFileError(name, [str(error)]) from error


def site_of(table: Mapping[str, Any], name: str, text: str = "", *, shared: bool = False) -> Site:
    """Build a site from parsed TOML.

    Parameters
    ----------
    table
        What the file says.
    name
        The file's name, for messages.
    text
        The file's text, for the lines of mistakes.
    shared
        Whether others read the file too: what belongs to one person is a mistake then.

    Raises
    ------
    SiteFileError
        With every mistake.
    """
    found: list[Mistake] = []
    site: Site | None = None
    try:
        site = converter().structure(table, Site)
    except ClassValidationError as error:
        found += _mistakes(error, Site, ())
    if shared:
        found += _private(table)
    if site is not None:
        found += _contradictions(site)
    if found or site is None:
        where = places.lines(text)
        placed = [attrs.evolve(each, line=places.place(where, each.path)) for each in found]
        placed.sort(key=lambda each: (each.line or 0, each.path != (), dotted(each.path)))
        raise SiteFileError(name, [str(each) for each in placed])
    return site


def read(path: Path, *, shared: bool = False) -> Site:
    """Read a site file that stands alone; see `nbrewind.batch.search` for those that extend another.

    Raises
    ------
    SiteFileError
        With every mistake, or why it cannot be read.
    """
    text = text_of(path)
    return site_of(table_of(text, str(path)), str(path), text, shared=shared)


def text_of(path: Path) -> str:
    """Return a file's text.

    Raises
    ------
    SiteFileError
        It cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SiteFileError(str(path), [f"cannot be read: {error}"]) from error


def converter() -> Converter:
    """Return what turns tables into the model's classes and back, strictly: no text is taken for a number."""
    made = Converter(detailed_validation=True, forbid_extra_keys=True)
    for kind, expected in ((str, "text in quotes"), (bool, "true or false")):
        made.register_structure_hook(kind, _exactly(kind, expected))
    made.register_structure_hook(int, _whole)
    made.register_structure_hook(Megabytes, lambda value, _: megabytes(value))
    made.register_structure_hook(Seconds, lambda value, _: seconds(value))
    made.register_structure_hook_func(
        lambda kind: _origin(kind) is list, lambda v, kind: _list(made, v, kind)
    )
    made.register_structure_hook_func(lambda kind: _origin(kind) is Literal, _one_of)
    made.register_structure_hook_factory(attrs.has, lambda kind: _table(made, kind))
    return made


def _origin(kind: Any) -> Any:
    return get_origin(kind)


def _exactly(kind: type, expected: str) -> Callable[[Any, Any], Any]:
    def check(value: Any, _: Any) -> Any:
        if type(value) is not kind:
            raise ValueError(f"{value!r} is not {expected}")
        return value

    return check


def _whole(value: Any, _: Any) -> int:
    if type(value) is not int:
        raise ValueError(f"{value!r} is not a whole number")
    return value


def _one_of(value: Any, kind: Any) -> Any:
    allowed = get_args(kind)
    if value not in allowed:
        close = difflib.get_close_matches(str(value).lower(), allowed, n=1, cutoff=0.4)
        meant = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"{value!r} is none of {', '.join(allowed)}{meant}")
    return value


def _list(made: Converter, value: Any, kind: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{value!r} is not a list: put it into [ ]")
    found, errors = [], []
    for number, each in enumerate(value):
        try:
            found.append(made.structure(each, get_args(kind)[0]))
        except (ValueError, BaseValidationError) as error:
            error.add_note(_Item(number))
            errors.append(error)
    if errors:
        raise IterableValidationError("", errors, kind)
    return found


class _Item(str):
    """The note that says which item of a list was wrong."""

    number: int

    def __new__(cls, number: int) -> _Item:
        made = super().__new__(cls, f"item {number + 1}")
        made.number = number
        return made


def _table(made: Converter, kind: Any) -> Callable[[Any, Any], Any]:
    fill = make_dict_structure_fn(
        kind, made, _cattrs_forbid_extra_keys=True, _cattrs_detailed_validation=True
    )

    def build(value: Any, target: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError(f"{value!r} is not a table")
        return fill(value, target)

    return build


def _mistakes(error: BaseException, kind: Any, path: places.Path) -> Iterator[Mistake]:
    """Walk through what cattrs found, and say each in our words."""
    if isinstance(error, IterableValidationError):
        for each in error.exceptions:
            number = next(note.number for note in each.__notes__ if isinstance(note, _Item))
            yield from _mistakes(each, get_args(kind)[0], (*path, number))
    elif isinstance(error, ClassValidationError):
        plain, others = error.group_exceptions()
        for each, note in plain:
            yield from _mistakes(each, note.type, (*path, note.name))
        for other in others:
            yield from _strays(other, kind, path)
    elif isinstance(error, KeyError):
        yield Mistake(path, "is missing")
    else:
        yield Mistake(path, str(error))


def _strays(error: BaseException, kind: Any, path: places.Path) -> Iterator[Mistake]:
    if not isinstance(error, ForbiddenExtraKeysError):
        yield Mistake(path, str(error))
        return
    for name in sorted(error.extra_fields):
        yield Mistake((*path, name), _not_a_key(name, kind, path))


def _not_a_key(name: str, kind: Any, path: places.Path) -> str:
    known = [each.name for each in attrs.fields(kind)]
    owner = f"[{dotted(path)}]" if path else "a site file"
    if close := difflib.get_close_matches(name.lower().replace("-", "_"), known, n=1):
        return f"{owner} has no such key; did you mean {close[0]!r}?"
    for table in attrs.fields(Site):
        if table.type and any(each.name == name for each in attrs.fields(table.type)):
            return f"{owner} has no such key; it belongs to [{table.name}]"
    return f"{owner} has no such key; it has {', '.join(known)}"


def _private(table: Mapping[str, Any]) -> Iterator[Mistake]:
    for section in attrs.fields(Site):
        given = table.get(section.name)
        kind: Any = section.type
        for each in attrs.fields(kind) if isinstance(given, dict) else ():
            if each.metadata.get("shared") is False and isinstance(given, dict) and given.get(each.name):
                yield Mistake(
                    (section.name, each.name),
                    f"does not belong in a file that others read: set "
                    f"NBREWIND_{each.name.upper()}, or write it to a file of your own that extends this one",
                )


def _contradictions(site: Site) -> Iterator[Mistake]:
    """What is valid key by key, and cannot be together."""
    yield from _out_of_bounds(site, ())
    if site.workers.min > site.workers.max:
        yield Mistake(("workers", "min"), f"{site.workers.min} is more than max, {site.workers.max}")
    ports = site.network.port_range
    if ports and (len(ports) != 2 or not 1024 <= ports[0] <= ports[1] <= 65535):
        yield Mistake(
            ("network", "port_range"), f"{ports} are not a first and a last port from 1024 to 65535"
        )
    if site.environment.packed and site.environment.container:
        yield Mistake(("environment", "container"), "cannot be given together with packed: choose one")
    if site.network.interface and site.network.address:
        yield Mistake(("network", "address"), "cannot be given together with interface: choose one")
    names = [queue.name for queue in site.scheduler.queues]
    for number, name in enumerate(names):
        if name in names[:number]:
            yield Mistake(("scheduler", "queues", number, "name"), f"{name!r} is listed twice")
    queue = site.scheduler.queue
    if names and queue and queue not in names:
        close = difflib.get_close_matches(queue, names, n=1)
        meant = f"; did you mean {close[0]!r}?" if close else ""
        yield Mistake(("scheduler", "queue"), f"{queue!r} is none of queues ({', '.join(names)}){meant}")
    yield from _impossible(site)


def _impossible(site: Site) -> Iterator[Mistake]:
    limit = next((each for each in site.scheduler.queues if each.name == site.scheduler.queue), None)
    time = site.scheduler.walltime
    if limit and time and limit.max_walltime and time > limit.max_walltime:
        yield Mistake(
            ("scheduler", "walltime"),
            f"{clock(time)} is more than queue {limit.name} allows, {clock(limit.max_walltime)}",
        )


def _out_of_bounds(value: Any, path: places.Path) -> Iterator[Mistake]:
    for each in attrs.fields(type(value)):
        given, here = getattr(value, each.name), (*path, each.name)
        low = each.metadata.get("minimum")
        if isinstance(given, int) and low is not None and given < low:
            yield Mistake(here, f"{given} is less than {low}")
        elif attrs.has(type(given)):
            yield from _out_of_bounds(given, here)
        elif isinstance(given, list):
            for number, item in enumerate(given):
                if attrs.has(type(item)):
                    yield from _out_of_bounds(item, (*here, number))


SECTIONS = tuple(each.name for each in attrs.fields(model.Site))
"""The tables of a site file, in the order in which they are written."""
