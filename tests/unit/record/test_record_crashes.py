"""Killed processes, full disks, several processes."""

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time

import pytest
from record_samples import a_cell, a_run, a_task, digest

from nbrewind.errors import RecordUnwritable
from nbrewind.record.digests import digest_bytes
from nbrewind.record.model import Location
from nbrewind.record.store import Record

SCRIPT = """
import os, sys, time
sys.path.insert(0, {here!r})
from record_samples import a_cell, a_run, a_task
from nbrewind.record.store import Record
from nbrewind.record import catalog
catalog.FLUSH_ROWS = 50
from nbrewind.record import syncing as module
module.SYNC_SECONDS = 0.01
writer = Record.open(sys.argv[1]).begin(a_run(sys.argv[2], sys.argv[2]))
i = 0
while i < int(sys.argv[3]):
    blob = writer.put(b"%d " % i * 300)
    if i % 50 == 0:
        writer.put_file(__file__) if os.path.exists(__file__) else None
        writer.put(os.urandom(1 << 20) + b"%d" % i)
    writer.task(a_task(sys.argv[2], i, output=blob))
    if i % 5 == 0:
        writer.cell(a_cell(sys.argv[2], i // 5, outputs=blob))
    os.write(1, b"%d\\n" % i)
    i += 1
writer.end("ok")
"""


@pytest.fixture
def start(tmp_path, folder):
    script = tmp_path / "write.py"
    script.write_text(SCRIPT.format(here=os.path.dirname(__file__)))
    running = []

    def run(name, count):
        process = subprocess.Popen([sys.executable, script, folder, name, str(count)], stdout=subprocess.PIPE)
        running.append(process)
        return process

    yield run
    for process in running:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("seed", range(6))
def test_kill_9_loses_nothing_that_was_told(start, folder, seed):
    wait = random.Random(seed).uniform(0.0, 0.25)
    process = start("r.ipynb", 10**6)
    first = process.stdout.readline()
    time.sleep(wait)
    process.kill()
    told = int((first + process.stdout.read()).split()[-1])
    with Record.open(folder) as record:
        assert [(run.id, run.status) for run in record.runs()] == [("r.ipynb", "interrupted")]
        keys = [task.key for task in record.tasks("r.ipynb")]
        assert keys[: told + 1] == [digest(i) for i in range(told + 1)]
        assert len(keys) - told in (1, 2)
        assert len(record.cells("r.ipynb")) >= told // 5
        for i in random.Random(seed).sample(range(told + 1), min(told, 50)):
            task = record.task(digest(i))
            assert record.blob(task.output) == b"%d " % i * 300
        writer = record.begin(a_run("r.ipynb", "again"))
        writer.end("ok")
    shutil.copytree(folder, folder.with_name("copy"))
    (folder.with_name("copy") / "index.sqlite").unlink()
    with Record.open(folder.with_name("copy"), readonly=True) as copy:
        assert [task.key for task in copy.tasks("r.ipynb")] == keys


def test_a_partly_written_entry_is_dropped_and_said(record, folder):
    writer = record.begin(a_run(run_id="r"))
    writer.task(a_task("r", 1))
    size = (folder / "runs" / "r.log").stat().st_size
    writer.task(a_task("r", 2))
    record.close()
    log = folder / "runs" / "r.log"
    whole = log.read_bytes()
    shutil.copytree(folder, folder.with_name("pristine"))
    for cut in range(size, len(whole), 17):
        shutil.rmtree(folder)
        shutil.copytree(folder.with_name("pristine"), folder)
        log.write_bytes(whole[:cut])
        with Record.open(folder) as again:
            assert [task.key for task in again.tasks("r")] == [digest(1)]
            assert again.task(digest(2)) is None
            assert len(again.dropped) == (cut > size)
            assert all("run r: a partly written entry" in sentence for sentence in again.dropped)


