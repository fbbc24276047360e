"""What a task was seen to use on its worker: files that count as inputs, and the environment that it ran in."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from nbrewind.cells.paths import Paths
from nbrewind.record.digests import FileStamp, digest_text
from nbrewind.record.model import Digest, Evidence
from nbrewind.tasks.environments import Trouble, trouble_in
from nbrewind.tasks.remote import files as remote_files

_PATH = re.compile(r"(?<![\w.\-+@/:~])~?/[^\s'\"`;|&<>()=,:*?\\$]+")


@frozen
class Seen:
    """What one task used.

    Parameters
    ----------
    inputs
        Files and folders outside its sandbox, as it found or left them.
    reads, writes
        Paths of the files among them.
    environment
        The environment, as JSON; equal environments have equal texts.
    hidden
        A file that cannot be looked at from here, so that nothing can be said next time.
    blind
        The worker could not tell what the task opened.
    trouble
        Why the worker could not run it, or that a library was missing.
    """

    inputs: tuple[Evidence, ...] = ()
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    environment: bytes = b""
    hidden: str = ""
    blind: bool = False
    trouble: Trouble | None = None


@frozen
class Report:
    """What came back from a worker, before it is compared with what is seen from here.

    `complete` tells whether the function ended while it was watched, `raised` whether it ended with an exception
    that the engine takes for a result, and `shown` how many bytes the engine's program printed after it.
    """

    reads: Mapping[str, Any] = field(factory=dict)
    writes: Mapping[str, Any] = field(factory=dict)
    folders: Mapping[str, Any] = field(factory=dict)
    exists: Mapping[str, Any] = field(factory=dict)
    environment: Mapping[str, Any] = field(factory=dict)
    trouble: Trouble | None = None
    complete: bool = False
    raised: bool = False
    shown: int = 0


def parse(data: bytes) -> Report:
    """Read a worker's report; what cannot be read says nothing."""
    try:
        found = json.loads(data)
    except ValueError:
        return Report()
    if not isinstance(found, dict) or found.get("schema") != 1:
        return Report()
    parts = {name: found.get(name) or {} for name in ("reads", "writes", "folders", "exists", "environment")}
    return Report(
        **{name: part if isinstance(part, dict) else {} for name, part in parts.items()},
        trouble=trouble_in(found),
        complete=isinstance(found.get("reads"), dict),
        raised=bool(found.get("raised")),
        shown=int(found.get("shown") or 0),
    )


class Observations:
    """Compare what tasks saw with what is seen from here, now and before the next reuse.

    Parameters
    ----------
    paths
        Symbolic paths.
    """

    def __init__(self, paths: Paths | None = None) -> None:
        self._paths = paths or Paths(Path.cwd())
        self._known: dict[str, tuple[FileStamp, Digest]] = {}

    def settle(self, report: Report) -> Seen:
        """Turn a report into evidence, if the files that it names are the same from here."""
        environment = _text(report.environment)
        if not report.complete:
            return Seen(environment=environment, blind=True, trouble=report.trouble)
        inputs: list[Evidence] = []
        for path, found in {**report.reads, **report.writes}.items():
            digest = _digest(found)
            if not self._same(path, digest):
                return Seen(environment=environment, hidden=path)
            inputs.append(Evidence("file", self._paths.symbolic(path), digest))
        for path, digest in report.folders.items():
            if remote_files.listing(path) != digest:
                return Seen(environment=environment, hidden=path)
            inputs.append(Evidence("listing", self._paths.symbolic(path), digest))
        for path, digest in report.exists.items():
            if remote_files.existence(path) != digest:
                return Seen(environment=environment, hidden=path)
            inputs.append(Evidence("exists", self._paths.symbolic(path), digest))
        reads = tuple(path for path, found in report.reads.items() if found)
        writes = tuple(path for path, found in report.writes.items() if found)
        return Seen((*inputs, *self._tied(inputs)), reads, writes, environment, trouble=report.trouble)

    def named(self, command: str) -> Seen:
        """Return the files that a command names by absolute path, as it left them."""
        found = {os.path.expanduser(each) for each in _PATH.findall(command)}
        files = sorted(path for path in found if os.path.isfile(path) and self._paths.is_data(path))
        inputs = [Evidence("file", self._paths.symbolic(path), self._present(path)) for path in files]
        return Seen((*inputs, *self._tied(inputs)), tuple(files))

    def _tied(self, inputs: Iterable[Evidence]) -> Iterator[Evidence]:
        """The places that a task reached into. In its sandbox it does not know where the notebook lies, so it was told
        in full: elsewhere it would be told, or would find, something else.
        """
        signs = {self._paths.place_of(self._paths.real(seen.name)) for seen in inputs}
        for sign in sorted(signs - {""}):
            yield Evidence("place", sign, digest_text(self._paths.place(sign)))

    def since(self, before: Seen, command: str) -> Seen:
        """Return the files that a command names, unless one that was there before it ran is another now."""
        after = self.named(command)
        now = {seen.name: seen.digest for seen in after.inputs}
        for seen in before.inputs:
            if seen.kind != "place" and now.get(seen.name) != seen.digest:
                return Seen(hidden=self._paths.real(seen.name))
        return after

    def changed(self, inputs: Iterable[Evidence]) -> str:
        """Return the first file or folder that is not as a task saw it, or nothing; `made` files are not here."""
        for seen in inputs:
            if seen.kind == "made":
                continue
            path = self._paths.real(seen.name)
            if seen.kind == "place":
                if digest_text(self._paths.place(seen.name)) != seen.digest:
                    return seen.name
            elif seen.kind == "listing":
                if remote_files.listing(path) != seen.digest:
                    return seen.name
            elif seen.kind == "exists":
                if remote_files.existence(path) != seen.digest:
                    return seen.name
            elif not self._same(path, seen.digest):
                return seen.name
        return ""

    def real(self, evidence: Evidence) -> str:
        """Return the path of a piece of evidence, here."""
        return self._paths.real(evidence.name)

    def _same(self, path: str, digest: Digest | None) -> bool:
        if digest is None:
            return not os.path.exists(path)
        try:
            return self._present(path, stat=digest.startswith("stat:")) == digest
        except OSError:
            return False

    def _present(self, path: str, *, stat: bool = False) -> Digest | None:
        stamp = FileStamp.of(path)[0]
        if stat or stamp.size > remote_files.BIG:
            return f"stat:{stamp.size}:{stamp.mtime_ns}"
        known = self._known.get(path)
        if known is not None and known[0].same_file(stamp) and known[0].settled:
            return known[1]
        digest = _digest(remote_files.describe(path))
        if digest is not None:
            self._known[path] = (stamp, digest)
        return digest


def _digest(found: Any) -> Digest | None:
    """The digest of a description by `remote_files.describe`."""
    if not found:
        return None
    size, mtime, digest = found
    return str(digest) if digest else f"stat:{size}:{mtime}"


def _text(environment: Mapping[str, Any]) -> bytes:
    return json.dumps(environment, sort_keys=True).encode() if environment else b""
