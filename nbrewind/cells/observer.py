"""One cell observed from beginning to end: evidence of what it read, and what it left."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from attrs import field, frozen

from nbrewind.cells.ambient import Ambient, AmbientChange, EnvironmentReads
from nbrewind.cells.background import running
from nbrewind.cells.code import CellCode
from nbrewind.cells.files import FilesSeen, FilesWatch
from nbrewind.cells.imports import ImportWatch
from nbrewind.cells.locations import (
    HERE,
    TEXT_LIMIT,
    asked_by,
    asked_in_shell,
    asked_in_source,
    words_of,
)
from nbrewind.cells.modules import Modules, home_of, is_evidence
from nbrewind.cells.paths import Paths
from nbrewind.cells.states import BUILTINS, DISPLAY_STATE, SHELL_STATE, States
from nbrewind.cells.variables import Change, Variables, Versions
from nbrewind.cells.watch import NamesWatch
from nbrewind.record.digests import FileDigests, digest_bytes, digest_text
from nbrewind.record.model import Covariable, Digest, Evidence
from nbrewind.record.redaction import env_digest as secret_digest
from nbrewind.state import STATE_OF
from nbrewind.state.held import HELD_OPEN
from nbrewind.state.walk import mentioned

ALL_VARIABLES = "variables"
"""Name of the listing that stands for the names of all variables."""
_NOT_DATA = frozenset({".ipynb_checkpoints", "__pycache__", "vine-run-info", "workqueue-run-info"})


@frozen
class Observation:
    """What one cell read and left.

    `files` are real paths with their digests afterwards (`None`: removed), `named` how the record names them. `open`
    says why the evidence is not all.
    """

    evidence: tuple[Evidence, ...]
    change: Change
    files: Mapping[str, Digest | None]
    ambient: AmbientChange
    open: str
    children: bool
    named: Mapping[str, str] = field(factory=dict)


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
        self._names = NamesWatch(variables.namespace, self.files.note_call, states.counters)
        self._environment = EnvironmentReads(variables.namespace)
        self._imports = ImportWatch()
        self._escaped = {
            sign: json.dumps(os.fsdecode(text))[1:-1].encode() for sign, text in paths.places.items()
        }
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

    def begin_unseen(self, code: CellCode) -> None:
        """A recorded cell is about to run again, for values that could not be saved."""
        self.states.begin(code)
        self._names.count(on=True)

    def end_unseen(self, code: CellCode) -> None:
        """It has."""
        self._names.count(on=False)
        self.states.end(code, self.variables.digest)

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

    def end(self, shown: bytes = b"") -> Observation:
        """The cell has run.

        Parameters
        ----------
        shown
            What it showed, in any encoding that leaves paths readable.
        """
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
        files = {path: self._file_digest(path) for path in sorted(seen.writes)}
        places = self._asked(code, seen, read) | self._left(shown, change, files, ambient, seen)
        literal = self._literally(code, seen, read, keys, places)
        names = {path: self._name(path, seen, literal) for path in sorted(seen.writes)}
        if any(literal(path) and self.paths.place_of(path) for path in names):
            places.add(HERE)
        evidence = [
            *self._variables_seen(read, change, everything=bool(code.opens)),
            *self._files_seen(seen, literal),
            *(Evidence("place", sign, digest_text(self.paths.place(sign))) for sign in sorted(places)),
            *(Evidence("ambient", name, digest) for name, digest in sorted(ambient.reads.items())),
            *(Evidence("env", key, secret_digest(key, value)) for key, value in sorted(keys.items())),
            *self.modules.evidence(
                {*self._names.modules, *seen.libraries}, self._values(read | code.names.stores)
            ),
        ]
        held = any(HELD_OPEN in made.opaque for made in change.written)
        unbounded = seen.open or (f"it works on {HELD_OPEN}" if held else "" if code.valid else code.opens)
        unbounded = unbounded or runs_on
        found = tuple(dict.fromkeys(evidence))
        return Observation(found, change, files, ambient, unbounded, seen.children, names)

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

    def _files_seen(self, seen: FilesSeen, literal: Callable[[str], bool]) -> Iterable[Evidence]:
        for path, digest in sorted(seen.reads.items()):
            yield Evidence("file", self._name(path, seen, literal), digest)
        for path, kind in sorted(seen.asked.items()):
            if path not in seen.reads:
                yield Evidence("exists", self._name(path, seen, literal), kind)
        for folder in sorted(seen.listings):
            yield Evidence("listing", self._name(folder, seen, literal), folder_digest(folder))

    # -- where the cell is

    def _name(self, path: str, seen: FilesSeen, literal: Callable[[str], bool]) -> str:
        """How the record names a file: as the cell reached it, be it through links."""
        reached = seen.aliases.get(path, path)
        return reached if literal(path) else self.paths.named(reached)

    def _literally(
        self,
        code: CellCode,
        seen: FilesSeen,
        read: set[str],
        keys: Mapping[str, str | None],
        places: set[str],
    ) -> Callable[[str], bool]:
        """Tells whether a path is one that the notebook spells out, and so the same wherever the notebook lies.

        Where the cell asked for the place itself, or a library made the path complete, it moves with the notebook.
        """
        held = [self._before.current[name] for name in read if name in self._before.current]
        texts = "\0".join((code.source, *(value or "" for value in keys.values()))).encode("utf-8", "replace")
        spelt = mentioned(self.paths.places, texts) | {sign for one in held for sign in one.places}
        here = os.getcwd() if seen.relative or seen.absolute else ""

        def literal(path: str) -> bool:
            sign = self.paths.place_of(seen.aliases.get(path, path))
            if not sign or sign in places:
                return False
            if sign in spelt:
                return True
            by_notebook = seen.absolute.get(path)
            if by_notebook is None:
                return False
            return by_notebook or os.path.relpath(path, here) not in code.source

        return literal

    def _asked(self, code: CellCode, seen: FilesSeen, read: set[str]) -> set[str]:
        """Places whose path the cell, or functions and modules of the user's that it ran, may have asked for."""
        words = set(self._names.words)
        if not self._names.observes:
            words |= code.words | set(words_of(self._values(read)))
        elif not words.isdisjoint(_MAGICS):
            words |= code.words
        found = asked_by(words)
        local = self.modules.local_modules()
        if self._names.observes:
            for name in self._names.asking.keys() & local.keys():
                found |= asked_by(self._names.asking[name])
        elif {
            home_of(value).partition(".")[0] for value in self._values(read | code.names.stores)
        } & local.keys():
            for path in set(local.values()):
                found |= asked_in_source(_text_of(path))
        for text in (code.source, *seen.shell) if seen.children else ():
            found |= asked_in_shell(text)
        return found

    def _left(
        self,
        shown: bytes,
        change: Change,
        files: Mapping[str, Digest | None],
        ambient: AmbientChange,
        seen: FilesSeen,
    ) -> set[str]:
        """Places whose path appears in what the cell left, however it came to know it."""
        found = {sign for made in change.written for sign in made.places}
        found |= mentioned(self.paths.places, shown) | mentioned(self._escaped, shown)
        for _digest, state in ambient.writes.values():
            found |= mentioned(self.paths.places, state)
        if seen.children:
            for path, digest in files.items():
                if digest is not None and os.path.getsize(path) <= TEXT_LIMIT:
                    found |= mentioned(self.paths.places, _bytes_of(path))
        return found

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
_MAGICS = frozenset({"run_line_magic", "run_cell_magic", "system", "getoutput"})


def _bytes_of(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def _text_of(path: str) -> str:
    return _bytes_of(path).decode("utf-8", "replace")


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
    return secret_digest(key, os.environ.get(key))