def test_nobody_calls_a_live_entry_torn(record, folder):
    writer = record.begin(a_run(run_id="r"))
    with Record.open(folder) as other:
        log = folder / "runs" / "r.log"
        whole = log.read_bytes()
        writer.task(a_task("r", 1))
        entry = log.read_bytes()[len(whole) :]
        for cut in range(0, len(entry), 7):
            log.write_bytes(whole + entry[:cut])  # as another process sees it while it is being written
            assert other.task(digest(1)) is None
        log.write_bytes(whole + entry)
        assert other.task(digest(1)) is not None
        assert other.dropped == []


def test_two_notebooks_in_one_record(start, folder):
    processes = [start(name, 400) for name in ("one", "two")]
    with Record.open(folder) as record:
        for process in processes:
            process.communicate(timeout=100)
            assert process.returncode == 0
        assert {(run.id, run.status) for run in record.runs()} == {("one", "ok"), ("two", "ok")}
        for name in ("one", "two"):
            assert [task.key for task in record.tasks(name)] == [digest(i) for i in range(400)]
            assert len(record.cells(name)) == 80
    with Record.open(folder) as record:
        assert record.counts().tasks == {"done": 800}
        assert record.dropped == []


class FullDisk:
    """`os.pwritev`, `os.write` and `os.fsync` of a disk that is full, from the moment it is told."""

    def __init__(self, monkeypatch):
        self.full, self.partly = False, False
        for name in ("pwritev", "pwrite", "write"):
            monkeypatch.setattr(os, name, self.wrap(getattr(os, name)))
        monkeypatch.setattr(os, "open", self.wrap_open(os.open))

    def wrap(self, real):
        def write(fd, data, *rest):
            if self.full:
                if self.partly and isinstance(data, list):
                    self.partly = False
                    return os.pwritev.real(fd, [data[0][:7]], *rest)
                raise OSError(28, "No space left on device")
            return real(fd, data, *rest)

        write.real = real
        return write

    def wrap_open(self, real):
        def open_(path, flags, *rest, **named):
            if self.full and flags & os.O_CREAT:
                raise OSError(28, "No space left on device", str(path))
            return real(path, flags, *rest, **named)

        return open_


@pytest.fixture
def disk(monkeypatch):
    return FullDisk(monkeypatch)


@pytest.mark.parametrize("partly", [False, True])
def test_a_full_disk_is_named_and_what_was_there_stays(record, folder, disk, tmp_path, partly):
    writer = record.begin(a_run(run_id="r"))
    writer.task(a_task("r", 1))
    big = tmp_path / "big"
    big.write_bytes(b"y" * 2_000_000)
    calls = [
        lambda: writer.put(b"small"),
        lambda: writer.put(b"x" * 2_000_000),
        lambda: writer.put_file(big),
        lambda: writer.cell(a_cell("r", 1)),
        lambda: writer.task(a_task("r", 2)),
        lambda: writer.saved(digest(3), Location("f", "e")),
        lambda: record.begin(a_run("other.ipynb")),
    ]
    for call in calls:
        disk.full, disk.partly = True, partly
        with pytest.raises(RecordUnwritable, match=f"{folder}.*No space left.*--record") as caught:
            call()
        assert caught.value.errno == 28
        disk.full = False
    assert not list((folder / "objects").rglob("*tmp"))
    assert [task.key for task in record.tasks()] == [digest(1)]
    writer.task(a_task("r", 4))
    writer.put(b"small")
    writer.end("ok")
    with Record.open(folder) as again:
        assert [task.key for task in again.tasks()] == [digest(1), digest(4)]
        assert again.blob(digest_bytes(b"small")) == b"small"
        assert (again.runs()[0].status, again.dropped) == ("ok", [])
        again.begin(a_run("other.ipynb")).end("ok")


def test_a_full_disk_at_the_end(record, folder, disk):
    writer = record.begin(a_run(run_id="r"))
    disk.full = True
    with pytest.raises(RecordUnwritable):
        writer.end("ok")
    disk.full = False
    assert record.runs()[0].status == "interrupted"
    record.begin(a_run()).end("ok")  # the lock went back all the same


