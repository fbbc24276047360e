import json
import os
import subprocess
import sys
import threading
import time

import pytest
from record_samples import a_cell, a_run, a_task, digest

import nbrewind
from nbrewind.errors import RecordBroken, RecordBusy, RecordError, RecordTooNew, RecordUnwritable, UsageError
from nbrewind.record.digests import digest_bytes
from nbrewind.record.model import Location
from nbrewind.record.store import Record, new_run_id


def test_a_run_comes_back(record, folder):
    writer = record.begin(a_run())
    blob = writer.put(b"outputs")
    cells = [a_cell(writer.id, seq, outputs=blob) for seq in range(3)]
    for cell in cells:
        writer.cell(cell)
    writer.task(a_task(writer.id, 1, output=blob))
    writer.end("ok")
    record.close()
    with Record.open(folder, create=False) as again:
        (run,) = again.runs()
        assert (run.status, run.id) == ("ok", writer.id)
        assert run.ended is not None
        assert again.cells(run.id) == cells
        assert again.cell(run.id, 1) == cells[1]
        assert again.task(digest(1)).output == blob
        assert again.blob(blob) == b"outputs"
        assert again.dropped == []


def test_what_one_record_writes_another_sees_at_once(record, folder):
    with Record.open(folder) as other:
        writer = record.begin(a_run())
        writer.cell(a_cell(writer.id, 1))
        assert [cell.seq for cell in other.traces(digest(1))] == [1]
        writer.cell(a_cell(writer.id, 2))
        assert [cell.seq for cell in other.traces(digest(1))] == [2, 1]
        blob = writer.put(b"more")
        assert other.blob(blob) == b"more"
        writer.task(a_task(writer.id, 7))
        assert other.task(digest(7)).key == digest(7)
        assert other.runs()[0].status == "running"
        writer.end("failed")
        assert other.runs()[0].status == "failed"


def test_a_readonly_record_sees_and_writes_nothing(record, folder):
    writer = record.begin(a_run())
    writer.cell(a_cell(writer.id, 1))
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    with Record.open(folder, readonly=True) as other:
        assert len(list(other.traces(digest(1)))) == 1
        with pytest.raises(RecordError, match="read-only"):
            other.begin(a_run("other.ipynb"))
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_traces_are_newest_first_and_only_those_that_went_well(record):
    writer = record.begin(a_run())
    writer.cell(a_cell(writer.id, 1))
    writer.cell(a_cell(writer.id, 2, status="error"))
    writer.cell(a_cell(writer.id, 3, action="skipped"))
    writer.cell(a_cell(writer.id, 4, action="restored", started=0.5))
    assert [cell.seq for cell in record.traces(digest(1))] == [1, 4]


def test_a_cell_run_written_again_replaces_the_first(record):
    writer = record.begin(a_run())
    writer.cell(a_cell(writer.id, 1))
    writer.cell(a_cell(writer.id, 1, status="error"))
    assert [cell.status for cell in record.cells(writer.id)] == ["error"]
    assert list(record.traces(digest(1))) == []


def test_the_newest_finished_task_counts(record):
    writer = record.begin(a_run())
    for status, finished in (
        ("done", 1.0),
        ("done", 3.0),
        ("failed", 9.0),
        ("cancelled", 10.0),
        ("done", 2.0),
    ):
        writer.task(a_task(writer.id, 1, status=status, finished=finished))
    assert record.task(digest(1)).finished == 3.0
    assert [task.status for task in record.tasks(writer.id)] == [
        "done",
        "done",
        "failed",
        "cancelled",
        "done",
    ]
    assert record.task(digest(2)) is None


def test_tasks_by_run_and_cell(record):
    first, second = record.begin(a_run("a.ipynb", "a")), record.begin(a_run("b.ipynb", "b"))
    first.task(a_task("a", 1))
    second.task(a_task("b", 2, cell_id="c2"))
    second.task(a_task("b", 3))
    keys = {
        (run, cell): [t.key for t in record.tasks(run, cell)]
        for run in (None, "a", "b")
        for cell in (None, "c1")
    }
    assert keys["a", None] == [digest(1)]
    assert keys["b", None] == [digest(2), digest(3)]
    assert keys[None, None] == [digest(1), digest(2), digest(3)]
    assert keys[None, "c1"] == [digest(1), digest(3)]
    assert keys["b", "c1"] == [digest(3)]


def test_a_run_by_prefix(record):
    for run_id in ("20260101-000000-aaaa", "20260101-000000-aabb", "20260202-000000-cccc"):
        record.begin(a_run(run_id, run_id, started=float(run_id[4:8]))).end("ok")
    assert record.run("202602").id == "20260202-000000-cccc"
    assert record.run("last").id == "20260202-000000-cccc"
    with pytest.raises(UsageError, match="aaaa, 20260101-000000-aabb"):
        record.run("2026010")
    for unknown in ("x", ""):
        with pytest.raises(UsageError, match="no run"):
            record.run(unknown)
    with pytest.raises(UsageError):
        record.cell("20260202-000000-cccc", 5)


