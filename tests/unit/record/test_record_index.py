"""The index is derived: whatever happens to it, the record answers the same."""

import os
import sqlite3
import stat
import traceback

import pytest
from record_samples import a_cell, a_run, a_task, digest

from nbrewind.errors import RecordBroken, RecordUnwritable
from nbrewind.record.index import Index
from nbrewind.record.model import Location
from nbrewind.record.store import Record


@pytest.fixture
def filled(folder):
    with Record.open(folder) as record:
        writer = record.begin(a_run(run_id="r"))
        blob = writer.put(b"content")
        for seq in range(3):
            writer.cell(a_cell("r", seq, outputs=blob))
        for key in range(20):
            writer.task(a_task("r", key))
        name, path = writer.new_checkpoint()
        path.write_bytes(b"h5")
        writer.commit_checkpoint(name)
        writer.saved(digest(5), Location(name, "e", 2))
        writer.end("ok")
    assert (folder / "index.sqlite").exists()
    return folder


def answers(record):
    return (
        [(run.id, run.status) for run in record.runs()],
        [cell.seq for cell in record.cells("r")],
        [cell.seq for cell in record.traces(digest(1))],
        record.task(digest(7)).key,
        len(list(record.tasks())),
        record.locate(digest(5)),
        record.blob(record.cells("r")[0].outputs),
        record.counts().tasks,
    )


@pytest.fixture
def expected(filled):
    with Record.open(filled) as record:
        return answers(record)


def delete(path):
    path.unlink()


def empty(path):
    path.write_bytes(b"")


def garbage(path):
    path.write_bytes(os.urandom(5000))


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def page_damage(path):
    data = bytearray(path.read_bytes())
    for at in range(4096, len(data), 4096):
        data[at : at + 64] = os.urandom(64)
    path.write_bytes(data)


def other_schema(path):
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=99")
    db.close()


def lost_table(path):
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE cells")
    db.close()


def is_folder(path):
    path.unlink()
    path.mkdir()


HARMS = [delete, empty, garbage, cut, page_damage, other_schema, lost_table, is_folder]


@pytest.mark.parametrize("readonly", [False, True])
@pytest.mark.parametrize("harm", HARMS)
def test_a_harmed_index_is_made_again(filled, expected, harm, readonly):
    harm(filled / "index.sqlite")
    with Record.open(filled, readonly=readonly) as record:
        assert answers(record) == expected
        assert record.dropped == []
    with Record.open(filled) as record:
        assert answers(record) == expected
    if harm is not is_folder:
        assert Index(filled / "index.sqlite").progress()[0].name == "r.log"


@pytest.mark.parametrize("harm", [delete, garbage, page_damage])
def test_harmed_while_in_use(filled, expected, harm):
    with Record.open(filled) as record:
        harm(filled / "index.sqlite")
        writer = record.begin(a_run("later.ipynb"))
        for key in range(100, 200):
            writer.task(a_task(writer.id, key, cell_id="other"))
        record._catalog.flush()
        assert record.task(digest(150)) is not None
        assert answers(record)[1:4] == expected[1:4]
        writer.end("ok")
    with Record.open(filled) as record:
        assert record.task(digest(150)) is not None
        assert answers(record)[1:4] == expected[1:4]


def test_two_records_and_one_harmed_index(filled, expected):
    with Record.open(filled) as first:
        garbage(filled / "index.sqlite")
        with Record.open(filled) as second:
            assert answers(second) == expected
            assert answers(first) == expected


def test_an_index_that_is_behind_catches_up(filled, expected):
    old = (filled / "index.sqlite").read_bytes()
    with Record.open(filled) as record:
        writer = record.begin(a_run(run_id="s"))
        writer.cell(a_cell("s", 9))
        writer.end("ok")
    (filled / "index.sqlite").write_bytes(old)
    with Record.open(filled) as record:
        assert [cell.seq for cell in record.cells("s")] == [9]
        assert [run.id for run in record.runs()] == ["r", "s"]


def test_an_index_that_is_ahead_forgets(filled):
    (filled / "runs" / "r.log").unlink()
    with Record.open(filled) as record:
        assert record.runs() == []
        assert record.task(digest(7)) is None
        assert record.counts().tasks == {}
        assert record.locate(digest(5)) is None


