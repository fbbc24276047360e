"""Checkpoints that were cut short, edited or replaced are noticed before any value of theirs is used."""

from __future__ import annotations

import json
import os
import random
import shutil

import pytest
from conftest import Kernel

from nbrewind.errors import NbrewindError, RecordBroken, RecordTooNew
from nbrewind.state.checkpoint import CheckpointReader

CELL = (
    "import numpy as np, pandas as pd\n"
    "x = np.arange(300_000.); y = {'s': np.ones(900), 'l': [1, 'two']}; df = pd.DataFrame({'a': np.arange(60_000)}); z = list(range(99))"
)
NAMES = ("x", "y", "df", "z")


@pytest.fixture
def saved(notebook, shelf):
    known = notebook.run(CELL).save(*NAMES)
    assert not notebook.problems
    return known


def path_of(shelf):
    return shelf.folder / shelf.committed[0]


def outcome(shelf, known, name):
    """Loads equal, or is refused: never anything else."""
    kernel = Kernel(shelf, known)
    try:
        kernel.restore(name)
    except NbrewindError as error:
        assert "Error" not in str(error) or "does not load" in str(error)
        return "refused"
    assert kernel.covariables(name)[name] == known[name]
    return "equal"


@pytest.mark.parametrize("seed", range(60))
def test_flipped_bits(saved, shelf, seed):
    path = path_of(shelf)
    data = bytearray(path.read_bytes())
    generator = random.Random(seed)
    spots = range(4096) if seed < 10 else range(len(data))
    for _ in range(1 if seed % 2 else 20):
        data[generator.choice(spots)] ^= 1 << generator.randrange(8)
    path.write_bytes(data)
    assert {outcome(shelf, saved, name) for name in NAMES} <= {"equal", "refused"}


def test_a_flipped_bit_in_mapped_memory(saved, shelf):
    path = path_of(shelf)
    place = CheckpointReader(path).index.buffers[next(iter(shelf.places[saved["x"].digest].needs))]
    with open(path, "r+b") as file:
        file.seek(place.offset + 1_234_567)
        file.write(b"\xff")
    assert outcome(shelf, saved, "x") == "refused"
    assert outcome(shelf, saved, "z") == "equal"


@pytest.mark.parametrize("keep", [0, 1, 100, 4096, 4097, 0.3, 0.9, 0.999])
def test_cut_short(saved, shelf, keep):
    path = path_of(shelf)
    size = path.stat().st_size
    os.truncate(path, int(size * keep) if keep < 1 else keep)
    with pytest.raises(RecordBroken, match=r"checkpoint c0000.* cannot be used"):
        Kernel(shelf, saved).restore("x")


def test_replaced_by_another(saved, shelf):
    path_of(shelf).write_bytes(b"something else" * 1000)
    with pytest.raises(RecordBroken, match="does not start as one"):
        Kernel(shelf, saved).restore("x")


def test_gone(saved, shelf):
    path_of(shelf).unlink()
    with pytest.raises(RecordBroken, match="cannot be opened: No such file"):
        Kernel(shelf, saved).restore("x")


def test_of_a_newer_version(saved, shelf):
    path = path_of(shelf)
    data = path.read_bytes()
    path.write_bytes(data.replace(b'{"schema": 1', b'{"schema": 9', 1))
    with pytest.raises(RecordTooNew, match="has schema 9; this nbrewind reads up to 1"):
        Kernel(shelf, saved).restore("x")


def test_copied_files_are_whole(saved, shelf):
    path = path_of(shelf)
    shutil.copy(path, path.with_suffix(".copy"))
    os.replace(path.with_suffix(".copy"), path)
    assert not CheckpointReader(path).untouched
    assert [outcome(shelf, saved, name) for name in NAMES] == ["equal"] * 4


def test_untouched_files_are_known_as_such(saved, shelf):
    assert CheckpointReader(path_of(shelf)).untouched


def test_what_hides_its_change_is_found_on_request(saved, shelf):
    path = path_of(shelf)
    stat = path.stat()
    place = CheckpointReader(path).index.buffers[next(iter(shelf.places[saved["x"].digest].needs))]
    with open(path, "r+b") as file:
        file.seek(place.offset + 1_234_567)
        file.write(b"\xff")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with pytest.raises(RecordBroken, match="is damaged"):
        Kernel(shelf, saved, verify=True).restore("x")


def test_another_file_under_the_name(saved, notebook, shelf):
    notebook.run("x = np.zeros(300_000)").save("x")
    os.replace(shelf.folder / shelf.committed[1], path_of(shelf))
    assert outcome(shelf, saved, "x") == "refused"


def test_the_base_of_changes_is_gone(notebook, shelf):
    notebook.run("import numpy as np; x = np.arange(1_000_000.)").save("x")
    known = notebook.run("x[3] = 0").save("x")
    path_of(shelf).unlink()
    with pytest.raises(RecordBroken):
        Kernel(shelf, known).restore("x")


def test_the_header_says_what_it_is(saved, shelf):
    head = path_of(shelf).read_bytes()[:4096].split(b"\n")
    assert head[0] == b"nbrewind checkpoint"
    assert set(json.loads(head[1])) == {"schema", "index", "size", "modified"}
