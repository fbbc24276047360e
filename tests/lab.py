"""A notebook that is audited, edited, repeated, and compared with a clean run by a stock kernel."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from nbrewind.kernels import headless
from nbrewind.kernels.settings import Settings, record_folder

_PROCESS = re.compile(r"(?<=ipykernel_)\d+|(?<=\(pid=)\d+|(?<= at 0x)[0-9a-f]+")


class Silent:
    """Progress that nobody sees, but for its notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def begin(self, total: int) -> None: ...

    def cell(self, index: int, source: str) -> None: ...

    def done(self, entry: dict[str, Any]) -> None: ...

    def note(self, text: str) -> None:
        self.notes.append(text)

    def tasks(self, tallies: Any) -> None: ...


class Lab:
    """One notebook in a folder of its own; `cells` maps identifiers to source, in order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "work"
        self.folder.mkdir()
        self.path = self.folder / "nb.ipynb"
        self.cells: dict[str, str] = {}
        self.tags: dict[str, list[str]] = {}

    @property
    def record(self) -> Path:
        return record_folder(self.path)

    def write(self, **cells: str) -> Lab:
        """Make the notebook of these cells."""
        self.cells = dict(cells)
        return self.edit()

    def edit(self, **changes: str) -> Lab:
        """Replace the source of some cells."""
        self.cells.update(changes)
        book = new_notebook(
            cells=[
                new_code_cell(source, id=name.replace("_", "-"), metadata={"tags": self.tags.get(name, [])})
                for name, source in self.cells.items()
            ]
        )
        nbformat.write(book, self.path)
        return self

    def run(self, kind: str, *, parameters: tuple[tuple[str, str], ...] = (), **options: Any) -> Result:
        """Audit or repeat through the headless runner."""
        out = self.folder / ".out.ipynb"
        settings = Settings(
            kind=kind,
            notebook=self.path,
            record=options.pop("record", self.record),
            quiet=True,
            policy="all",
            **options,
        )
        outcome = headless.run(settings, out=out, parameters=parameters, progress=Silent())
        return Result(outcome, nbformat.read(out, as_version=4))

    def audit(self, **options: Any) -> Result:
        return self.run("audit", **options)

    def repeat(self, **options: Any) -> Result:
        return self.run("repeat", **options)

    def clean(self) -> list[Any]:
        """Outputs of a stock kernel in a copy of the folder without the record."""
        copy = self.folder.parent / "clean"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.folder, copy, ignore=shutil.ignore_patterns("*.nbrewind", ".out.ipynb"))
        book = nbformat.read(copy / "nb.ipynb", as_version=4)
        NotebookClient(
            book, kernel_name="python3", allow_errors=True, resources={"metadata": {"path": str(copy)}}
        ).execute()
        return outputs(book)


class Result:
    """What a run said and showed."""

    def __init__(self, outcome: Any, book: Any) -> None:
        self.outcome = outcome
        self.outputs = outputs(book)
        self.book = book

    @property
    def actions(self) -> dict[str, str]:
        return {cell["id"]: cell["action"] for cell in self.outcome.cells}

    @property
    def executed(self) -> list[str]:
        """Identifiers of cells that ran because they had to."""
        return [cell["id"] for cell in self.outcome.cells if cell["action"] in ("executed", "failed")]

    @property
    def tasks(self) -> tuple[int, int]:
        return self.outcome.tasks["reused"], self.outcome.tasks["submitted"]

    @property
    def task_causes(self) -> list[tuple[str, int, str, str, str]]:
        """Why tasks were submitted: cell, how many, what, from what to what."""
        return [
            (cell["id"], cause["count"], cause["name"], cause["before"], cause["after"])
            for cell in self.outcome.cells
            for cause in cell.get("task_causes", ())
        ]

    def because(self, cell: str) -> list[str]:
        return [
            reason["kind"]
            for entry in self.outcome.cells
            if entry["id"] == cell
            for reason in entry["because"]
        ]


def outputs(book: Any) -> list[Any]:
    """What each code cell shows, without what differs from process to process."""
    cells = [cell for cell in book.cells if cell.cell_type == "code"]
    return [[_plain(output) for output in headless.joined(cell.outputs)] for cell in cells]


def _plain(output: Any) -> Any:
    kept = {
        key: output[key]
        for key in ("output_type", "name", "text", "data", "ename", "evalue")
        if key in output
    }
    return json.loads(_PROCESS.sub("N", json.dumps(kept)))
