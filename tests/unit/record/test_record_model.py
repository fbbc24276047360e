"""What goes in comes out, whatever it is, and however the record is closed and opened in between."""

import json
import shutil
import tempfile
from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule
from record_samples import a_cell, a_run, a_task, digest

from nbrewind.errors import RecordBroken
from nbrewind.record.digests import digest_bytes
from nbrewind.record.encoding import decode, from_json, pack_digest, to_dict, to_json, unpack_digest
from nbrewind.record.model import CellRun, Location, Run, TaskRun
from nbrewind.record.store import Record

odd_text = st.text(st.characters(codec=None, exclude_categories=()), max_size=20)
st.register_type_strategy(float, st.floats(allow_nan=False))
st.register_type_strategy(str, odd_text)


@given(st.one_of(st.from_type(CellRun), st.from_type(TaskRun), st.from_type(Run), st.from_type(Location)))
@settings(max_examples=200)
def test_models_come_back(value):
    assert decode(type(value), to_json(to_dict(value))) == value


def test_fields_and_words_of_a_newer_version_are_let_pass():
    plain = {
        **to_dict(a_task("r", 1)),
        "colour": "blue",
        "status": "dreamt",
        "files": [{"path": "p", "digest": None, "x": 1}],
    }
    task = decode(TaskRun, to_json(plain))
    assert task.status == "dreamt"
    assert task.files[0].path == "p"


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"1", b"{}", b'{"key": 1}', b"\xff"])
def test_what_is_no_model(data):
    with pytest.raises(RecordBroken):
        decode(TaskRun, data)


@given(st.one_of(odd_text, st.from_regex(r"b[123]:[0-9a-fA-F]{39,41}", fullmatch=True)))
def test_digests_are_packed(value):
    assert unpack_digest(pack_digest(value)) == value


def test_a_packed_digest_is_short():
    assert len(pack_digest(digest(1))) == 21


GOLDEN = Path(__file__).with_name("golden-schema-1")


def test_a_record_of_schema_1_still_opens(tmp_path):
    """The files below were written by the first version, and stay as they are for ever."""
    folder = tmp_path / "old.nbrewind"
    shutil.copytree(GOLDEN, folder)
    with Record.open(folder, create=False) as record:
        (run,) = record.runs()
        assert (run.id, run.status, run.notebook) == ("20260102-030405-abcd", "ok", "old.ipynb")
        (cell,) = record.cells(run.id)
        assert cell.evidence[0].name == "x"
        assert json.loads(record.blob(cell.outputs)) == []
        (task,) = record.tasks(run.id)
        assert record.task(task.key) == task
        assert record.blob(task.output) == b"pickled"
        assert record.locate(digest(5)) == Location("20260102-030405-abcd-0001.h5", "b5", 3, (digest(6),))
        assert record.dropped == []
        assert record.counts().total_bytes > 0
        record.blob_to_file(cell.files[0].digest, tmp_path / "tree", 0o755)
        assert (tmp_path / "tree" / "sub" / "a").read_text() == "a"


MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # syncing costs nothing there


