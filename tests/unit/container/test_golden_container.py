"""Containers of every format that was ever written still open."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from nbrewind.container.archive import opened
from nbrewind.container.opening import open_into, read_listing, verify
from nbrewind.record.digests import digest_bytes
from nbrewind.record.store import Record

HERE = Path(__file__).parent
FORMATS = sorted(HERE.glob("golden-container-*"))


@pytest.mark.parametrize("golden", FORMATS, ids=lambda path: path.name)
def test_it_opens_and_says_what_it_said(golden, tmp_path):
    with opened(golden) as source:
        listing = read_listing(source)
        verify(source, listing.manifest)
        at = open_into(source, listing, tmp_path / "work")
    assert at.manifest.format == int(golden.stem.rpartition("-")[2])
    book = nbformat.read(at.notebook, as_version=4)
    nbformat.validate(book)
    assert book.cells[2].outputs[0].text == "hellohello\n"
    with Record.open(at.folder / at.manifest.record, create=False) as record:
        (run,) = record.runs()
        assert (run.id, run.user, run.host) == ("20260102-030401-abcd", "ada", "alpha")
        assert [cell.cell_id for cell in record.cells(run.id)] == ["c0", "c1", "c2"]
    at.foreign.trust()
    with Record.open(at.folder / at.manifest.record, create=False) as record:
        (trace,) = record.traces(digest_bytes(b"print(b)"))
        assert b"hellohello" in record.blob(trace.outputs)
        assert record.task(digest_bytes(b"task 1")).host == "worker1"


def test_there_is_one_of_each_format():
    from nbrewind.container.manifest import FORMAT

    assert [int(path.stem.rpartition("-")[2]) for path in FORMATS] == list(range(1, FORMAT + 1))


@pytest.fixture(autouse=True)
def _own_state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
