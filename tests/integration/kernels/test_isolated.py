"""Cells without memory: each runs in an interpreter of its own, and gets its state through the record alone."""

from __future__ import annotations

import nbformat
import pytest

from nbrewind.errors import CannotTravel
from nbrewind.kernels import headless
from nbrewind.kernels.isolated import IsolatedClient
from nbrewind.kernels.settings import Settings
from tests.lab import Result, Silent


def isolated(lab) -> Result:
    out = lab.folder / ".out.ipynb"
    settings = Settings(
        kind="repeat", notebook=lab.path, record=lab.record, quiet=True, policy="all", isolated=True
    )
    outcome = headless.run(settings, out=out, parameters=(), progress=Silent(), client_class=IsolatedClient)
    return Result(outcome, nbformat.read(out, as_version=4))


def text(result: Result, cell: int) -> str:
    return result.outputs[cell][0]["text"]


def test_state_travels_through_the_record_alone(lab):
    lab.write(
        a="import os, random\nx = 3\nos.environ['PLACE'] = 'a'\nrandom.seed(1)\npids = [os.getpid()]",
        b="class Box:\n    kind = 1\nbox = Box()\nsame = [box]\ndef f():\n    return x * box.kind\npids.append(os.getpid())",
        c="x = 5\nbox.kind = 2\nopen('left', 'w').write('file')\npids.append(os.getpid());",
        d="print(f(), same[0] is box, isinstance(box, Box), random.random(), os.environ['PLACE'], open('left').read())",
        e="print(len(set(pids)), os.getpid() in pids)",
    )
    expected = lab.clean()
    result = isolated(lab)
    assert result.outcome.error == ""
    assert result.executed == ["a", "b", "c", "d", "e"]
    assert result.outputs[3] == expected[3]
    assert text(result, 4) == "3 False\n", "each cell was another process"
    assert lab.repeat().executed == [], "what it recorded serves any repeat"


@pytest.mark.slow
def test_a_cell_that_is_never_reused_runs_once(lab):
    lab.tags["a"] = ["volatile"]
    lab.write(a="import time\nstarted = time.time_ns()\nprint(started)", b="y = started", c="print(y)")
    result = isolated(lab)
    assert text(result, 0) == text(result, 2)


def test_what_cannot_travel_is_named(lab):
    lab.write(a="x = 1", b="steps = (i for i in range(3))", c="print(x)", d="print(next(steps))", e="x")
    result = isolated(lab)
    assert (result.outcome.status, result.outcome.exit_code) == ("failed", 1)
    assert result.executed == ["a", "b", "c", "d"]
    assert "steps cannot travel to another interpreter" in result.outcome.error
    assert "cell 1 made it" in result.outcome.error
    assert result.actions["e"] == "skipped"


def test_a_secret_is_not_kept_and_cannot_travel(lab):
    lab.write(a="import os\nos.environ['API_TOKEN'] = 'hidden'", b="print(len(os.environ['API_TOKEN']))")
    with pytest.raises(CannotTravel, match=r"environment.*cell 0"):
        isolated(lab)


def test_an_earlier_result_without_a_name(lab):
    lab.write(a="6 * 7", b="print(_)")
    assert "Out[1]" in isolated(lab).outcome.error
