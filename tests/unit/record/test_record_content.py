"""Digests, content, files and folders."""

import json
import os
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from record_samples import a_run

from nbrewind.errors import RecordBroken
from nbrewind.record import digests as digests_module
from nbrewind.record.digests import FileDigests, digest_bytes, digest_file
from nbrewind.record.store import Record
from nbrewind.record.trees import TREE_MAGIC, parse

BIG = os.urandom(3_000_000)


@pytest.fixture
def writer(record):
    return record.begin(a_run())


def test_the_digest_is_blake3_cut_to_160_bits(tmp_path):
    assert digest_bytes(b"") == "b3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9"  # BLAKE3's own test vector
    path = tmp_path / "f"
    path.write_bytes(BIG)
    assert (
        digest_file(path)
        == digest_bytes(BIG)
        == digest_bytes(memoryview(BIG))
        == digest_bytes(bytearray(BIG))
    )


def test_views_that_are_not_contiguous():
    assert digest_bytes(memoryview(b"abcdef")[::2]) == digest_bytes(b"ace")


@pytest.mark.parametrize(
    "data", [b"", b"x", b"x" * (1 << 20), b"x" * ((1 << 20) + 1), BIG, TREE_MAGIC + b"[]"]
)
def test_content_comes_back_and_is_kept_once(record, writer, folder, data, tmp_path):
    digest = writer.put(data)
    assert digest == digest_bytes(data)
    size = record.counts().total_bytes
    assert writer.put(data) == digest
    source = tmp_path / "source"
    source.write_bytes(data)
    assert writer.put_file(source) == digest
    assert record.counts().total_bytes == size
    assert record.has_blob(digest)
    assert record.blob(digest) == data
    assert (record.counts().objects == 1) == (len(data) > 1 << 20)
    with Record.open(folder, readonly=True) as other:
        assert other.blob(digest) == data


def test_absent_content(record, tmp_path):
    for absent in (digest_bytes(b"absent"), "", "b3:", "x", "b3:../../etc/passwd"):
        assert not record.has_blob(absent)
        with pytest.raises(KeyError):
            record.blob(absent)
        with pytest.raises(KeyError):
            record.blob_to_file(absent, tmp_path / "out", 0o644)
    assert list(tmp_path.glob("*out*")) == []


@pytest.mark.parametrize("data", [b"small", BIG])
def test_content_as_a_file(record, writer, tmp_path, data):
    digest = writer.put(data)
    target = tmp_path / "sub" / "out.bin"
    record.blob_to_file(digest, target, 0o750)
    assert target.read_bytes() == data
    assert target.stat().st_mode & 0o7777 == 0o750
    assert target.stat().st_nlink == 1
    with open(target, "r+b") as file:
        file.write(b"edited in place")
    assert record.blob(digest) == data
    record.blob_to_file(digest, target, 0o644)
    assert target.read_bytes() == data
    assert os.listdir(target.parent) == ["out.bin"]


@pytest.mark.parametrize("data", [b"small" * 100, BIG])
def test_damaged_content_is_named_and_can_be_stored_again(record, writer, folder, tmp_path, data):
    digest = writer.put(data)
    for path in [*folder.glob("runs/*"), *folder.glob("objects/*/*")]:
        content = bytearray(path.read_bytes())
        at = content.find(data[:50])
        if at >= 0:
            content[at + 60] ^= 1
            path.write_bytes(content)
    with pytest.raises(RecordBroken, match=digest):
        record.blob(digest)
    assert not record.has_blob(digest)
    with pytest.raises(KeyError):
        record.blob_to_file(digest, tmp_path / "out", 0o644)
    assert writer.put(data) == digest
    assert record.blob(digest) == data


def test_damaged_objects_do_not_become_files(record, writer, folder, tmp_path):
    digest = writer.put(BIG)
    (path,) = folder.glob("objects/*/*")
    path.write_bytes(BIG[:-1] + b"?")
    target = tmp_path / "out"
    target.write_text("old")
    with pytest.raises(RecordBroken):
        record.blob_to_file(digest, target, 0o644)
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["nb.nbrewind", "out"] or set(os.listdir(tmp_path)) == {
        "nb.nbrewind",
        "out",
    }


def make_tree(root: Path) -> None:
    (root / "sub" / "empty").mkdir(parents=True)
    (root / "a.txt").write_text("a")
    (root / "sub" / "big").write_bytes(BIG)
    (root / "sub" / "run.sh").write_text("#!/bin/sh\n")
    (root / "sub" / "run.sh").chmod(0o755)
    (root / "link").symlink_to("a.txt")
    (root / "odd \udcff name").write_text("odd")


def listing(root: Path) -> dict[str, object]:
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = os.readlink(path)
        elif path.is_dir():
            found[name] = None
        else:
            found[name] = (path.read_bytes(), bool(path.stat().st_mode & 0o100))
    return found


def test_a_folder_comes_back(record, writer, tmp_path):
    source, target = tmp_path / "source", tmp_path / "deep" / "target"
    make_tree(source)
    digest = writer.put_file(source)
    assert digest == digest_file(source) == FileDigests(record).of(source)
    for _ in range(2):
        record.blob_to_file(digest, target, 0o755)
        assert listing(target) == listing(source)
        (target / "extra").write_text("goes")
    target2 = tmp_path / "file"
    target2.write_text("a file is in the way")
    record.blob_to_file(digest, target2, 0o755)
    assert listing(target2) == listing(source)
    record.blob_to_file(writer.put(b"back"), target2, 0o644)
    assert target2.read_bytes() == b"back"


