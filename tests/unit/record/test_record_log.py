import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbrewind.errors import RecordBroken, RecordTooNew
from nbrewind.record import log as logs
from nbrewind.record.log import Damage, Frame, LogReader, LogWriter

ENTRIES = [(logs.RUN, b'{"id":"r"}'), (logs.BLOB, b"d" * 20 + b"content" * 9), (logs.TASK, b'{"key":"k"}')]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "r.log"


def write(path, entries=ENTRIES):
    writer = LogWriter(path)
    offsets = [writer.append(kind, payload) for kind, payload in entries]
    writer.close()
    return offsets


def scan(path, start=logs.START):
    reader = LogReader(path)
    try:
        return list(reader.scan(start))
    finally:
        reader.close()


@given(
    st.lists(
        st.tuples(st.sampled_from([logs.CELL, logs.TASK, logs.SAVED]), st.binary(max_size=5000)), max_size=20
    )
)
def test_entries_come_back(tmp_path_factory, entries):
    path = tmp_path_factory.mktemp("log") / "r.log"
    offsets = write(path, entries)
    assert [(frame.kind, frame.payload) for frame in scan(path)] == entries
    assert [frame.offset for frame in scan(path)] == offsets
    reader = LogReader(path)
    assert [(reader.read(o).kind, reader.read(o).payload) for o in offsets] == entries
    reader.close()


def test_content_is_passed_over_and_read_when_asked(path):
    offsets = write(path)
    assert scan(path)[1].payload[:20] == b"d" * 20
    reader = LogReader(path)
    assert reader.read(offsets[1]).payload == ENTRIES[1][1]
    reader.close()


def test_entries_larger_than_the_window(path):
    entries = [(logs.CELL, os.urandom(3_000_000)), (logs.BLOB, os.urandom(1_500_000)), (logs.TASK, b"{}")]
    write(path, entries)
    assert [frame.size for frame in scan(path)] == [len(payload) for _, payload in entries]


def test_a_tail_torn_at_any_byte(path):
    offsets = write(path)
    whole = path.read_bytes()
    for cut in range(offsets[2], len(whole)):
        path.write_bytes(whole[:cut])
        found = scan(path)
        assert [f.kind for f in found[:2]] == [logs.RUN, logs.BLOB]
        assert found[2:] == ([] if cut == offsets[2] else [Damage(offsets[2], cut, torn=True)])


def test_any_damaged_byte_costs_one_entry(path):
    offsets = write(path, [(logs.CELL, b"1" * 30), (logs.CELL, b"2" * 30), (logs.CELL, b"3" * 30)])
    whole = path.read_bytes()
    for at in range(offsets[1], offsets[2]):
        damaged = bytearray(whole)
        damaged[at] ^= 0x5A
        path.write_bytes(damaged)
        found = scan(path)
        if len(found) == 3 and isinstance(found[1], Frame):
            assert (
                HEADER_PADDING.start <= at - offsets[1] < HEADER_PADDING.stop
            )  # reserved bytes mean nothing
            continue
        assert [type(f) for f in found] == [Frame, Damage, Frame]
        assert found[1] == Damage(offsets[1], offsets[2], torn=False)


HEADER_PADDING = slice(5, 8)


def test_zeros_at_the_end_are_a_torn_tail(path):
    offsets = write(path)
    with open(path, "r+b") as file:
        file.seek(offsets[2])
        file.write(bytes(os.path.getsize(path) - offsets[2]))
    assert scan(path)[2].torn


def test_damaged_content_near_the_end_is_noticed(path):
    offsets = write(path)
    with open(path, "r+b") as file:
        file.seek(offsets[1] + logs.HEADER.size + 40)
        file.write(b"\0\0\0")
    assert isinstance(scan(path)[1], Damage)


def test_a_log_inside_a_blob_is_content(path, tmp_path):
    inner = tmp_path / "inner.log"
    write(inner)
    offsets = write(path, [(logs.BLOB, b"d" * 20 + inner.read_bytes()), (logs.TASK, b"{}")])
    with open(path, "r+b") as file:
        file.seek(offsets[0])
        file.write(b"\0")
    assert scan(path) == [Damage(offsets[0], offsets[1], torn=False), Frame(offsets[1], logs.TASK, 2, b"{}")]


def test_reading_what_is_no_entry(path):
    offsets = write(path)
    reader = LogReader(path)
    for bad in (offsets[1] + 1, offsets[2] + 10_000, 0):
        with pytest.raises(RecordBroken, match="no sound entry"):
            reader.read(bad)
    reader.close()


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", RecordBroken),
        (b"nbrewind", RecordBroken),
        (b"something else that is long enough", RecordBroken),
        (b"nbrewind log 2\n\0" + bytes(8), RecordTooNew),
    ],
)
def test_other_files(path, content, error):
    path.write_bytes(content)
    with pytest.raises(error, match=r"r\.log"):
        LogReader(path)


class Disk:
    """Stands in for `os.pwritev`: takes so many bytes, then is full."""

    def __init__(self, room):
        self.room = room

    def __call__(self, fd, parts, offset):
        data = b"".join(parts)[: self.room]
        if not data:
            raise OSError(28, "No space left on device")
        self.room -= len(data)
        return os.pwrite(fd, data, offset)


@pytest.mark.parametrize("room", [0, 1, 10, 24, 30])
def test_a_full_disk_leaves_the_log_as_it_was(path, monkeypatch, room):
    writer = LogWriter(path)
    writer.append(logs.CELL, b"1" * 30)
    real = os.pwrite
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwritev", Disk(room))
        patch.setattr(
            os, "pwrite", lambda fd, data, offset: full() if len(data) > room else real(fd, data, offset)
        )
        with pytest.raises(OSError, match="No space"):
            writer.append(logs.CELL, b"2" * 300)
    assert [frame.payload for frame in scan(path)] == [b"1" * 30]
    writer.append(logs.CELL, b"3")
    writer.close()
    assert [frame.payload for frame in scan(path)] == [b"1" * 30, b"3"]


def full():
    raise OSError(28, "No space left on device")


def test_what_cannot_be_cut_off_now_is_cut_off_later(path, monkeypatch):
    writer = LogWriter(path)
    writer.append(logs.CELL, b"1" * 30)
    real = os.pwrite
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwritev", Disk(100))
        patch.setattr(
            os, "pwrite", lambda fd, data, offset: full() if len(data) > 100 else real(fd, data, offset)
        )
        patch.setattr(os, "ftruncate", lambda fd, size: full())
        with pytest.raises(OSError, match="No space"):
            writer.append(logs.CELL, b"2" * 300)
        with pytest.raises(OSError, match="No space"):
            writer.append(logs.CELL, b"2")
    assert scan(path)[1].torn
    writer.append(logs.CELL, b"3")
    writer.close()
    assert [frame.payload for frame in scan(path)] == [b"1" * 30, b"3"]
