"""``repeat --verify``: recorded cells run again, each on its own, and what they give is compared with the record."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

pytestmark = pytest.mark.xdist_group("verify")

CELLS = {
    "start": "import os, time\nimport numpy as np\nclass Point:\n    def __init__(self, x): self.x = x",
    "fixed": "a = np.arange(6.0); p = Point([1, 2]); print('took 0.3 s', len(a))",
    "noisy": "noise = a * (1 + 1e-13 * os.getpid()); noise",
    "chance": "t = time.time_ns(); print('now', t)",
    "behind": "behind = [t > 0, noise.round(3), p.x]; p.x.append(3)",
    "file": "open('out.txt', 'w').write('mean %.15f' % noise.mean())",
    "opaque": "g = (i for i in p.x)",
}


def verdicts(result):
    return {check["id"]: check["verdict"] for check in result.outcome.checks}


def test_every_cell_on_its_own(lab):
    first = lab.write(**CELLS).audit()
    result = lab.repeat(verify=1.0)
    assert verdicts(result) == {
        "start": "identical", "fixed": "identical", "noisy": "close", "chance": "different", "behind": "identical",
        "file": "identical", "opaque": "identical",
    }  # fmt: skip
    assert (result.outcome.status, result.outcome.exit_code) == ("differs", 1)
    found = {check["id"]: check["findings"] for check in result.outcome.checks}
    assert [(one["kind"], one["name"], one["verdict"]) for one in found["chance"]] == [
        ("output", "stdout", "different"), ("variable", "t", "different"),
    ]  # fmt: skip
    assert ("variable", "close") in [(one["kind"], one["verdict"]) for one in found["noisy"]]
    assert result.because("chance") == ["verify"]
    told = result.outcome.as_json()["verify"]
    assert (told["identical"], told["close"], told["different"]) == (5, 1, 1)

    again = lab.repeat()
    assert (again.executed, again.outputs) == ([], first.outputs), "the record is what it was"


def test_what_is_the_same_is_told(lab):
    lab.write(a="x = 1", b="y = x + 1; y").audit()
    result = lab.repeat(verify=1.0)
    assert verdicts(result) == {"a": "identical", "b": "identical"}
    assert (result.outcome.status, result.outcome.exit_code) == ("ok", 0)


def test_some_of_the_cells(lab):
    lab.write(**{f"c{n}": f"x{n} = {n}" for n in range(40)}).audit()
    some = lab.repeat(verify=0.3)
    assert 2 <= len(some.outcome.checks) <= 25
    assert len(some.executed) == len(some.outcome.checks)
    assert not lab.repeat().outcome.checks


def test_a_cell_that_changed_is_not_verified(lab):
    lab.write(a="x = 1", b="y = x + 1; y", c="z = 3").audit()
    assert verdicts(lab.edit(a="x = 2").repeat(verify=1.0)) == {"c": "identical"}


@pytest.mark.engine
@pytest.mark.skipif(find_spec("ndcctools") is None, reason="ndcctools is not installed")
def test_tasks_run_again(lab):
    lab.write(
        start="import ndcctools.taskvine as vine\nm = vine.Manager(port=0)\nf = vine.Factory('local', manager=m)\n"
        "f.cores = f.min_workers = f.max_workers = 1\nf.start();",
        work="def same(x):\n    return x + 1\ndef other(x):\n    import os\n    return os.urandom(8).hex()",
        run="for function in (same, other):\n    m.submit(vine.PythonTask(function, 1))\nfound = []\n"
        "while not m.empty():\n    t = m.wait(5)\n    if t:\n        found.append(str(t.output))\nlen(found)",
    )
    assert lab.audit().tasks == (0, 2)
    result = lab.repeat(verify=1.0)
    assert result.tasks == (0, 2)
    (check,) = [check for check in result.outcome.checks if check["id"] == "run"]
    assert [one["name"][:5] for one in check["findings"] if one["kind"] == "task"] == ["other"]
