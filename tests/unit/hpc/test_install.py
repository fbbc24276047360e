"""Interception costs nothing and changes nothing where no engine is imported."""

import subprocess
import sys

import pytest

CODE = """
import sys
from fakes import FakeJournal, FakeMemo
from nbrewind import hpc
hpc.install(FakeMemo(), FakeJournal())
assert not any(name.startswith("ndcctools") for name in sys.modules), "imported"
hpc.cell_finished()
hpc.shutdown()
hpc.uninstall()
hpc.uninstall()
assert not any(type(finder).__module__.startswith("nbrewind") for finder in sys.meta_path)
print("fine")
"""


def test_install_without_an_engine(request):
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        capture_output=True,
        text=True,
        cwd=request.path.parent,
    )
    assert done.stdout == "fine\n", done.stderr


def test_install_when_the_engine_is_there_already(request):
    pytest.importorskip("ndcctools")
    code = CODE.replace(
        "from nbrewind import hpc\n",
        "from nbrewind import hpc\nimport ndcctools.taskvine as v\nold = v.Task.add_input\n",
    )
    code = code.replace(
        'assert not any(name.startswith("ndcctools") for name in sys.modules), "imported"',
        "assert v.Task.add_input is not old",
    )
    code = code.replace('print("fine")', 'assert v.Task.add_input is old\nprint("fine")')
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, cwd=request.path.parent
    )
    assert done.stdout == "fine\n", done.stderr
