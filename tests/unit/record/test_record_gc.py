import os
import time

import pytest
from record_samples import a_cell, a_run, a_task, digest

from nbrewind.errors import RecordBusy, RecordError, RecordUnwritable
from nbrewind.record.digests import digest_bytes
from nbrewind.record.model import AmbientWrite, Covariable, FileWrite, Location
from nbrewind.record.store import Record

BIG = 2_000_000


def big(letter):
    return letter * BIG


class Notebook:
    """A notebook that is run again and again; `fill` records what a run leaves."""

    def __init__(self, record):
        self.record = record
        self.count = 0

    def run(self, fill=None, started=None):
        self.count += 1
        writer = self.record.begin(a_run(run_id=f"r{self.count}", started=started or float(self.count)))
        if fill:
            fill(writer)
        writer.end("ok")
        return writer.id

    def checkpoint(self, writer, content, *digests, needs=()):
        name, path = writer.new_checkpoint()
        path.write_bytes(content)
        writer.commit_checkpoint(name)
        for one in digests:
            writer.saved(one, Location(name, one, len(content), needs))
        return name


@pytest.fixture
def notebook(record):
    return Notebook(record)


def test_newest_runs_stay(record, notebook, folder):
    for n in range(5):
        notebook.run(lambda writer, n=n: writer.cell(a_cell(writer.id, 1, outputs=writer.put(b"%d" % n))))
    before = record.counts()
    dry = record.gc(keep_runs=2, dry_run=True)
    assert record.counts() == before
    report = record.gc(keep_runs=2)
    assert report.runs == dry.runs == ("r1", "r2", "r3")
    assert report.kept == ("r4", "r5")
    assert dry.dry_run
    assert not report.dry_run
    assert dry.bytes_after == report.bytes_after == record.counts().log_bytes
    assert report.freed > 0
    for opened in (record, Record.open(folder)):
        assert [run.id for run in opened.runs()] == ["r4", "r5"]
        assert [opened.has_blob(digest_bytes(b"%d" % n)) for n in range(5)] == [False] * 3 + [True] * 2
        assert [cell.run for cell in opened.traces(digest(1))] == ["r5", "r4"]
        opened.close()


def test_old_runs_go(record, notebook):
    for age in (1000, 100, 1):
        notebook.run(started=time.time() - age)
        run = record._catalog.states
        assert run
    # ended just now, all of them: none is older than a minute
    assert record.gc(older_than=60).runs == ()
    time.sleep(0.02)
    assert record.gc(older_than=0.01).runs == ("r1", "r2", "r3")
    assert record.runs() == []


def test_until_it_is_small_enough(record, notebook):
    for letter in (b"a", b"b", b"c"):
        notebook.run(
            lambda writer, letter=letter: writer.cell(a_cell(writer.id, 1, outputs=writer.put(big(letter))))
        )
    assert record.gc(max_bytes=10 * BIG).runs == ()
    assert record.gc(max_bytes=int(2.5 * BIG)).runs == ("r1",)
    assert record.counts().objects == 2
    assert record.gc(max_bytes=0).runs == ("r2",)  # the newest stays
    assert record.blob(digest_bytes(big(b"c"))) == big(b"c")


def test_pinned_runs_and_content_stay(record, notebook):
    blob = digest_bytes(b"pinned")
    notebook.run(lambda writer: writer.put(b"pinned"))
    for _ in range(3):
        notebook.run(lambda writer: writer.cell(a_cell(writer.id, 1, outputs=writer.put(writer.id.encode()))))
    assert record.gc(keep_runs=1, pinned={"r2", blob}).kept == ("r2", "r4")
    assert record.blob(blob) == b"pinned"
    assert record.has_blob(digest_bytes(b"r2"))
    assert not record.has_blob(digest_bytes(b"r3"))