def test_a_folders_digest_is_its_content(tmp_path):
    for name in ("one", "two"):
        make_tree(tmp_path / name)
    os.utime(tmp_path / "two" / "a.txt", (1, 1))
    one = digest_file(tmp_path / "one")
    assert one == digest_file(tmp_path / "two")
    (tmp_path / "two" / "a.txt").chmod(0o755)
    assert one != digest_file(tmp_path / "two")
    (tmp_path / "two" / "a.txt").chmod(0o600)
    assert one == digest_file(tmp_path / "two")
    (tmp_path / "two" / "sub" / "empty" / "x").touch()
    assert one != digest_file(tmp_path / "two")
    os.mkfifo(tmp_path / "one" / "fifo")
    assert one == digest_file(tmp_path / "one")


@pytest.mark.parametrize(
    "rows",
    [
        [["../x", "f", "d"]],
        [["/etc/x", "f", "d"]],
        [["a/../../x", "d", ""]],
        [["", "d", ""]],
        [["a", "p", ""]],
        [["a", "l", "/etc"], ["a/passwd", "f", "d"]],
        [["a"]],
        [[1, "f", "d"]],
        {"a": 1},
        5,
    ],
)
def test_a_manifest_that_leads_elsewhere(rows):
    with pytest.raises(RecordBroken):
        parse(TREE_MAGIC + json.dumps(rows).encode())


@given(st.binary(max_size=100))
def test_any_manifest_parses_or_is_broken(data):
    try:
        parse(TREE_MAGIC + data)
    except RecordBroken:
        pass


class TestFileDigests:
    @pytest.fixture
    def reads(self, monkeypatch):
        seen = []
        real = digests_module.digest_file
        monkeypatch.setattr(
            digests_module, "digest_file", lambda path: (seen.append(str(path)), real(path))[1]
        )
        return seen

    @staticmethod
    def old_file(path, data=BIG, age=10.0):
        path.write_bytes(data)
        when = time.time() - age
        os.utime(path, (when, when))
        return path

    @pytest.fixture(autouse=True)
    def clock(self, monkeypatch):
        """Times of change (ctime) cannot be set: look from the future."""
        self.ahead = 3.0
        real = time.time
        monkeypatch.setattr(digests_module.time, "time", lambda: real() + self.ahead)

    def test_absent(self, record, tmp_path):
        files = FileDigests(record)
        assert files.of(tmp_path / "none") is None
        (tmp_path / "f").touch()
        assert files.of(tmp_path / "f" / "below") is None
        os.mkfifo(tmp_path / "fifo")
        assert files.of(tmp_path / "fifo") is None
        (tmp_path / "dangling").symlink_to("nowhere")
        assert files.of(tmp_path / "dangling") is None

    def test_unchanged_files_are_read_once(self, record, tmp_path, reads):
        path = self.old_file(tmp_path / "f")
        files = FileDigests(record)
        assert files.of(path) == files.of(str(path)) == digest_bytes(BIG)
        assert len(reads) == 1

    def test_in_the_next_session_too(self, record, folder, tmp_path, reads):
        path = self.old_file(tmp_path / "f")
        FileDigests(record).of(path)
        assert FileDigests(record).of(path) == digest_bytes(BIG)
        record.close()
        with Record.open(folder) as again:
            assert FileDigests(again).of(path) == digest_bytes(BIG)
        assert len(reads) == 1

    @pytest.mark.parametrize("change", ["content", "size", "inode", "mtime kept"])
    def test_changed_files_are_read_again(self, record, tmp_path, reads, change):
        path = self.old_file(tmp_path / "f", b"before")
        files = FileDigests(record)
        assert files.of(path) == digest_bytes(b"before")
        before = path.stat()
        time.sleep(0.02)
        new = b"after!" if change != "size" else b"other size"
        if change == "inode":
            path.rename(tmp_path / "g")
        path.write_bytes(new)
        if change != "content":
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert files.of(path) == digest_bytes(new)

    def test_a_fresh_file_is_not_trusted(self, record, tmp_path, reads):
        self.ahead = 0.0
        path = tmp_path / "f"
        path.write_bytes(b"one")
        files = FileDigests(record)
        files.of(path)
        files.of(path)
        assert len(reads) == 2
        self.ahead = 3.0  # later
        files.of(path)
        files.of(path)
        assert len(reads) == 3

    def test_a_file_from_the_future_is_not_trusted(self, record, tmp_path, reads):
        path = self.old_file(tmp_path / "f", age=-1000)
        files = FileDigests(record)
        files.of(path)
        files.of(path)
        assert len(reads) == 2

    def test_a_file_that_changes_meanwhile_is_not_remembered(self, record, tmp_path, monkeypatch):
        path = self.old_file(tmp_path / "f")
        count = iter(range(100))
        real = digests_module.digest_file
        monkeypatch.setattr(
            digests_module,
            "digest_file",
            lambda p: (real(p), self.old_file(path, b"%d" % next(count), age=5))[0],
        )
        files = FileDigests(record)
        files.of(path)
        assert files._known == {}

    def test_without_a_record(self, tmp_path):
        path = self.old_file(tmp_path / "f")
        assert FileDigests().of(path) == digest_bytes(BIG)


def test_a_file_that_cannot_be_read(writer, tmp_path):
    with pytest.raises(FileNotFoundError):
        writer.put_file(tmp_path / "none")


def test_a_file_that_grows_while_it_is_stored(record, writer, tmp_path):
    path, stop = tmp_path / "f", threading.Event()
    path.write_bytes(BIG)

    def grow():
        with open(path, "ab", buffering=0) as file:
            while not stop.is_set():
                file.write(b"x" * 4096)
                time.sleep(0.0005)

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        for _ in range(5):
            digest = writer.put_file(path)
            assert digest_bytes(record.blob(digest)) == digest
    finally:
        stop.set()
        thread.join()