def test_a_log_that_became_shorter_is_read_again(filled):
    log = filled / "runs" / "r.log"
    data = log.read_bytes()
    log.write_bytes(data[: len(data) // 2])
    with Record.open(filled) as record:
        assert 0 < record.counts().tasks["done"] < 20
        assert len(record.dropped) == 1
        assert "run r" in record.dropped[0]
    with Record.open(filled) as record:
        assert record.dropped == []  # said once


def test_a_log_that_went_away_while_open(filled):
    with Record.open(filled) as record:
        (filled / "runs" / "r.log").unlink()
        assert record.task(digest(7)) is None
        assert list(record.traces(digest(1))) == []


def test_a_log_that_is_none(filled, expected):
    (filled / "runs" / "x.log").write_bytes(b"what is this, and who put it here?")
    with Record.open(filled) as record:
        assert answers(record) == expected
        assert ["run x was left out" in sentence for sentence in record.dropped] == [True]


def test_tasks_are_moved_in_batches(folder, monkeypatch):
    monkeypatch.setattr("nbrewind.record.catalog.FLUSH_ROWS", 16)
    with Record.open(folder) as record:
        writer = record.begin(a_run())
        for key in range(300):
            writer.task(a_task(writer.id, key))
        record._catalog.flush()
        for key in range(300, 310):
            writer.task(a_task(writer.id, key))
        assert all(record.task(digest(key)) for key in range(310))
        assert record.counts().tasks == {"done": 310}
    (folder / "index.sqlite").unlink()
    with Record.open(folder) as record:
        assert all(record.task(digest(key)) for key in range(310))


def test_a_folder_without_permissions(filled, expected, as_nobody):
    for path in [*filled.rglob("*"), filled]:
        path.chmod(path.stat().st_mode & ~0o222 | 0o444 | (0o111 if path.is_dir() else 0))

    def look():
        for readonly in (True, False):
            with Record.open(filled, readonly=readonly) as record:
                assert answers(record) == expected
                if not readonly:
                    with pytest.raises(RecordUnwritable, match=f"{filled}.*Permission denied"):
                        record.begin(a_run())
        with pytest.raises(RecordUnwritable, match="Permission denied"):
            Record.open(filled / "new.nbrewind")

    as_nobody(look)


@pytest.fixture
def as_nobody(tmp_path):
    if os.getuid():
        pytest.skip("needs root to become another user")

    def run(look):
        for parent in (tmp_path, *tmp_path.parents):
            if parent.stat().st_uid == os.getuid() and parent != parent.parent:
                parent.chmod(parent.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.setgid(65534)
                os.setuid(65534)
                look()
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0

    return run


class TestStoppedMachines:
    @staticmethod
    def mark(folder, boot):
        with sqlite3.connect(folder / "index.sqlite") as db:
            db.execute("INSERT INTO marks VALUES (?)", (boot,))
            db.execute("DELETE FROM tasks WHERE offset % 2")  # as pages that were lost
        db.close()

    def test_after_the_machine_stopped_the_index_is_made_again(self, filled, expected):
        self.mark(filled, "another boot")
        with Record.open(filled) as record:
            assert answers(record) == expected
            assert not record._catalog.index.unclean

    def test_a_process_that_died_does_not_matter(self, filled, expected, monkeypatch):
        inode = (filled / "index.sqlite").stat().st_ino
        with Record.open(filled) as record:
            record.begin(a_run("other.ipynb")).put(b"x")
            record._catalog.flush()
            with Record.open(filled) as other:
                assert not other._catalog.index.unclean
            monkeypatch.setattr(record._catalog.index, "_marked", False)
        with Record.open(filled) as record:
            assert answers(record)[1:] == expected[1:]
        assert (filled / "index.sqlite").stat().st_ino == inode

    def test_not_while_somebody_uses_it(self, filled):
        with Record.open(filled) as record:
            self.mark(filled, "the boot of another host")
            with Record.open(filled) as other:
                assert other._catalog.index.unclean
                assert len(list(other.traces(digest(1)))) == 3
            assert len(list(record.traces(digest(1)))) == 3

    def test_a_clean_end_leaves_no_mark(self, filled):
        db = sqlite3.connect(filled / "index.sqlite")
        assert db.execute("SELECT * FROM marks").fetchall() == []
        db.close()


def test_an_index_that_names_other_entries(filled):
    """Rows that lead to another task, cell or place are not believed."""
    db = sqlite3.connect(filled / "index.sqlite")
    (offset,) = db.execute("SELECT max(offset) FROM tasks").fetchone()
    db.execute("UPDATE OR REPLACE tasks SET key = ? WHERE offset = ?", (b"\x03" + bytes(20), offset))
    db.execute("UPDATE cells SET code = ?", (b"\x03" + bytes(20),))
    db.execute("UPDATE saved SET digest = ?", (b"\x03" + bytes(20),))
    db.execute("UPDATE blobs SET digest = ?", (b"\x03" + bytes(20),))
    db.commit()
    db.close()
    with Record.open(filled) as record:
        nothing = "b3:" + "0" * 40
        assert record.task(nothing) == record.task(digest(0)) != None  # noqa: E711
        assert record.task(nothing).key == nothing
        assert list(record.traces(nothing)) == []
        assert record.locate(nothing) is None
        with pytest.raises(RecordBroken):
            record.blob(nothing)
        with pytest.raises(KeyError):
            record.blob(nothing)
