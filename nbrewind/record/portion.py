"""The part of a record that some runs need, as files that make a record of their own elsewhere.

Logs of these runs go along as they are, unless entries are to be left out; what later runs need of other logs is
gathered in a pack, as garbage collection does. The same record always gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Literal

from attrs import frozen
from blake3 import blake3

import nbrewind
from nbrewind.record import log as logs
from nbrewind.record.catalog import Catalog
from nbrewind.record.digests import digest_file
from nbrewind.record.encoding import from_json, to_json
from nbrewind.record.entries import blob_digest, log_number, used_keys
from nbrewind.record.layout import SCHEMA
from nbrewind.record.log import LogWriter
from nbrewind.record.marks import Holdings, Marks, Place, Wanted, mark_of

States = Literal["all", "needed", "none"]
Tasks = Literal["all", "reused", "none"]


@frozen
class Part:
    """One file: its place in the record's folder, where its bytes are now, and how many of them count."""

    path: str
    source: Path
    size: int


@frozen
class Portion:
    """`parts` but for ``record.json``, which is `about`; everything in it came from somewhere else."""

    about: bytes
    parts: tuple[Part, ...]


class Chooser:
    """Works out portions of one record.

    Parameters
    ----------
    folder, catalog
        The record.
    scratch
        An empty folder for logs that must be written anew; it stays as long as the portion is used.
    """

    def __init__(self, folder: Path, catalog: Catalog, scratch: Path) -> None:
        self._folder, self._catalog, self._scratch = folder, catalog, scratch
        self._holdings = Holdings(folder, catalog)

    def portion(self, runs: Collection[str], *, last: str, state: States, tasks: Tasks) -> Portion:
        """What these runs need.

        Parameters
        ----------
        runs
            Their ids.
        last
            The run whose values and tasks count as needed.
        state
            Saved values: of ``all`` runs, as far as the last is restored from them (``needed``), or ``none``.
        tasks
            Results of tasks: ``all``, those that the last run used (``reused``), or ``none``.
        """
        numbers = {log_number(f"{run}.log"): f"{run}.log" for run in sorted(runs)}
        wanted = self._wanted(log_number(f"{last}.log"), tasks)
        marks = Marks(self._catalog, self._holdings)
        for number in numbers:
            marks.keep_run(number, wanted)
        parts = [self._log(number, name, tasks, marks, wanted) for number, name in numbers.items()]
        parts += self._pack(marks.carried())
        parts += [
            Part(f"objects/{path.parent.name}/{path.name}", path, size)
            for mark, (path, size) in self._holdings.objects.items()
            if mark in marks.live
        ]
        parts += [
            Part(f"checkpoints/{name}", self._folder / "checkpoints" / name, self._holdings.checkpoints[name])
            for name in self._checkpoints(marks, log_number(f"{last}.log"), state)
        ]
        parts.sort(key=lambda part: part.path)
        foreign = sorted(part.path.removeprefix("runs/") for part in parts if part.path.startswith("runs/"))
        return Portion(_about(foreign), tuple(parts))

    def _wanted(self, last: int, tasks: Tasks) -> Wanted:
        if tasks == "all":
            return lambda frame: True
        if tasks == "none":
            return lambda frame: frame.kind not in (logs.TASK, logs.USED)
        keys: set[str] = set()
        for frame in self._catalog.shelf.frames(last):
            if frame.kind == logs.USED:
                keys.update(used_keys(frame.payload))
            elif frame.kind == logs.TASK:
                keys.add(str(from_json(frame.payload)["key"]))
        return lambda frame: frame.kind != logs.TASK or from_json(frame.payload)["key"] in keys

    def _checkpoints(self, marks: Marks, last: int, state: States) -> Iterable[str]:
        if state == "none":
            return ()
        if state == "all":
            return sorted(marks.files)
        needed = Marks(self._catalog, self._holdings)
        needed.keep_run(last, lambda frame: frame.kind == logs.CELL)
        return sorted(needed.files)

    def _log(self, number: int, name: str, tasks: Tasks, marks: Marks, wanted: Wanted) -> Part:
        path = self._catalog.shelf.path(number)
        if tasks == "all":
            return Part(f"runs/{name}", path, marks.logs[number])
        writer = LogWriter(self._scratch / name, _salt(name.encode(), digest_file(path).encode()))
        try:
            for frame in self._catalog.shelf.frames(number):
                content = frame.kind in logs.CONTENT
                if not (mark_of(blob_digest(frame.payload)) in marks.live if content else wanted(frame)):
                    continue
                payload = self._catalog.read(number, frame.offset, frame.kind) if content else frame.payload
                if payload is not None:
                    writer.append(frame.kind, payload)
            return Part(f"runs/{name}", writer.path, writer.end)
        finally:
            writer.close()

    def _pack(self, carried: dict[Place, bytes]) -> list[Part]:
        """What the runs need of logs that do not go along."""
        found: list[tuple[bytes, bytes]] = []
        hasher = blake3()
        for place in sorted(carried, key=lambda one: (self._catalog.shelf.name(one.log), one.offset)):
            payload = self._catalog.read(place.log, place.offset, carried[place])
            if payload is not None:
                hasher.update(payload)
                found.append((carried[place], payload))
        if not found:
            return []
        name = f"pack-{hasher.hexdigest(10)}.log"
        writer = LogWriter(self._scratch / name, _salt(hasher.digest()))
        try:
            writer.append(logs.PACK, to_json({"created": 0.0}))
            for kind, payload in found:
                writer.append(kind, payload)
            return [Part(f"runs/{name}", writer.path, writer.end)]
        finally:
            writer.close()


def _salt(*parts: bytes) -> bytes:
    """The same for the same content; nobody can put content in the log that knows it."""
    return blake3(b"\0".join(parts)).digest(8)


def _about(names: list[str]) -> bytes:
    """``record.json`` of a record whose logs somebody else wrote."""
    about = {"schema": SCHEMA, "created": 0.0, "nbrewind": nbrewind.__version__, "foreign": {"logs": names}}
    return json.dumps(about, indent=1).encode() + b"\n"
