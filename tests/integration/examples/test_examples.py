"""The notebooks of `examples/`: audited, repeated as they are, and after one input changed."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab import Lab

EXAMPLES = Path(__file__).parents[3] / "examples"
NEEDED = ("ndcctools", "dask")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.engine,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in NEEDED),
        reason="it needs TaskVine and Dask",
    ),
]


class Example(Lab):
    """A copy of an example in a folder of its own."""

    def __init__(self, folder, name, notebook):
        super().__init__(folder)
        shutil.copytree(EXAMPLES / name, self.folder, dirs_exist_ok=True)
        self.path = self.folder / notebook

    def make(self, program, *arguments):
        subprocess.run([sys.executable, program, *arguments], cwd=self.folder, check=True)


def printed(result):
    return [output["text"] for cell in result.outputs for output in cell if output["output_type"] == "stream"]


def test_word_pairs(tmp_path):
    example = Example(tmp_path, "mapreduce", "word_pairs.ipynb")
    example.make("make_texts.py")
    first = example.audit()
    assert first.tasks == (0, 33)
    assert "  of the\n" in printed(first)[-1]
    again = example.repeat()
    assert (again.tasks, again.executed, printed(again)) == ((0, 0), [], printed(first))
    text = example.folder / "texts" / "part07.txt"
    text.write_text(text.read_text() + "\nof the same of the same\n")
    edited = example.repeat()
    assert edited.tasks == (29, 4)
    assert printed(edited) != printed(first)