def test_a_disk_that_fails_when_synced(record, monkeypatch):
    monkeypatch.setattr("nbrewind.record.syncing.SYNC_SECONDS", 0.02)
    writer = record.begin(a_run(run_id="r"))

    def fail(fd):
        raise OSError(122, "Disk quota exceeded")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(RecordUnwritable, match="quota"):
            writer.sync()
        writer._syncer._failure = None
        with pytest.raises(RecordUnwritable, match="quota"):  # noqa: PT012 -- one of the next calls tells
            for key in range(100):
                writer.task(a_task("r", key))
                time.sleep(0.02)
    deadline = time.time() + 5
    while time.time() < deadline:
        try:
            writer.put(b"again")
            break
        except RecordUnwritable:
            time.sleep(0.05)
    writer._syncer._failure = None
    writer.sync()
    writer.end("ok")


def test_a_disk_that_is_really_full(tmp_path):
    mount = tmp_path / "small"
    mount.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", mount], capture_output=True
    ).returncode:
        pytest.skip("no right to mount a file system")
    try:
        folder = mount / "nb.nbrewind"
        with Record.open(folder) as record:
            writer = record.begin(a_run(run_id="r"))
            count = 0
            with pytest.raises(RecordUnwritable, match="No space left"):  # noqa: PT012 -- at some turn
                while count < 10_000:
                    writer.task(a_task("r", count, stdout=writer.put(os.urandom(10_000))))
                    count += 1
            assert 100 < count < 310
            with pytest.raises(RecordUnwritable):
                writer.put(os.urandom(2_000_000))
            assert len(list(record.tasks())) == count
            (mount / "ballast").touch()
            shutil.rmtree(folder / "objects")
            (folder / "index.sqlite").unlink(missing_ok=True)
            try:
                writer.end("failed")
            except RecordUnwritable:
                pass
        with Record.open(folder) as record:
            assert len(list(record.tasks())) == count
            assert all(record.has_blob(task.stdout) for task in record.tasks())
    finally:
        subprocess.run(["umount", "-l", mount], check=True)


def test_a_limit_on_file_size(folder):
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            record = Record.open(folder)
            writer = record.begin(a_run(run_id="r"))
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
            count = 0
            with pytest.raises(RecordUnwritable, match="File too large"):  # noqa: PT012 -- at some turn
                while True:
                    writer.put(b"%d" % count * 1000)
                    count += 1
            assert record.blob(digest_bytes(b"%d" % (count - 1) * 1000))
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    with Record.open(folder) as record:
        assert record.counts().blobs > 20


def test_an_unwritable_place(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RecordUnwritable, match="Not a directory"):
        Record.open(tmp_path / "file" / "nb.nbrewind")


def test_a_record_that_somebody_removed(folder):
    record = Record.open(folder)
    writer = record.begin(a_run(run_id="r"))
    writer.put(b"x")
    shutil.rmtree(folder)
    for call in (writer.sync, lambda: writer.end("ok")):
        with pytest.raises(RecordUnwritable, match="was it removed"):
            call()
    record.close()


def test_a_log_that_is_just_being_made(record, folder):
    """Its first bytes are not there yet, or its first entry is not."""
    writer = record.begin(a_run(run_id="r"))
    writer.cell(a_cell("r", 1))
    writer.end("ok")
    whole = (folder / "runs" / "r.log").read_bytes()
    (folder / "runs" / "r.log").unlink()
    with Record.open(folder) as other:
        assert other.runs() == []
        log = folder / "runs" / "s.log"
        for cut in (0, 10, 24, 30, 60):
            log.write_bytes(whole[:cut])
            time.sleep(0.11)  # a folder is not listed again more often
            assert other.runs() == []
        log.write_bytes(whole)
        assert [run.id for run in other.runs()] == ["r"]
        assert len(list(other.traces(digest(1)))) == 1
        assert other.dropped == []


def test_a_log_that_died_at_birth(record, folder):
    record.begin(a_run(run_id="r")).end("ok")
    for name, size in (("empty", 0), ("header", 24), ("torn", 40)):
        log = folder / "runs" / f"{name}.log"
        log.write_bytes((folder / "runs" / "r.log").read_bytes()[:size])
        os.utime(log, (1, 1))
    with Record.open(folder) as other:
        assert [run.id for run in other.runs()] == ["r"]
        assert other.dropped == ["run torn: a partly written entry at the end (16 bytes) was dropped"]