def test_shared_content_stays(record, notebook, tmp_path):
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "small").write_bytes(b"in a folder")
    (tmp_path / "dir" / "big").write_bytes(big(b"d"))
    contents = [b"output", b"ambient", b"task", b"stdout", b"environment", big(b"o")]

    def first(writer):
        for content in contents:
            writer.put(content)
        writer.put(b"only here")
        writer.put(big(b"x"))
        writer.put_file(tmp_path / "dir")

    def second(writer):
        out, ambient, task, stdout, environment, large = map(writer.put, contents)
        writer.cell(
            a_cell(
                writer.id,
                1,
                outputs=out,
                ambient=(AmbientWrite("random", digest(9), ambient),),
                files=(FileWrite("./f", large), FileWrite("./d", writer.put_file(tmp_path / "dir"))),
            )
        )
        writer.task(a_task(writer.id, 1, output=task, stdout=stdout, environment=environment))

    notebook.run(first)
    notebook.run(second)
    report = record.gc(keep_runs=1)
    assert (report.runs, report.objects) == (("r1",), 1)
    real = sum(path.stat().st_size for name in ("runs", "objects") for path in files(record.folder / name))
    assert 0 <= real - report.bytes_after < 100  # the pack's own header
    for content in contents:
        assert record.blob(digest_bytes(content)) == content
    assert not record.has_blob(digest_bytes(b"only here"))
    record.blob_to_file(record.cells("r2")[0].files[1].digest, tmp_path / "back", 0o755)
    assert (tmp_path / "back" / "small").read_bytes() == b"in a folder"
    assert (tmp_path / "back" / "big").read_bytes() == big(b"d")


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_checkpoints_stay_with_what_they_need(record, notebook):
    def first(writer):
        notebook.checkpoint(writer, b"base", digest(1), digest(2))
        notebook.checkpoint(writer, b"unused", digest(3))

    def second(writer):
        notebook.checkpoint(writer, b"delta", digest(4), needs=(digest(2),))
        writer.cell(a_cell(writer.id, 1, covariables=(Covariable(("x",), {"x": digest(4)}, digest(4)),)))

    notebook.run(first)
    notebook.run(second)
    report = record.gc(keep_runs=1)
    assert report.checkpoints == 1
    assert record.locate(digest(4)).needs == (digest(2),)
    assert record.locate(digest(2)).file == "r1-0001.h5"
    assert record.checkpoint_path("r1-0001.h5").read_bytes() == b"base"
    assert record.locate(digest(3)) is None
    assert not record.checkpoint_path("r1-0002.h5").exists()
    assert record.gc(keep_runs=0).checkpoints == 2
    assert files(record.folder / "checkpoints") == []


def test_tasks_that_a_kept_run_was_served_stay(record, notebook):
    def first(writer):
        for key in (1, 2, 3):
            writer.task(a_task(writer.id, key, output=writer.put(b"result %d" % key)))

    def second(writer):
        assert record.task(digest(1))
        assert record.task(digest(2))
        writer.cell(a_cell(writer.id, 1))

    notebook.run(first)
    notebook.run(second)
    for _ in range(3):
        record.gc(keep_runs=1)
        assert record.blob(record.task(digest(1)).output) == b"result 1"
        assert record.task(digest(2))
        assert record.task(digest(3)) is None
        assert list(record.tasks("r1")) == []
        assert len(list(record.tasks())) == 2


def test_what_a_kept_run_was_restored_from_stays(record, notebook):
    def zeroth(writer):
        writer.task(a_task(writer.id, 10))
        writer.task(a_task(writer.id, 11))

    def first(writer):
        assert record.task(digest(10))
        for key, cell_id in ((1, "c1"), (2, "c2")):
            writer.task(a_task(writer.id, key, cell_id=cell_id))
        writer.task(a_task(writer.id, 3, cell_id="c1", status="failed"))
        writer.cell(a_cell(writer.id, 1, outputs=writer.put(b"one")))
        writer.cell(a_cell(writer.id, 2))

    def restored(writer):
        writer.cell(a_cell(writer.id, 1, outputs=digest_bytes(b"one"), action="restored", origin="r2/1"))

    notebook.run(zeroth)
    notebook.run(first)
    for n in range(4):
        notebook.run(restored)
        record.gc(keep_runs=1)
        assert [run.id for run in record.runs()] == [f"r{n + 3}"]
        assert record.cell("r2", 1).cell_id == "c1"
        assert record.cells("r2")[1:] == []
        assert record.blob(digest_bytes(b"one")) == b"one"
        assert {t.key for t in record.tasks()} == {digest(1), digest(10)}
        assert len(list(record.traces(digest(1)))) == 2
    notebook.run()
    record.gc(keep_runs=1)
    assert list(record.tasks()) == []
    assert not record.has_blob(digest_bytes(b"one"))
    assert [path.name for path in files(record.folder / "runs")] == [f"r{notebook.count}.log"]


