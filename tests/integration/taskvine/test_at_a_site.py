"""A notebook whose factory names a batch system that is not here, at a site that has workers."""

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

PROGRAM = Path(__file__).parents[2] / "box" / "programs" / "scaled.py"
NBREWIND = [sys.executable, "-m", "nbrewind"]


@pytest.fixture
def notebook(tmp_path):
    subprocess.run([sys.executable, PROGRAM, tmp_path / "scaled.ipynb"], check=True)
    return tmp_path / "scaled.ipynb"


def call(folder, *arguments):
    done = subprocess.run(
        [*NBREWIND, *arguments, "-q", "--json"], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_site_decides_how_workers_start_and_the_notebook_how_many(notebook, tmp_path):
    audit = call(tmp_path, "audit", "scaled.ipynb", "--site", "local", "-o", "one.ipynb")
    assert (audit["status"], audit["tasks"]["submitted"]) == ("ok", 4)
    assert nbformat.read(tmp_path / "one.ipynb", 4).cells[-1].outputs[0].text.startswith("[0, 1, 2, 3] True")
    again = call(tmp_path, "repeat", "scaled.ipynb", "--site", "local")
    assert {cell["action"] for cell in again["cells"]} == {"restored"}
    changed = call(tmp_path, "repeat", "scaled.ipynb", "--site", "local", "-p", "last", "7")
    assert (changed["tasks"]["reused"], changed["tasks"]["submitted"]) == (3, 1)
