"""A notebook that was run once, packed: made without a kernel, from the record's own parts."""

from __future__ import annotations

import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from nbrewind.container import pack as packing
from nbrewind.container.storing import target
from nbrewind.record.digests import digest_bytes
from nbrewind.record.model import CellRun, Evidence, Run, TaskCount, TaskRun
from nbrewind.record.store import Record

LARGE = bytes(range(256)) * 5000  # above what lies in a log


class Study:
    """A notebook of three cells, its record, its data, and containers made of it."""

    def __init__(self, folder):
        self.folder = folder / "study"
        self.folder.mkdir(parents=True)
        self.path = self.folder / "analysis.ipynb"
        self.record = self.folder / "analysis.nbrewind"
        self.sources = ["import helper\nd = open('in.txt').read()", "b = helper.f(d)", "print(b)"]
        cells = [new_code_cell(source, id=f"c{n}") for n, source in enumerate(self.sources)]
        nbformat.write(new_notebook(cells=cells), self.path)
        (self.folder / "in.txt").write_text("hello\n")
        (self.folder / "helper.py").write_text("def f(x):\n    return x * 2\n")
        self.runs = []
        self.run()

    def run(self, output="hellohello\n", run_id="", large=LARGE, kind="audit", user="ada", host="alpha"):
        """Record a run, as the kernels would."""
        number = len(self.runs) + 1
        run_id = run_id or f"20260102-03040{number}-abcd"
        with Record.open(self.record) as record:
            made = Run(
                id=run_id, kind=kind, notebook=self.path.name, started=1767323000.0 + number, host=host,
                user=user, python="3.13.5", version="0.1.0",
            )  # fmt: skip
            writer = record.begin(made)
            shown = [{"type": "stream", "content": {"name": "stdout", "text": output}}]
            blob = writer.put(json.dumps(shown).encode())
            kept = writer.put(large)
            seen = [
                Evidence("file", "./in.txt", digest_bytes((self.folder / "in.txt").read_bytes())),
                Evidence("module", "./helper.py", digest_bytes((self.folder / "helper.py").read_bytes())),
                Evidence("module", "numpy", "2.5.5"),
                Evidence("module", "python", "3.13"),
            ]
            for seq, source in enumerate(self.sources):
                writer.cell(
                    CellRun(
                        run=run_id, seq=seq, cell_id=f"c{seq}", index=seq, code=digest_bytes(source.encode()),
                        source=source, started=1767323000.0 + seq, seconds=0.5, action="executed",
                        key=digest_bytes(f"key {seq}".encode()), evidence=tuple(seen) if seq == 0 else (),
                        outputs=blob if seq == 2 else "", tasks=TaskCount(submitted=1) if seq == 1 else TaskCount(),
                    )
                )  # fmt: skip
            writer.task(
                TaskRun(
                    key=digest_bytes(f"task {number}".encode()), run=run_id, cell_id="c1", engine="taskvine",
                    kind="python", name="f", status="done", exit_code=0, output=kept, host="worker1",
                    submitted=1767323001.0, finished=1767323002.0, seconds=1.0,
                )
            )  # fmt: skip
            writer.end("ok")
        self.runs.append(run_id)
        return run_id

    def pack(self, place, sign=None, **choice):
        """Write a container; returns its manifest."""
        chosen = packing.Choice(**choice)
        with (
            Record.open(self.record, create=False) as record,
            packing.prepared(record, self.path, chosen) as ready,
            target(place, folder=place.suffix != ".zip") as goal,
        ):
            return packing.write(ready, goal, chosen, sign)


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return Study(tmp_path)


@pytest.fixture
def packed(study, tmp_path):
    """A container as a zip."""
    place = tmp_path / "analysis.zip"
    study.pack(place)
    return place
