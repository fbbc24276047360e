"""What audit events say of the files that a cell reads and writes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nbrewind.cells.files import FilesWatch
from nbrewind.cells.paths import Paths
from nbrewind.record.digests import digest_file


def digest(path: str):
    return digest_file(path) if os.path.isfile(path) else None


@pytest.fixture
def watch(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = FilesWatch(Paths(tmp_path, (tmp_path / "nb.nbrewind",)), digest)
    made.install()
    made.start()
    yield made
    made.stop()


def names(paths):
    return sorted(os.path.basename(path) for path in paths)


def test_read_and_written(watch, tmp_path):
    Path("in.txt").write_text("1")
    watch.stop()
    watch.start()
    Path("out.txt").write_text(Path("in.txt").read_text())
    seen = watch.stop()
    assert names(seen.reads) == ["in.txt"]
    assert names(seen.writes) == ["out.txt"]
    assert seen.relative


def test_appending_depends_on_what_was_there(watch):
    with open("log.txt", "a") as file:
        file.write("x")
    seen = watch.stop()
    assert list(seen.reads.values()) == [None]
    assert names(seen.writes) == ["log.txt"]


def test_reading_what_the_cell_itself_wrote_is_no_evidence(watch):
    Path("made.txt").write_text("x")
    Path("made.txt").read_text()
    assert watch.stop().reads == {}


def test_read_before_written_counts_as_it_was(watch):
    Path("f.txt").write_text("old")
    watch.stop()
    watch.start()
    before = digest("f.txt")
    Path("f.txt").read_text()
    Path("f.txt").write_text("new")
    assert list(watch.stop().reads.values()) == [before]


def test_removed_and_renamed(watch):
    Path("a.txt").write_text("a")
    Path("b.txt").write_text("b")
    watch.stop()
    watch.start()
    os.remove("a.txt")
    os.rename("b.txt", "c.txt")
    assert names(watch.stop().writes) == ["a.txt", "b.txt", "c.txt"]


def test_child_processes(watch, tmp_path):
    Path("in.txt").write_text("1")
    watch.stop()
    watch.start()
    subprocess.run([sys.executable, "-c", "open('made.txt', 'w').write(open('in.txt').read())"], check=True)
    seen = watch.stop()
    assert seen.children
    assert "in.txt" in names(seen.reads)
    assert names(seen.writes) == ["made.txt"]


def test_the_log_that_the_output_goes_to_is_no_data(tmp_path):
    program = """if True:
        import subprocess, sys
        from nbrewind.cells.files import FilesWatch
        from nbrewind.cells.paths import Paths
        from nbrewind.record.digests import FileDigests
        watch = FilesWatch(Paths(sys.argv[1]), FileDigests().of)
        watch.install()
        watch.start()
        print("a line of the log", flush=True)
        subprocess.run(["true"], check=True)
        seen = watch.stop()
        assert not seen.writes and not seen.reads, seen
    """
    with open(tmp_path / "run.log", "w") as log:
        subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=tmp_path, stdout=log, check=True)


def test_listings(watch, tmp_path):
    os.listdir(".")
    assert watch.stop().listings == {os.path.realpath(tmp_path)}


def test_software_and_caches_are_no_data(watch, tmp_path):
    Path(os.__file__).read_bytes()
    folder = tmp_path / "nb.nbrewind"
    folder.mkdir()
    (folder / "x").write_text("own")
    seen = watch.stop()
    assert seen.reads == {}
    assert seen.writes == set()


def test_symbolic_paths(tmp_path, monkeypatch):
    home = tmp_path / "home"
    (home / "work").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    paths = Paths(home / "work")
    for real, symbolic in (
        (home / "work" / "a", "./a"),
        (home / "b", "~/b"),
        (Path("/srv/c"), "/srv/c"),
    ):
        assert paths.symbolic(str(real)) == symbolic
        assert paths.real(symbolic) == os.path.realpath(real)


def test_a_pipe_is_never_the_same_twice(watch, tmp_path):
    os.mkfifo("gate")
    end = os.open("gate", os.O_RDWR)
    os.write(end, b"word\n")
    watch.stop()
    watch.start()
    with open("gate") as file:
        assert file.readline() == "word\n"
    os.close(end)
    seen = watch.stop()
    assert "gate" in seen.open
    assert not names(seen.reads)