class RecordMachine(RuleBasedStateMachine):
    """A record against plain dictionaries."""

    contents = Bundle("contents")
    codes = st.integers(1, 4)
    keys = st.integers(1, 6)

    @initialize()
    def begin(self):
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY)) / "nb.nbrewind"
        self.record = Record.open(self.folder)
        self.other = Record.open(self.folder)
        self.writers, self.count = {}, 0
        self.blobs, self.tasks, self.cells, self.runs = {}, {}, {}, {}

    def teardown(self):
        if hasattr(self, "record"):
            self.other.close()
            self.record.close()
            shutil.rmtree(self.folder.parent)

    @rule(notebook=st.sampled_from(["a", "b"]))
    def start(self, notebook):
        if notebook in self.writers:
            return
        self.count += 1
        self.writers[notebook] = self.record.begin(
            a_run(notebook, f"run{self.count}", started=float(self.count))
        )
        self.runs[f"run{self.count}"] = "running"

    @rule(notebook=st.sampled_from(["a", "b"]), status=st.sampled_from(["ok", "failed"]))
    def end(self, notebook, status):
        if writer := self.writers.pop(notebook, None):
            writer.end(status)
            self.runs[writer.id] = status

    @precondition(lambda self: self.writers)
    @rule(target=contents, data=st.one_of(st.binary(max_size=50), st.just(b"x" * 1_500_000)))
    def put(self, data):
        writer = next(iter(self.writers.values()))
        assert writer.put(data) == digest_bytes(data)
        self.blobs[digest_bytes(data)] = data
        return data

    @precondition(lambda self: self.writers)
    @rule(key=keys, status=st.sampled_from(["done", "failed"]), seconds=st.integers(0, 9))
    def task(self, key, status, seconds):
        writer = next(iter(self.writers.values()))
        task = a_task(writer.id, key, status=status, seconds=float(seconds), finished=float(len(self.tasks)))
        writer.task(task)
        self.tasks[len(self.tasks)] = task

    @precondition(lambda self: self.writers)
    @rule(code=codes, status=st.sampled_from(["ok", "error"]), seq=st.integers(0, 5))
    def cell(self, code, status, seq):
        writer = next(iter(self.writers.values()))
        cell = a_cell(writer.id, seq, code, status=status, started=float(len(self.cells) + 1))
        if (writer.id, seq) in self.cells:
            return
        writer.cell(cell)
        self.cells[writer.id, seq] = cell

    @rule()
    def die(self):
        self.record.close()
        for writer in self.writers.values():
            self.runs[writer.id] = "interrupted"
        self.writers.clear()
        self.record = Record.open(self.folder)

    @rule(readonly=st.booleans())
    def reopen_other(self, readonly):
        self.other.close()
        self.other = Record.open(self.folder, readonly=readonly)

    @rule()
    def flush(self):
        self.record._catalog.flush()

    @rule()
    def lose_index(self):
        (self.folder / "index.sqlite").unlink(missing_ok=True)

    @precondition(lambda self: not self.writers)
    @rule(keep=st.integers(0, 2))
    def collect(self, keep):
        kept = self.record.gc(keep_runs=keep).kept
        assert list(kept) == list(self.runs)[len(self.runs) - len(kept) :]
        assert len(kept) == min(keep, len(self.runs))
        self.runs = {run: self.runs[run] for run in kept}
        self.tasks = {n: task for n, task in self.tasks.items() if task.run in kept}
        self.tasks = dict(enumerate(self.tasks.values())) if not self.tasks else self.tasks
        self.cells = {key: cell for key, cell in self.cells.items() if key[0] in kept}
        self.blobs = {d: data for d, data in self.blobs.items() if self.record.has_blob(d)}

    @invariant()
    def both_say_what_was_recorded(self):
        if not hasattr(self, "record"):
            return
        for record in (self.record, self.other):
            assert {run.id: run.status for run in record.runs()} == self.runs
            assert record.dropped == []
            for key in range(1, 7):
                done = [
                    task for task in self.tasks.values() if task.key == digest(key) and task.status == "done"
                ]
                assert record.task(digest(key)) == (done[-1] if done else None)
                for writer in self.writers.values():
                    writer._used.clear()  # to ask is to use, and what was used is kept
            for code in range(1, 5):
                good = [c for c in self.cells.values() if c.code == digest(code) and c.status == "ok"]
                assert list(record.traces(digest(code))) == sorted(good, key=lambda c: -c.started)
            for name, data in self.blobs.items():
                assert record.has_blob(name)
                assert record.blob(name) == data
            assert sum(record.counts().tasks.values()) == len(self.tasks)


RecordMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
test_a_record_is_a_dictionary = RecordMachine.TestCase


def test_models_are_frozen_values():
    assert attrs.evolve(a_task("r", 1)) == a_task("r", 1)
    assert from_json(b"{}") == {}
