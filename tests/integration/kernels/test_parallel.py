"""Cells that run beside each other: the outcome is that of running them in order."""

from __future__ import annotations

import pytest

from tests.lab import Lab

TIMED = "import time\nbegin_{0} = time.monotonic(); time.sleep(2); end_{0} = time.monotonic()\n{0} = [base[0], '{0}']"


@pytest.fixture
def lab(tmp_path) -> Lab:
    return Lab(tmp_path)


def overlapping(lab: Lab, kind: str):
    """Three cells that depend on the first alone, and one that looks at all."""
    lab.write(
        first="base = [1]",
        **{name: TIMED.format(name) for name in ("left", "right")},
        last="print(left, right)\nprint(begin_right < end_left)",
    )
    return lab.run(kind, jobs=2)


def test_independent_cells_run_at_the_same_time_and_leave_what_they_would_have_left_in_order(lab):
    audited = overlapping(lab, "audit")
    assert audited.outputs[-1][0]["text"] == "[1, 'left'] [1, 'right']\nTrue\n"
    assert set(audited.actions.values()) == {"executed"}


def test_what_ran_beside_each_other_is_restored_by_a_repeat_in_order(lab):
    overlapping(lab, "audit")
    assert lab.repeat().executed == []


PAUSE = "import time; time.sleep(0.3)\n"


def same_as_in_order(lab: Lab, cells: list[str], jobs: int = 3):
    """Outputs of a parallel audit, after comparing them with a stock kernel's."""
    lab.write(**{f"c{number}": source for number, source in enumerate(cells)})
    expected = lab.clean()
    found = lab.run("audit", jobs=jobs)
    assert found.outputs == expected
    assert lab.repeat().executed == [
        name for name, source in lab.cells.items() if "next(" in source or "it =" in source
    ]


def test_changes_through_aliases_are_seen_as_in_order(lab):
    same_as_in_order(
        lab,
        [
            "import numpy as np\na = [1]; b = a; held = {'k': a}\nbase = np.zeros(4); view = base[1:3]",
            PAUSE + "other = 1",
            PAUSE + "b.append(2)",
            PAUSE + "seen = list(held['k'])",
            PAUSE + "view[:] = 7",
            PAUSE + "total = base.sum()",
            "print(seen, total, a is b, held['k'] is a, np.shares_memory(base, view))",
        ],
    )


def test_state_that_no_cell_names_is_seen_as_in_order(lab):
    same_as_in_order(
        lab,
        [
            "import random\nrandom.seed(1)\nkept = {'n': 0}\n"
            "def bump():\n    kept['n'] += 1\n    return kept['n']\n"
            "class K:\n    made = 0\n    def __init__(self):\n        K.made += 1\n"
            "def draw():\n    return random.random()",
            PAUSE + "x = bump(); k = K()",
            PAUSE + "y = bump(); l = K()",
            PAUSE + "u = draw()",
            PAUSE + "v = draw()",
            "print(x, y, kept, K.made, isinstance(l, K), u, v)",
        ],
    )


def test_files_are_written_and_read_as_in_order(lab):
    same_as_in_order(
        lab,
        [
            "from pathlib import Path\nlog = Path('log.txt')\nlog.write_text('one')",
            PAUSE + "free = 1",
            PAUSE + "log.write_text(log.read_text() + ' two')",
            PAUSE + "seen = log.read_text()",
            PAUSE + "with log.open('a') as file:\n    n = file.write(' three')",
            "print(seen, '|', log.read_text())\nlog.unlink()",
        ],
    )


def test_a_wrong_guess_runs_again_is_recorded_and_not_made_twice(lab):
    """`total` changes through an attribute of an object, which the code of the second cell does not show."""
    cells = {
        "make": "class Sum:\n    n = 0\n    def add(self, x):\n        self.n += x\n        return self.n\ntotal = Sum()",
        "first": PAUSE + "time.sleep(1)\na = total.add(1)",
        "second": PAUSE + "b = total.add(2)",
        "show": "print(a, b)",
    }
    lab.write(**cells)
    found = lab.run("audit", jobs=2)
    assert found.outputs[-1][0]["text"] == "1 3\n"
    assert beside(found)["second"] == ("again", "total changed")
    assert beside(lab.run("audit", jobs=2))["second"][0] == "spine"


def beside(result) -> dict[str, tuple[str, str]]:
    told = {cell["id"]: cell.get("beside", {}) for cell in result.outcome.cells}
    return {name: (one.get("ran", ""), one.get("why", "").partition(" (")[0]) for name, one in told.items()}


def test_effects_outside_happen_once_and_in_order(lab):
    lab.write(
        first=PAUSE + "time.sleep(1)",
        process="import subprocess\nn = subprocess.call(['sh', '-c', 'echo process >> log'])",
        child="import os\npid = os.fork()\nif not pid:\n    os._exit(0)\n_ = os.waitpid(pid, 0)",
        raises="try:\n    input()\nexcept Exception as error:\n    print(type(error).__name__)",
        log="print(open('log').read())",
    )
    found = lab.run("audit", jobs=3)
    assert found.outputs[3][0]["text"] == "StdinNotImplementedError\n"
    assert found.outputs[4][0]["text"] == "process\n\n"


def test_a_cell_that_fails_ends_the_run_where_it_does_in_order(lab):
    lab.write(one=PAUSE + "x = 1", two=PAUSE + "1 / 0", three=PAUSE + "open('never', 'w').close()")
    found = lab.run("audit", jobs=3)
    assert (found.actions["two"], found.actions["three"]) == ("failed", "skipped")
    assert found.outcome.error == "ZeroDivisionError: division by zero"
    assert not (lab.folder / "never").exists()