def test_run_ids_sort_by_time():
    ids = [new_run_id(float(t)) for t in (1, 1e9, 1.8e9)]
    assert ids == sorted(ids)
    assert all(len(run_id) == 20 for run_id in ids)


@pytest.mark.parametrize("bad", ["../x", "a/b", ".hidden", "-"])
def test_a_run_id_must_be_a_name(record, bad):
    with pytest.raises(UsageError, match="no name for a run"):
        record.begin(a_run(run_id=bad))
    record.begin(a_run()).end("ok")  # the lock was not kept


def test_an_id_is_used_once(record):
    record.begin(a_run(run_id="r")).end("ok")
    with pytest.raises(UsageError, match="already has a run r"):
        record.begin(a_run(run_id="r"))


def test_a_dead_run_is_interrupted(record, folder):
    writer = record.begin(a_run())
    writer.cell(a_cell(writer.id, 1))
    with Record.open(folder) as other:
        assert other.runs()[0].status == "running"
        record.close()
        assert other.runs()[0].status == "interrupted"
        assert len(other.cells(writer.id)) == 1
        later = other.begin(a_run())
        assert [run.status for run in other.runs()] == ["interrupted", "running"]
        later.end("ok")
        assert [run.status for run in other.runs()] == ["interrupted", "ok"]


def test_an_ended_run_takes_no_more(record):
    writer = record.begin(a_run())
    writer.end("ok")
    writer.end("failed")
    with pytest.raises(RecordError, match="has ended"):
        writer.put(b"x")
    with pytest.raises(RecordError, match="has ended"):
        writer.cell(a_cell(writer.id, 1))
    assert record.runs()[0].status == "ok"


def test_places_of_saved_values(record):
    writer = record.begin(a_run())
    name, path = writer.new_checkpoint()
    place = Location(name, "b1", 12, needs=(digest(8),))
    assert record.locate(digest(1)) is None
    path.write_bytes(b"content")
    writer.commit_checkpoint(name)
    writer.saved(digest(1), place)
    assert record.locate(digest(1)) == place
    assert record.checkpoint_path(name).read_bytes() == b"content"
    assert writer.new_checkpoint()[0] != name
    record.checkpoint_path(name).unlink()
    assert record.locate(digest(1)) is None
    with pytest.raises(RecordBroken):
        record.checkpoint_path("../record.json")


def test_counts(record):
    writer = record.begin(a_run())
    writer.put(b"12345")
    writer.put(b"x" * 2_000_000)
    writer.cell(a_cell(writer.id, 1))
    writer.task(a_task(writer.id, 1))
    writer.task(a_task(writer.id, 2, status="failed"))
    for _ in range(2):
        counts = record.counts()
        assert (counts.runs, counts.cells, counts.tasks) == (1, 1, {"done": 1, "failed": 1})
        assert (counts.blobs, counts.blob_bytes, counts.objects, counts.object_bytes) == (1, 5, 1, 2_000_000)
        assert counts.total_bytes > 2_000_000
        writer.sync()
        record._catalog.flush()


def test_the_folder_is_its_owners(record, folder):
    record.begin(a_run()).put(b"x" * 2_000_000)
    assert folder.stat().st_mode & 0o777 == 0o700
    for path in folder.rglob("*"):
        if path.suffix in (".log",) or "objects" in path.parts:
            assert path.stat().st_mode & 0o077 == 0, path


class TestOpening:
    def test_nothing_there(self, tmp_path):
        for options in ({"create": False}, {"readonly": True}):
            with pytest.raises(RecordError, match="there is no record at"):
                Record.open(tmp_path / "none", **options)

    def test_another_folder(self, tmp_path):
        (tmp_path / "results.csv").touch()
        with pytest.raises(RecordError, match="holds other files"):
            Record.open(tmp_path)

    def test_a_newer_schema(self, record, folder):
        (folder / "record.json").write_text(json.dumps({"schema": 2, "nbrewind": "9.1"}))
        with pytest.raises(RecordTooNew, match=r"nbrewind 9\.1 or later"):
            Record.open(folder)

    def test_a_newer_minor_version_adds_fields(self, record, folder):
        about = json.loads((folder / "record.json").read_text())
        assert about["schema"] == 1
        assert about["nbrewind"] == nbrewind.__version__
        (folder / "record.json").write_text(json.dumps({**about, "colour": "blue"}))
        Record.open(folder).close()

    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"schema": "x"}', b"\xff"])
    def test_a_damaged_record_json(self, record, folder, content):
        (folder / "record.json").write_bytes(content)
        with pytest.raises(RecordBroken, match=r"record\.json is damaged"):
            Record.open(folder)

    def test_a_lost_record_json_is_written_again(self, record, folder):
        record.begin(a_run()).end("ok")
        (folder / "record.json").unlink()
        with Record.open(folder) as again:
            assert len(again.runs()) == 1


