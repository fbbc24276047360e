"""One cell observed from beginning to end: evidence of what it read, and what it left."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen

from nbrewind.cells.ambient import Ambient, AmbientChange, EnvironmentReads
from nbrewind.cells.background import running
from nbrewind.cells.code import CellCode
from nbrewind.cells.files import FilesSeen, FilesWatch
from nbrewind.cells.imports import ImportWatch
from nbrewind.cells.modules import Modules, home_of, is_evidence
from nbrewind.cells.paths import Paths
from nbrewind.cells.states import BUILTINS, DISPLAY_STATE, SHELL_STATE, States
from nbrewind.cells.variables import Change, Variables, Versions
from nbrewind.cells.watch import NamesWatch
from nbrewind.record.digests import FileDigests, digest_bytes
from nbrewind.record.model import Covariable, Digest, Evidence
from nbrewind.state import STATE_OF
from nbrewind.state.held import HELD_OPEN

ALL_VARIABLES = "variables"
"""Name of the listing that stands for the names of all variables."""
_NOT_DATA = frozenset({".ipynb_checkpoints", "__pycache__", "vine-run-info", "workqueue-run-info"})


@frozen
class Observation:
    """What one cell read and left.

    `files` are real paths with their digests afterwards (`None`: removed). `open` says why the evidence is not all.
    """

    evidence: tuple[Evidence, ...]
    change: Change
    files: Mapping[str, Digest | None]
    ambient: AmbientChange
    open: str
    children: bool


class Observer:
    """Observes the cells of one session.

    Parameters
    ----------
    variables
        The notebook's.
    paths
        Symbolic paths, data or not.
    files
        Digests of files.
    modules, ambient, states
        Software, state of the interpreter and of libraries, what the notebook set on modules.
    """

    def __init__(
        self,
        variables: Variables,
        paths: Paths,
        files: FileDigests,
        modules: Modules,
        ambient: Ambient,
        states: States,
    ) -> None:
        self.variables = variables
        self.paths = paths
        self.files = FilesWatch(paths, files.of)
        self.modules = modules
        self.ambient = ambient
        self.states = states
        self._file_digest = files.of
        self._names = NamesWatch(variables.namespace, self.files.note_call)
        self._environment = EnvironmentReads(variables.namespace)
        self._imports = ImportWatch()
        self._before = Versions({}, {})
        self._code: CellCode | None = None
        self._beside = ""

    def install(self) -> None:
        """Hook into the interpreter, once a kernel."""
        self._names.install()
        self.files.install()
        self._environment.install()
        for name in self.ambient.homes:
            self._imports.after(name, lambda _module: self.ambient.arrived())

    def begin(self, code: CellCode, own_file: str) -> None:
        """The cell is about to run; its own statements are compiled under the name `own_file`."""
        self._code = code
        self.ambient.settle()
        self._before = self.variables.versions()
        self.variables.begin()
        self.states.begin(code)
        self._environment.start()
        self.files.start()
        self._names.start(own_file)

    def begin_again(self) -> None:
        """The notebook's state went elsewhere while the cell runs: what it left counts from here."""
        self.ambient.settle()
        self._before = self.variables.versions()
        self.variables.begin()
        self._names.start_again()

    def rest(self) -> None:
        """The cell is recorded: what runs from here until the next one is none of its doing."""
        self._beside = running(self.variables.namespace)
        self._names.rest()

    def stirred(self) -> bool:
        """Whether code of the notebook ran, or runs, since the last cell."""
        return bool(self._beside) or self._names.stirred

    @property
    def beside(self) -> str:
        """What of the notebook's code runs beside the cells, in a few words; empty if nothing does."""
        if self._beside:
            self._beside = running(self.variables.namespace)
        return self._beside

    def end(self) -> Observation:
        """The cell has run."""
        self._names.stop()
        seen = self.files.stop()
        keys = self._environment.stop()
        code = self._code
        assert code is not None, "end() without begin()"
        read = self._names_read(code) | self._states_read(code)
        changed = self.states.end(code, self.variables.digest)
        reached = read | self.variables.names() if code.history else read
        runs_on = running(self.variables.namespace)
        reached = reached | changed | (self.variables.comparable() if self._beside or runs_on else set())
        change = self.variables.settle(reached, code.names.stores | self._names.stores)
        values = self._values(read | code.names.stores)
        ambient = self._ambient_change(code, seen, values)
        read |= {
            name for made in change.touched_before for name in made.needs
        }  # also those that it then bound anew
        evidence = [
            *self._variables_seen(read, change, everything=bool(code.opens)),
            *self._files_seen(seen),
            *(Evidence("ambient", name, digest) for name, digest in sorted(ambient.reads.items())),
            *(Evidence("env", key, text_digest(value)) for key, value in sorted(keys.items())),
            *self.modules.evidence(
                {*self._names.modules, *seen.libraries}, self._values(read | code.names.stores)
            ),
        ]
        files = {path: self._file_digest(path) for path in sorted(seen.writes)}
        held = any(HELD_OPEN in made.opaque for made in change.written)
        unbounded = seen.open or (f"it works on {HELD_OPEN}" if held else "" if code.valid else code.opens)
        unbounded = unbounded or runs_on
        return Observation(tuple(dict.fromkeys(evidence)), change, files, ambient, unbounded, seen.children)

    def reachable(self, code: CellCode) -> set[str]:
        """Variables that the cell could touch, for restoring their values before it runs."""
        if code.opens:
            return set(self.variables.names())
        known = self.variables.names() | {
            name for name in self._states_named(code) if name in self.variables.names()
        }
        named = (
            self._states_named(code)
            | code.mentioned
            | code.names.deletes
            | self.variables.dependents(code.names.stores)
        )
        return self.variables.closure(named & known)

    def _states_named(self, code: CellCode) -> set[str]:
        """States outside variables that the code itself tells it may read."""
        found = {BUILTINS, *(STATE_OF + module for module in code.imports)}
        if "get_ipython" in code.names.loads:
            found.add(SHELL_STATE)
        if code.shows:
            found.add(DISPLAY_STATE)
        return found

    def _states_read(self, code: CellCode) -> set[str]:
        """Those, and of the libraries whose code ran."""
        tops = {name.partition(".")[0] for name in self._names.modules if is_evidence(name)}
        return self.variables.closure(self._states_named(code) | {STATE_OF + top for top in tops})

    def _names_read(self, code: CellCode) -> set[str]:
        """Names whose value from before the cell it may have seen."""
        if code.opens:
            return set(self._before.current) | set(code.names.loads)
        loads = code.names.loads | code.names.deletes
        quoted = code.quoted & self._before.current.keys()
        held = self.variables.closure(loads | quoted | self._names.loads)
        if self._names.observes:
            return self._names.loads | (held - code.bound_first) | quoted
        return (held - code.shielded) | quoted

    def _variables_seen(self, read: set[str], change: Change, *, everything: bool) -> Iterable[Evidence]:
        groups: dict[tuple[str, ...], tuple[Covariable, list[str]]] = {}
        for name in sorted(read):
            held = self._before.current.get(name)
            if held is not None:
                groups.setdefault(held.names, (held, []))[1].append(name)
            elif self.variables.is_own(name):
                yield Evidence("variable", name, None)
        whole = {covariable.names for covariable in change.touched_before}
        for covariable in change.touched_before:
            groups.setdefault(covariable.names, (covariable, []))
        for names, (covariable, used) in groups.items():
            if len(used) == 1 and (names not in whole or len(names) == 1):
                yield Evidence("variable", used[0], covariable.digests[used[0]])
            elif len(names) == 1:
                yield Evidence("variable", names[0], covariable.digest)
            else:
                yield Evidence("covariable", " ".join(names), covariable.digest)
        if everything:
            yield Evidence("listing", ALL_VARIABLES, names_digest(self._before.current))

    def _files_seen(self, seen: FilesSeen) -> Iterable[Evidence]:
        for path, digest in sorted(seen.reads.items()):
            yield Evidence("file", self.paths.symbolic(path), digest)
        for path, kind in sorted(seen.asked.items()):
            if path not in seen.reads:
                yield Evidence("exists", self.paths.symbolic(path), kind)
        for folder in sorted(seen.listings):
            yield Evidence("listing", self.paths.symbolic(folder), folder_digest(folder))

    def _ambient_change(self, code: CellCode, seen: FilesSeen, values: Iterable[Any]) -> AmbientChange:
        extra = ["working folder"] if seen.relative or seen.children else []
        extra += ["environment"] if seen.children else []
        extra += ["umask"] if seen.writes else []
        extra += ["IPython settings"] if code.shows else []
        extra += ["future statements"] if self.ambient.digest("future statements") != "initial" else []
        ran = {*self._names.modules, *map(home_of, values)}
        ran = {*ran, *(name.partition(".")[0] for name in ran)} - {""}
        if not self._names.observes:
            ran |= sys.modules.keys() & {"matplotlib", *self.ambient.watched}
        if _REGISTRY in self.variables.namespace or any(map(_has_warned, filter(is_evidence, ran))):
            extra += ["warnings filters"]
        return self.ambient.compare(self._names.names_used | code.words, ran, extra)

    def _values(self, names: Iterable[str]) -> list[Any]:
        return [self.variables.namespace[name] for name in names if name in self.variables.namespace]


