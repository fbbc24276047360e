"""A notebook without a kernel, and a record without a store."""

from __future__ import annotations

import itertools
import linecache
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from nbrewind.record.model import Covariable, Digest, Location
from nbrewind.state import Analyser, Loader, Saver

_numbers = itertools.count(1)


class Shelf:
    """What a saver and a loader need of a record."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.places: dict[Digest, Location] = {}
        self.committed: list[str] = []

    def saved(self, digest, location):
        self.places[digest] = location

    def new_checkpoint(self):
        name = f"c{len(self.committed):04d}-{next(_numbers)}.h5"
        return name, self.folder / f".{name}.tmp"

    def commit_checkpoint(self, name):
        (self.folder / f".{name}.tmp").replace(self.folder / name)
        self.committed.append(name)

    def discard_checkpoint(self, name):
        (self.folder / f".{name}.tmp").unlink(missing_ok=True)

    def locate(self, digest):
        return self.places.get(digest)

    def checkpoint_path(self, file):
        return self.folder / file

    @property
    def size(self) -> int:
        return sum(path.stat().st_size for path in self.folder.iterdir())


class Notebook:
    """Cells that run in a namespace of their own; its module is ``__main__`` as in a kernel."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.module = types.ModuleType("__main__")
        self.ns: dict[str, Any] = vars(self.module)
        sys.modules["__main__"] = self.module
        self.analyser = Analyser(self.ns)
        self.problems: list[Any] = []

    def run(self, source: str, filename: str | None = None) -> Notebook:
        sys.modules["__main__"] = self.module
        name = filename or f"<cell {next(_numbers)}>"
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        exec(compile(source, name, "exec", dont_inherit=True), self.ns)
        return self

    @property
    def names(self) -> list[str]:
        return [name for name in self.ns if not name.startswith("__")]

    def covariables(self, *names: str) -> dict[str, Covariable]:
        sys.modules["__main__"] = self.module
        return {name: each for each in self.analyser.covariables(names or self.names) for name in each.names}

    def digest(self, name: str = "x") -> Digest:
        found = self.covariables(name)[name]
        assert not found.opaque, found.opaque
        return found.digest

    def groups(self, *names: str) -> set[tuple[str, ...]]:
        return {each.names for each in self.covariables(*names).values()}

    def save(
        self, *names: str, policy: str = "all", seconds: float = 0.0, **options: Any
    ) -> dict[str, Covariable]:
        found = self.covariables(*names)
        saver = Saver(self.shelf, self.analyser, policy=policy, locate=self.shelf.locate, **options)
        saver.save(
            {each.digest + str(each.names): each for each in found.values()}.values(),
            label="",
            cell_seconds=seconds,
        )
        self.problems = saver.flush(60)
        saver.close()
        return found


class Kernel(Notebook):
    """A fresh kernel into which variables are restored when they are asked for."""

    def __init__(self, shelf: Shelf, known: dict[str, Covariable], **options: Any) -> None:
        super().__init__(shelf)
        self.known = known
        self.loader = Loader(shelf, self.ns, analyser=self.analyser, **options)

    def restore(self, *names: str) -> Kernel:
        sys.modules["__main__"] = self.module
        for name in names or sorted(self.known):
            self.bring(name)
        return self

    def bring(self, name: str) -> None:
        if name in self.known and name not in self.ns:
            for each, value in self.loader.load(self.known[name], self.bring).items():
                self.ns.setdefault(each, value)


@pytest.fixture
def shelf(tmp_path):
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    return Shelf(folder)


@pytest.fixture
def notebook(shelf):
    before = sys.modules["__main__"]
    notebook = Notebook(shelf)
    yield notebook
    sys.modules["__main__"] = before
    notebook.ns.clear()


@pytest.fixture
def again(notebook, shelf):
    """Save all variables of the notebook (or some), and restore them into a fresh kernel, digests compared."""

    def again(*names: str, check: bool = True, **options: Any) -> Kernel:
        known = notebook.save(*names, **options)
        assert not notebook.problems, notebook.problems
        kernel = Kernel(shelf, known).restore(*names)
        if check:
            found = kernel.covariables(*known)
            for name, each in known.items():
                assert found[name] == each
        return kernel

    return again