BUSY = """
import sys
from nbrewind.record.store import Record
from nbrewind.record.model import Run
writer = Record.open(sys.argv[1]).begin(Run(id="theirs", kind="audit", notebook="nb.ipynb", started=1.0))
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_notebook_is_recorded_by_one_process(record, folder):
    with subprocess.Popen(
        [sys.executable, "-c", BUSY, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "ready\n"
        with pytest.raises(RecordBusy) as caught:
            record.begin(a_run())
        for word in (str(other.pid), os.uname().nodename, "theirs", "--record", "since 20"):
            assert word in str(caught.value)
        record.begin(a_run("other.ipynb")).end("ok")
        assert [run.status for run in record.runs()] == ["running", "ok"]
        other.kill()
    assert [run.status for run in record.runs()] == ["interrupted", "ok"]
    record.begin(a_run()).end("ok")


def test_busy_in_one_process(record, folder):
    writer = record.begin(a_run())
    with Record.open(folder) as other, pytest.raises(RecordBusy, match=str(os.getpid())):
        other.begin(a_run())
    writer.end("ok")


def test_threads_share_a_writer(record):
    writer = record.begin(a_run())

    def work(number):
        for i in range(100):
            writer.put(b"%d-%d" % (number, i))
            writer.task(a_task(writer.id, number * 1000 + i))
            assert record.task(digest(number * 1000 + i))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(record.tasks(writer.id))) == 600
    assert all(record.blob(digest_bytes(b"%d-%d" % (n, i))) for n in range(6) for i in range(100))


def test_a_forked_child_reads_and_does_not_write(record, folder):
    writer = record.begin(a_run())
    blob = writer.put(b"before")
    writer.cell(a_cell(writer.id, 1))
    child = os.fork()
    if child == 0:
        status = 1
        try:
            assert record.blob(blob) == b"before"
            assert len(record.cells(writer.id)) == 1
            with pytest.raises(RecordError, match="forked"):
                writer.put(b"child")
            writer.end("ok")
            record.close()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    writer.cell(a_cell(writer.id, 2))
    writer.end("ok")
    assert record.runs()[0].status == "ok"
    assert len(record.cells(writer.id)) == 2


def test_a_forked_child_does_not_keep_the_lock(record, folder):
    writer = record.begin(a_run())
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write)
        os.read(read, 1)
        os._exit(0)
    os.close(read)
    record.close()
    with Record.open(folder) as other:
        assert other.runs()[0].status == "interrupted"
        other.begin(a_run()).end("ok")
    os.close(write)
    os.waitpid(child, 0)
    assert writer.id


def test_writing_is_synced_in_the_background(record, monkeypatch):
    monkeypatch.setattr("nbrewind.record.syncing.SYNC_SECONDS", 0.05)
    synced = threading.Event()
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (real(fd), synced.set()))
    writer = record.begin(a_run())
    synced.wait(5)
    synced.clear()
    writer.put(b"x")
    assert synced.wait(5)
    assert time.time() > 0


def test_many_tasks_are_read_in_pages(record, monkeypatch):
    monkeypatch.setattr("nbrewind.record.index._PAGE", 7)
    writer = record.begin(a_run())
    for key in range(50):
        writer.task(a_task(writer.id, key, cell_id=f"c{key % 2}"))
        if key == 30:
            record._catalog.flush()
    assert [task.key for task in record.tasks()] == [digest(key) for key in range(50)]
    assert [task.key for task in record.tasks(writer.id, "c1")] == [digest(key) for key in range(1, 50, 2)]
    assert list(record.tasks("unknown")) == []


def test_a_record_on_a_read_only_file_system(tmp_path):
    mount = tmp_path / "mount"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", mount], capture_output=True).returncode:
        pytest.skip("no right to mount a file system")
    folder = mount / "nb.nbrewind"
    try:
        for lose_index in (False, True):
            with Record.open(folder) as record:
                writer = record.begin(a_run())
                writer.task(a_task(writer.id, 1))
                writer.end("ok")
            if lose_index:
                (folder / "index.sqlite").unlink()
            subprocess.run(["mount", "-o", "remount,ro", mount], check=True)
            for readonly in (True, False):
                with Record.open(folder, readonly=readonly) as record:
                    assert record.runs()[-1].status == "ok"
                    assert record.task(digest(1)) is not None
            with (
                Record.open(folder) as record,
                pytest.raises(RecordUnwritable, match="Read-only file system"),
            ):
                record.begin(a_run())
            subprocess.run(["mount", "-o", "remount,rw", mount], check=True)
    finally:
        subprocess.run(["umount", "-l", mount], check=True)


def test_recent_tasks_of_a_cell(record):
    for run in range(3):
        writer = record.begin(a_run(started=1.0 + run))
        for number in range(4):
            writer.task(a_task(writer.id, 10 * run + number, cell_id="even" if number % 2 == 0 else "odd"))
        writer.end("ok")
    found = [task.key for task in record.recent_tasks("even")]
    assert found == [digest(n) for n in (22, 20, 12, 10, 2, 0)]
    assert [task.key for task in record.recent_tasks("even", known=[digest(22), digest(10)])] == [
        digest(n) for n in (20, 12, 2, 0)
    ]
    assert [task.key for task in record.recent_tasks("even", most=3)] == [digest(n) for n in (22, 20, 12)]
    assert record.recent_tasks("none") == []