_REGISTRY = "__warningregistry__"


def _has_warned(module: str) -> bool:
    """Whether code of a module has asked the filters about a warning; also C code that it called leaves this trace."""
    return _REGISTRY in getattr(sys.modules.get(module), "__dict__", ())


def existence(path: str) -> Digest | None:
    """``file``, ``folder`` or, where there is nothing, ``None``."""
    return "folder" if os.path.isdir(path) else "file" if os.path.exists(path) else None


def names_digest(names: Iterable[str]) -> Digest:
    """Digest of a set of names."""
    return digest_bytes("\n".join(sorted(names)).encode("utf-8", "surrogateescape"))


def folder_digest(folder: str) -> Digest | None:
    """Digest of the names in a folder, but for those that nbrewind and Jupyter put there; `None`: no such folder."""
    try:
        names = os.listdir(folder)
    except OSError:
        return None
    return names_digest(
        name for name in names if not name.endswith((".nbrewind", ".ipynb")) and name not in _NOT_DATA
    )


def env_digest(key: str) -> Digest | None:
    """Digest of an environment variable's value; the value itself may be a secret and is not kept."""
    return text_digest(os.environ.get(key))


def text_digest(value: str | None) -> Digest | None:
    """Digest of a text, ``None`` where there is none."""
    return None if value is None else digest_bytes(value.encode("utf-8", "surrogateescape"))
