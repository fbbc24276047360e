"""Making a container of a notebook and its record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from attrs import field, frozen
from blake3 import blake3

import nbrewind
from nbrewind.container import inputs, notebook, software
from nbrewind.container.crate import CRATE, crate
from nbrewind.container.deeds import deeds_of
from nbrewind.container.inputs import Data
from nbrewind.container.manifest import (
    Base,
    Manifest,
    Member,
    Reference,
    RunSummary,
    check,
    digest_of,
    record_of,
)
from nbrewind.container.prov import PROV, provenance
from nbrewind.container.storing import Item, Target, finish, store
from nbrewind.errors import UsageError
from nbrewind.record.model import CellRun, Run
from nbrewind.record.portion import Chooser, Portion, States, Tasks
from nbrewind.record.store import Record


@frozen
class Choice:
    """What goes in.

    Parameters
    ----------
    state
        Saved values: of ``all`` runs, as far as the last good run is restored from them (``needed``), or ``none``.
    tasks
        Results of tasks: ``all``, those that the last good run used (``reused``), or ``none``.
    data
        Files that were read: all (``include``), small ones (``auto``), or none (``reference``).
    since
        Leave out what was there after this run; empty: nothing.
    url
        Where the container is going to be found; written into the notebook.
    bag
        Make it a bag (RFC 8493) around the container.
    prov
        Put the last run's provenance in as PROV-JSON.
    """

    state: States = "needed"
    tasks: Tasks = "all"
    data: Data = "auto"
    since: str = ""
    url: str = ""
    bag: bool = False
    prov: bool = False


@frozen
class Prepared:
    """A container that is ready to be written.

    Parameters
    ----------
    items
        Its members but for the notebook, in order.
    plain
        The notebook's JSON, with outputs.
    runs, references, base
        See `Manifest`.
    seen
        Digests that the files had when they were last read by a run, by member.
    """

    name: str
    items: tuple[Item, ...]
    plain: dict[str, Any]
    last: Run
    runs: tuple[RunSummary, ...]
    references: tuple[Reference, ...]
    base: Base | None = None
    seen: Mapping[str, str] = field(factory=dict)

    @property
    def sizes(self) -> dict[str, tuple[int, int]]:
        """Number and bytes of the files of each kind, for a preview."""
        found: dict[str, tuple[int, int]] = {}
        for item in self.items:
            kind = _kind(item)
            number, size = found.get(kind, (0, 0))
            found[kind] = number + 1, size + item.size
        found["notebook"] = 1, len(notebook.encode(self.plain))
        return found

    @property
    def size(self) -> int:
        """Bytes of all, but for what names and describes them."""
        return sum(size for _, size in self.sizes.values())


_PARTS = {"runs": "runs", "objects": "large results and files", "checkpoints": "saved values"}


def _kind(item: Item) -> str:
    if item.role == "record":
        return _PARTS.get(item.path.split("/")[1], "runs")
    return {"data": "data", "code": "modules"}.get(item.role, "descriptions")


@contextmanager
def prepared(record: Record, path: Path, choice: Choice) -> Iterator[Prepared]:
    """Choose what goes into the container of a notebook.

    Parameters
    ----------
    record
        Its record.
    path
        The notebook.

    Raises
    ------
    UsageError
        The record has no run of it, or not the one that `choice` names.
    NotebookError
        It is no notebook.
    """
    plain = notebook.read_plain(path)
    runs = [run for run in record.runs() if run.notebook == path.name]
    if not runs:
        raise UsageError(f"{record.folder} has no run of {path.name}; run `nbrewind audit {path.name}` first")
    last = next((run for run in reversed(runs) if run.status == "ok"), runs[-1])
    with record.steady(), TemporaryDirectory(prefix="nbrewind-pack-") as scratch:
        yield _Packing(record, path, choice, runs, last, Path(scratch)).prepare(plain)


class _Packing:
    def __init__(
        self, record: Record, path: Path, choice: Choice, runs: list[Run], last: Run, scratch: Path
    ) -> None:
        self._record, self._path, self._choice = record, path, choice
        self._runs, self._last = runs, last
        self._folder = record_of(path.name)
        self._chooser: Chooser = record.chooser(scratch)

    def prepare(self, plain: dict[str, Any]) -> Prepared:
        newest_first = [run.id for run in reversed(self._runs)]
        found = notebook.last_runs(self._record, newest_first, plain)
        notebook.with_outputs(self._record, plain, found)
        items, references, seen = self._chosen(self._runs, self._last)
        notebook.link(plain, self._path.name, self._last.id, digest_of(b""), self._choice.url)  # for its size
        items += self._descriptions(plain, items)
        base = None
        if self._choice.since:
            base, items = self._apart(items)
        return Prepared(
            self._path.name,
            tuple(sorted(items, key=lambda item: item.path)),
            plain,
            self._last,
            tuple(summary(run, self._record.cells(run.id)) for run in self._runs),
            references,
            base,
            seen,
        )

    def _chosen(self, runs: list[Run], last: Run) -> tuple[list[Item], tuple[Reference, ...], dict[str, str]]:
        choice = self._choice
        portion = self._chooser.portion(
            [run.id for run in runs], last=last.id, state=choice.state, tasks=choice.tasks
        )
        wanted = inputs.inputs_of(self._record, [last.id], tasks=choice.tasks != "none")
        carried = inputs.carry(wanted, self._path.parent, choice.data)
        seen = {one.path[2:]: one.digest for one in wanted if one.path.startswith("./")}
        return [*self._of_record(portion), *carried.items], carried.references, seen

    def _descriptions(self, plain: dict[str, Any], items: list[Item]) -> list[Item]:
        """What others read: the crate, what the notebook needs to run, provenance."""
        taken = {seen.path for seen in inputs.inputs_of(self._record, [self._last.id])}
        deeds = deeds_of(self._record, self._last, taken)
        own = inputs.beside(self._path.parent)
        there = {item.path for item in [*items, *own]}
        made = [item for item in own if item.path not in {each.path for each in items}]
        made += [
            Item.of_bytes(name, "about", content)
            for name, content in software.files(deeds).items()
            if name not in there
        ]
        if self._choice.prov:
            made.append(Item.of_bytes(PROV, "about", provenance(deeds)))
        return [*made, Item.of_bytes(CRATE, "about", crate(deeds, plain, [*items, *made]))]

    def _of_record(self, portion: Portion) -> Iterator[Item]:
        yield Item.of_bytes(f"{self._folder}/record.json", "record", portion.about)
        for part in portion.parts:
            yield Item(f"{self._folder}/{part.path}", "record", part.source, part.size)

    def _apart(self, items: list[Item]) -> tuple[Base, list[Item]]:
        """What a container that was packed after an earlier run has, and what it has not."""
        run = self._record.run(self._choice.since)
        before = self._runs[: [each.id for each in self._runs].index(run.id) + 1]
        if len(before) == len(self._runs):
            raise UsageError(f"--since {run.id}: there is no later run of {self._path.name}")
        old = {item.path: item.size for item in self._chosen(before, run)[0]}
        about = f"{self._folder}/record.json"
        here = [item for item in items if item.path == about or old.get(item.path) != item.size]
        new = {item.path for item in here}
        there = [_looked_at(item) for item in items if item.path not in new]
        return Base(run.id, tuple(there)), here


def _looked_at(item: Item) -> Member:
    hasher = blake3()
    for piece in item.pieces():
        hasher.update(piece)
    return Member(item.path, item.size, "blake3:" + hasher.hexdigest(), item.role, item.executable)


def summary(run: Run, cells: Iterable[CellRun]) -> RunSummary:
    """A run in few words; tasks of restored cells did not run."""
    actions: dict[str, int] = {}
    tasks = {"reused": 0, "submitted": 0, "failed": 0}
    for cell in cells:
        actions[cell.action] = actions.get(cell.action, 0) + 1
        if cell.action != "restored":
            for name in tasks:
                tasks[name] += getattr(cell.tasks, name)
    return RunSummary(
        run.id, run.kind, run.started, run.ended, run.status, run.user, run.host, run.site, run.python,
        dict(sorted(actions.items())), tasks,
    )  # fmt: skip


Sign = Callable[[bytes], bytes]


def write(prepared: Prepared, place: Target, choice: Choice, sign: Sign | None = None) -> Manifest:
    """Write a container.

    Parameters
    ----------
    sign
        Makes a signature of the manifest's bytes.

    Returns
    -------
    Manifest
        What was written.
    """
    prefix = "data/" if choice.bag else ""
    members, sums = [], {}
    for member, sha in store(prepared.items, place, prefix):
        members.append(member)
        sums[member.path] = sha
    base = prepared.base.members if prepared.base else ()
    contents = notebook.contents_digest([*members, *base], prepared.name)
    notebook.link(prepared.plain, prepared.name, prepared.last.id, contents, choice.url)
    last = Item.of_bytes(prepared.name, "notebook", notebook.encode(prepared.plain))
    for member, sha in store([last], place, prefix):
        members.append(member)
        sums[member.path] = sha
    manifest = Manifest(
        nbrewind.__version__,
        prepared.name,
        record_of(prepared.name),
        tuple(sorted(members, key=lambda member: member.path)),
        prepared.runs,
        prepared.references,
        prepared.base,
    )
    check(manifest, prepared.name)
    finish(place, manifest, sign(manifest.encode()) if sign else b"", sums if choice.bag else {})
    return manifest


def changed(manifest: Manifest, seen: Mapping[str, str]) -> list[str]:
    """Files in a container that are no longer what the runs read."""
    now = {member.path: "b3:" + member.digest[7:47] for member in manifest.everything()}
    return sorted(path for path, digest in seen.items() if now.get(path, digest) != digest)