def test_a_pack_that_is_all_needed_is_left_alone(record, notebook):
    notebook.run(lambda writer: writer.put(b"shared"))
    notebook.run(lambda writer: writer.cell(a_cell(writer.id, 1, outputs=writer.put(b"shared"))))
    record.gc(keep_runs=1)
    packs = sorted(path.name for path in files(record.folder / "runs"))
    record.gc(keep_runs=1)
    assert sorted(path.name for path in files(record.folder / "runs")) == packs
    assert len(packs) == 2


def test_another_record_that_is_open(record, notebook, folder):
    notebook.run(lambda writer: writer.task(a_task(writer.id, 1, stdout=writer.put(b"shared"))))
    notebook.run(lambda writer: writer.task(a_task(writer.id, 2, stdout=writer.put(b"shared"))))
    with Record.open(folder) as other, Record.open(folder, readonly=True) as reader:
        record.gc(keep_runs=1)
        for opened in (other, reader):
            assert opened.task(digest(1)) is None
            assert opened.task(digest(2)) is not None
            assert opened.blob(digest_bytes(b"shared")) == b"shared"
            assert [run.id for run in opened.runs()] == ["r2"]
            assert opened.counts().tasks == {"done": 1}


def test_leftovers_go(record, notebook, folder):
    notebook.run()
    for name in (
        "objects/ab/.new.1234.tmp",
        "checkpoints/.r1-0001.h5.tmp",
        "runs/.pack-1.log.tmp",
        "objects/ab/cd",
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    record.gc()
    assert [path.name for path in files(folder / "runs")] == ["r1.log"]
    assert files(folder / "checkpoints") == []
    assert not (folder / "objects/ab/.new.1234.tmp").exists()
    assert (folder / "objects/ab/cd").exists()  # whatever that is, it is not ours


def test_nobody_records_meanwhile(record, notebook, folder):
    writer = record.begin(a_run("other.ipynb"))
    for opened in (record, Record.open(folder)):
        with pytest.raises(RecordBusy, match=f"process {os.getpid()}.*{writer.id}"):
            opened.gc(keep_runs=0)
        assert opened.gc(keep_runs=0, dry_run=True).runs == (writer.id,)
    writer.end("ok")
    opened.close()
    assert record.gc(keep_runs=0).runs == (writer.id,)


def test_not_in_a_readonly_record(record, folder):
    record.begin(a_run(run_id="r")).end("ok")
    with Record.open(folder, readonly=True) as reader:
        with pytest.raises(RecordError, match="read-only"):
            reader.gc(keep_runs=0)
        assert reader.gc(keep_runs=0, dry_run=True).runs == ("r",)


def test_a_full_disk_loses_nothing(record, notebook, monkeypatch):
    notebook.run(lambda writer: writer.put(b"shared"))
    notebook.run(lambda writer: writer.cell(a_cell(writer.id, 1, outputs=writer.put(b"shared"))))

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwritev", full)
        with pytest.raises(RecordUnwritable, match="No space left"):
            record.gc(keep_runs=1)
    assert len(record.runs()) == 2
    assert record.blob(digest_bytes(b"shared")) == b"shared"
    assert sorted(path.name for path in files(record.folder / "runs")) == ["r1.log", "r2.log"]
    record.gc(keep_runs=1)
    assert record.blob(digest_bytes(b"shared")) == b"shared"


def test_an_interrupted_run_is_a_run(record, folder):
    record.begin(a_run(run_id="r")).put(b"x")
    record.close()
    with Record.open(folder) as again:
        assert again.gc(keep_runs=1).kept == ("r",)
        assert again.gc(keep_runs=0).runs == ("r",)
        assert files(folder / "runs") == []
