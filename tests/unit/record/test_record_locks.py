import errno
import fcntl
import json
import os
import subprocess
import sys
import threading
import time

import pytest
from record_samples import a_run

from nbrewind.errors import RecordBusy
from nbrewind.record.locks import FileLock, NotebookLock, holders, lock_name
from nbrewind.record.store import Record


@pytest.mark.parametrize(
    ("notebook", "name"),
    [("nb.ipynb", "nb.ipynb"), ("a b/ü.ipynb", "a_b__.ipynb-"), ("", "_-"), ("../..", "_..-")],
)
def test_names(notebook, name):
    assert lock_name(notebook).startswith(name)
    assert "/" not in lock_name(notebook)


def test_names_differ():
    assert len({lock_name(n) for n in ("a b", "a_b", "a/b", "x" * 100, "x" * 101)}) == 5


def test_exclusive_and_shared(tmp_path):
    path = tmp_path / "l"
    one, two, three = (FileLock(path, exclusive=e) for e in (False, False, True))
    assert one.acquire()
    assert two.acquire()
    assert not three.acquire(0.05)
    one.release()
    two.release()
    assert three.acquire()
    assert not one.acquire()
    three.release()


def test_asking_does_not_disturb(tmp_path):
    lock = NotebookLock(tmp_path, "nb")
    assert lock.live_run() is None
    lock.acquire("r")
    other = NotebookLock(tmp_path, "nb")
    assert lock.live_run() == other.live_run() == "r"
    assert [holder.run for holder in holders(tmp_path)] == ["r"]
    lock.release()
    assert other.live_run() is None
    assert holders(tmp_path) == []
    other.acquire("s")
    other.release()


def test_one_who_only_asks_makes_nobody_wait_in_vain(tmp_path):
    died = NotebookLock(tmp_path, "nb")
    died.acquire("old")
    died._lock.release()
    probe = FileLock(tmp_path / "nb.lock", exclusive=False)
    assert probe.acquire()
    lock = NotebookLock(tmp_path, "nb")
    releaser = threading.Timer(0.1, probe.release)
    releaser.start()
    lock.acquire("new")
    assert lock.live_run() == "new"
    lock.release()
    releaser.join()


class TestWithoutLocks:
    """A file system that has none."""

    @pytest.fixture(autouse=True)
    def no_flock(self, monkeypatch):
        def flock(fd, mode):
            raise OSError(errno.ENOSYS, "Function not implemented")

        monkeypatch.setattr(fcntl, "flock", flock)

    def test_a_live_process_keeps_its_claim(self, folder):
        with Record.open(folder) as record:
            writer = record.begin(a_run())
            with Record.open(folder) as other:
                assert other.runs()[0].status == "running"
                with pytest.raises(RecordBusy, match=str(os.getpid())):
                    other.begin(a_run())
                with pytest.raises(RecordBusy):
                    other.gc(keep_runs=0)
            writer.end("ok")
            record.begin(a_run()).end("ok")
            assert record.gc(keep_runs=0).runs

    def test_the_claim_of_a_dead_process_is_void(self, folder):
        with Record.open(folder) as record:
            record.begin(a_run()).end("ok")
            claim = folder / "locks" / "nb.ipynb.json"
            dead = subprocess.run(
                [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True
            )
            note = {"pid": int(dead.stdout), "born": 1, "host": os.uname().nodename, "since": 1.0, "run": "x"}
            claim.write_text(json.dumps({**note, "notebook": "nb.ipynb", "user": ""}))
            record.begin(a_run()).end("ok")

    def test_the_claim_of_another_host_lives_by_its_heartbeat(self, folder):
        with Record.open(folder) as record:
            record.begin(a_run()).end("ok")
            claim = folder / "locks" / "nb.ipynb.json"
            note = {
                "pid": 1,
                "born": 1,
                "host": "node7",
                "since": 1.0,
                "run": "x",
                "notebook": "nb.ipynb",
                "user": "u",
            }
            claim.write_text(json.dumps(note))
            with pytest.raises(RecordBusy, match="process 1 of u on node7"):
                record.begin(a_run())
            long_ago = time.time() - 1000
            os.utime(claim, (long_ago, long_ago))
            record.begin(a_run()).end("ok")

    def test_the_writer_gives_signs_of_life(self, folder, monkeypatch):
        monkeypatch.setattr("nbrewind.record.syncing.SYNC_SECONDS", 0.02)
        with Record.open(folder) as record:
            writer = record.begin(a_run())
            claim = folder / "locks" / "nb.ipynb.json"
            os.utime(claim, (1, 1))
            writer.put(b"x")
            deadline = time.time() + 5
            while claim.stat().st_mtime < 2 and time.time() < deadline:
                time.sleep(0.02)
            assert claim.stat().st_mtime > 2


def test_a_damaged_note_does_not_matter(folder):
    with Record.open(folder) as record:
        writer = record.begin(a_run())
        claim = folder / "locks" / "nb.ipynb.json"
        for content in (b"", b"{", b"[]", b'{"pid": 1}'):
            claim.write_bytes(content)
            with Record.open(folder) as other, pytest.raises(RecordBusy, match="another process"):
                other.begin(a_run())
        writer.end("ok")
        record.begin(a_run()).end("ok")
