"""Notebooks that are packed, opened elsewhere and repeated by real kernels."""

from __future__ import annotations

import json
import shutil

import nbformat
import pytest
from click.testing import CliRunner

from nbrewind import cli

pytestmark = pytest.mark.xdist_group("containers")

CELLS = {
    "load": "import numpy as np\nimport helper\ntext = open('in.txt').read()",
    "state": (
        "class Point:\n"
        "    def __setstate__(self, state):\n"
        "        open(CANARY, 'a').close()\n"
        "        self.__dict__.update(state)\n"
        "p = Point(); p.x = [len(text)]; a = np.arange(100_000.0)"
    ),
    "use": "b = helper.twice(p.x[0]) + a.sum(); print(b)",
    "write": "w = open('out.txt', 'w').write(str(b))",
}


def run(*arguments):
    return CliRunner().invoke(cli.main, list(map(str, arguments)))


def told(*arguments, code=0):
    done = run(*arguments, "--json")
    assert done.exit_code == code, done.output
    return json.loads(done.stdout), " ".join(done.stderr.split())


def actions(body):
    return [cell["action"] for cell in body["cells"]]


def edit(path, cell, source):
    book = nbformat.read(path, as_version=4)
    next(each for each in book.cells if each.id == cell).source = source
    nbformat.write(book, path)


@pytest.fixture
def carried(lab, tmp_path, monkeypatch):
    """A packed notebook in another place, with nothing beside it; and the file that loading its pickles makes."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    canary = tmp_path / "canary"
    cells = {name: source.replace("CANARY", repr(str(canary))) for name, source in CELLS.items()}
    lab.write(**cells)
    (lab.folder / "in.txt").write_text("hello")
    (lab.folder / "helper.py").write_text("def twice(x):\n    return 2 * x\n")
    assert lab.audit().executed == list(CELLS)
    (tmp_path / "there").mkdir()
    assert run("pack", lab.path, "-o", tmp_path / "there" / "nb.zip").exit_code == 0
    shutil.rmtree(lab.folder)
    canary.unlink()
    return tmp_path / "there" / "nb.zip", canary


def test_unchanged_elsewhere_everything_is_restored_once_it_is_trusted(carried, tmp_path):
    container, _ = carried
    body, said = told("repeat", container, "--trust", "-o", tmp_path / "out.ipynb")
    assert actions(body) == ["restored"] * 4
    assert "not trusted" not in said
    outputs = [
        cell.outputs for cell in nbformat.read(tmp_path / "out.ipynb", as_version=4).cells if cell.outputs
    ]
    assert outputs[0][0].text == "4999950010.0\n"
    work = container.with_name("nb.opened")
    assert (work / "out.txt").read_text() == "4999950010.0"
    edit(work / "nb.ipynb", "write", "w = open('out.txt', 'w').write(str(b + 1))")
    body, _ = told("repeat", container)
    assert actions(body) == ["restored", "restored", "restored", "executed"]
    back = tmp_path / "back.zip"
    assert run("pack", work / "nb.ipynb", "-o", back).exit_code == 0
    runs = json.loads(run("inspect", back, "--json").stdout)["runs"]
    assert [one["kind"] for one in runs] == ["audit", "repeat", "repeat"]
    assert all(one["user"] and one["host"] for one in runs)
    listed = run("runs", work / "nb.ipynb").stdout
    assert listed.count(f"{runs[0]['user']}@{runs[0]['host']}") == 3


def test_without_trust_cells_run_and_nothing_is_unpickled_and_that_is_said_once(carried):
    container, canary = carried
    body, said = told("repeat", container, "--save", "none")
    assert actions(body) == ["executed"] * 4
    assert said.count("you have not trusted") == 1
    assert body["cells"][0]["because"] == [
        {"kind": "untrusted", "run": body["cells"][0]["because"][0]["run"]}
    ]
    work = container.with_name("nb.opened") / "nb.ipynb"
    edit(work, "use", "b = helper.twice(p.x[0]) + a.sum() + 1; print(b)")
    told("repeat", work, "--save", "none")
    told("plan", work)
    told("show", "state", work)
    told("diff", "last", "last~1", work, code=1)
    assert run("report", work, "-o", work.with_suffix(".html")).exit_code == 0
    assert not canary.exists()
    told("repeat", work, "--trust", "--rerun", "use")
    assert canary.exists()
