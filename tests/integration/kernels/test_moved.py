"""A notebook that is copied with its record to another folder, and repeated there with another home folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.lab import Lab

pytestmark = pytest.mark.xdist_group("moved")

RELATIVE = {
    "start": "import os, sys, json, glob\nimport numpy as np\nfrom pathlib import Path",
    "read": "text = open('data/a.txt').read(); text",
    "library": "values = np.loadtxt('data/numbers.txt'); values.sum()",
    "listing": "sorted(os.listdir('data')) + sorted(glob.glob('data/*.txt'))",
    "module": "import helper\nhelper.double(3)",
    "write": "Path('out').mkdir(exist_ok=True); np.save('out/z.npy', values * 2)",
    "back": "np.load('out/z.npy')",
    "folder": "os.chdir('data'); s = open('a.txt').read(); os.chdir('..'); s",
    "path": "sys.path.append('lib'); import extra; extra.triple(2)",
    "child": "!cat data/a.txt",
    "linked": "open('link.txt').read()",
    "function": "def load(name):\n    return Path('data', name).read_text()",
    "call": "load('a.txt')",
}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Makes a folder the home folder of kernels that start from now on."""

    def settle(name):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        monkeypatch.setenv("HOME", str(folder))
        return folder

    settle("alice")
    return settle


@pytest.fixture
def furnished(lab, home):
    (lab.folder / "data").mkdir()
    (lab.folder / "lib").mkdir()
    (lab.folder / "data" / "a.txt").write_text("alpha")
    (lab.folder / "data" / "numbers.txt").write_text("1 2 3")
    (lab.folder / "helper.py").write_text("def double(x):\n    return 2 * x\n")
    (lab.folder / "lib" / "extra.py").write_text("def triple(x):\n    return 3 * x\n")
    (lab.folder / "link.txt").symlink_to("data/a.txt")
    return lab


def carried(lab: Lab, folder: Path, *, leave: bool = False) -> Lab:
    """The lab's folder, with its record, somewhere else."""
    folder.mkdir(parents=True)
    other = Lab(folder)
    shutil.copytree(lab.folder, other.folder, symlinks=True, dirs_exist_ok=True)
    if not leave:
        shutil.rmtree(lab.folder)
    other.cells, other.tags = dict(lab.cells), dict(lab.tags)
    return other


def test_what_is_named_by_relative_paths_is_restored_elsewhere(furnished, tmp_path, home):
    first = furnished.write(**RELATIVE).audit()
    home("bob")
    there = carried(furnished, tmp_path / "some" / "where" / "else")
    result = there.repeat()
    assert result.executed == [], [cell for cell in result.outcome.cells if cell["because"]]
    assert result.outputs == first.outputs == there.clean()

    (there.folder / "data" / "a.txt").write_text("beta")
    edited = there.edit(back="np.load('out/z.npy') + 1").repeat()
    assert set(edited.executed) == {"read", "folder", "child", "linked", "call", "back"}
    assert edited.outputs == there.clean()


LOCATED = {
    "start": "import os, sys\nfrom pathlib import Path",
    "show": "print(os.getcwd(), Path.cwd().name, len(os.getcwd()))",
    "root": "ROOT = Path.cwd()",
    "use": "(ROOT / 'data' / 'a.txt').read_text()",
    "length": "len(str(ROOT))",
    "home": "print(Path.home(), os.path.expanduser('~/x'), os.environ['HOME'])",
    "module": "import where\nwhere.DATA",
    "method": "where.folder()",
    "path": "sys.path.append(os.path.abspath('lib')); sys.path[-1]",
    "config": "config = {'root': os.path.abspath('data'), 'n': 3}",
    "part": "config['root'][-6:], config['n']",
    "child": "!basename $PWD",
    "magic": "%pwd",
    "warning": "import warnings; warnings.warn_explicit('w', UserWarning, os.path.realpath('f.py'), 1)",
    "file": "f = open('data/a.txt'); f.name",
    "plain": "sum(range(10))",
}


def test_what_knows_where_it_runs_runs_again_elsewhere(furnished, tmp_path, home):
    (furnished.folder / "where.py").write_text(
        "import os\nDATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'data')\n"
        "def folder():\n    return os.path.basename(os.path.dirname(__file__))\n"
    )
    furnished.write(**LOCATED).audit()
    assert furnished.repeat().executed == []
    home("bob")
    there = carried(furnished, tmp_path / "elsewhere", leave=True)
    result = there.repeat()
    shown = [_without_place(output, there.folder) for output in result.outputs]
    truth = [_without_place(output, there.folder.parent / "clean") for output in there.clean()]
    assert [shown[n] for n in range(len(shown)) if n not in _LENGTHS] == [
        truth[n] for n in range(len(shown)) if n not in _LENGTHS
    ]
    assert {
        "show",
        "root",
        "length",
        "home",
        "module",
        "method",
        "path",
        "part",
        "child",
        "magic",
        "warning",
    } <= {*result.executed}
    assert {"start", "plain"}.isdisjoint(result.executed)
    assert "place" in result.because("show")
    assert there.repeat().executed == []


_LENGTHS = {1, 4, 7, 10, 11}
"""Cells that show lengths or parts of the path, which differ between the copy and the clean copy of it."""


def _without_place(output, folder):
    return json.loads(json.dumps(output).replace(str(folder), "PLACE"))


ABSOLUTE = {
    "start": "import os",
    "constant": "open('{old}/data/a.txt').read()",
    "held": "NAME = '{old}/data/a.txt'",
    "used": "open(NAME).read()",
    "outside": "open('{shared}').read()",
    "both": "open('data/a.txt').read()",
}


@pytest.mark.slow
@pytest.mark.parametrize("change", ["none", "old", "new", "shared"])
def test_absolute_paths_mean_what_they_say(furnished, tmp_path, home, change):
    """Copied beside the original: code that spells out the old folder goes on reading there."""
    shared = tmp_path / "shared.txt"
    shared.write_text("shared")
    cells = {name: text.format(old=furnished.folder, shared=shared) for name, text in ABSOLUTE.items()}
    furnished.write(**cells).audit()
    there = carried(furnished, tmp_path / "elsewhere", leave=True)
    home("bob")
    changed = {
        "old": furnished.folder / "data" / "a.txt",
        "new": there.folder / "data" / "a.txt",
        "shared": shared,
    }
    if change in changed:
        changed[change].write_text("other")
    result = there.repeat()
    assert result.outputs == there.clean()
    expected = {"none": set(), "old": {"constant", "used"}, "new": {"both"}, "shared": {"outside"}}[change]
    assert set(result.executed) - {"held"} == expected


def test_a_file_that_only_the_old_machine_had_fails_as_a_clean_run_would(furnished, tmp_path, home):
    furnished.write(**{"constant": f"open('{furnished.folder}/data/a.txt').read()"}).audit()
    there = carried(furnished, tmp_path / "elsewhere")
    result = there.repeat()
    assert result.actions == {"constant": "failed"}
    assert "No such file" in result.outcome.error


def test_a_link_that_leads_elsewhere_now_is_a_change(furnished):
    (furnished.folder / "data" / "b.txt").write_text("beta")
    furnished.write(read="open('link.txt').read()", behind="1 + 1").audit()
    (furnished.folder / "link.txt").unlink()
    (furnished.folder / "link.txt").symlink_to("data/b.txt")
    result = furnished.repeat()
    assert (result.executed, result.outputs) == (["read"], furnished.clean())
