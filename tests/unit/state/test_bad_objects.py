"""Objects whose methods raise, hang, lie or have side effects reach neither the cell nor other variables."""

from __future__ import annotations

import gc
import importlib
import sys
import threading
import time

import pytest

from nbrewind.state import describe, guard

BAD = {
    "reduce raises": "class B:\n  def __reduce__(self): raise RuntimeError('no')",
    "reduce exits": "class B:\n  def __reduce__(self): raise SystemExit(3)",
    "reduce returns nonsense": "class B:\n  def __reduce__(self): return 42",
    "reduce returns too little": "class B:\n  def __reduce__(self): return (1,)",
    "reduce ends the recursion": "class B:\n  def __reduce__(self): return self.__reduce__()",
    "state raises": "class B:\n  def __getstate__(self): raise KeyError('no')",
    "getattribute raises": "class B:\n  def __getattribute__(self, n): raise RuntimeError(n)",
    "getattr raises": "class B:\n  def __getattr__(self, n): raise RuntimeError(n)",
    "getattr invents": "class B:\n  def __getattr__(self, n): return B()",
    "equality raises": "class B:\n  __hash__ = None\n  def __eq__(self, o): raise RuntimeError('eq')",
    "hash raises": "class B:\n  def __hash__(self): raise RuntimeError('hash')",
    "bool raises": "class B:\n  def __bool__(self): raise RuntimeError('bool')\n  def __len__(self): raise RuntimeError('len')",
    "repr raises": "class B:\n  def __repr__(self): raise RuntimeError('repr')\n  __str__ = __repr__",
    "deletion raises": "class B:\n  def __del__(self): raise RuntimeError('del')",
    "class lies": "class B:\n  @property\n  def __class__(self): return int",
    "class raises": "class B:\n  @property\n  def __class__(self): raise RuntimeError('class')",
    "dict is a property": "class B:\n  @property\n  def __dict__(self): raise RuntimeError('dict')",
    "module is no string": "class B: ...\nB.__module__ = 3",
    "qualname of another": "class B: ...\nB.__qualname__ = 'int'\nB.__module__ = 'builtins'",
    "iteration raises": "class B(list):\n  def __iter__(self): raise RuntimeError('iter')\n  def __len__(self): return -1",
    "items raise": "class B(dict):\n  def items(self): raise RuntimeError('items')\n  keys = values = __iter__ = items",
    "metaclass raises": "class M(type):\n  def __getattribute__(c, n):\n    if n.startswith('__reduce'): raise RuntimeError(n)\n"
    "    return super().__getattribute__(n)\nclass B(metaclass=M): ...",
    "metaclass without hash": "class M(type):\n  __hash__ = None\n  def __eq__(c, o): raise RuntimeError('eq')\nclass B(metaclass=M): ...",
    "copyreg raises": "class B: ...\nimport copyreg\ndef no(b): raise RuntimeError\ncopyreg.pickle(B, no)",
    "setstate raises": "class B:\n  def __init__(self): self.a = 1\n  def __setstate__(self, s): raise RuntimeError('set')",
    "new raises": "class B:\n  def __new__(cls, *a):\n    if made: raise RuntimeError('new')\n    made.append(1)\n    return object.__new__(cls)\nmade = []",
}


@pytest.fixture(autouse=True)
def _finalizers_run_here(notebook):
    yield
    notebook.ns.clear()
    gc.collect()


@pytest.mark.parametrize("cell", BAD.values(), ids=BAD)
def test_bad_objects_stay_among_themselves(notebook, shelf, cell):
    notebook.run(cell + "\nbad = [B()]\ngood = [1, {2: 'x'}]\nadd = good.append")
    known = notebook.save("bad", "good", "B", "add")
    assert known["good"].digest
    assert known["add"].names == ("add", "good")
    assert all("good" not in problem.names for problem in notebook.problems)
    assert shelf.locate(known["good"].digest) is not None
    assert isinstance(describe(notebook.ns["bad"]), str)
    assert isinstance(describe(notebook.ns["bad"][0]), str)
    assert isinstance(notebook.analyser.references("bad"), frozenset)


@pytest.mark.parametrize("cell", BAD.values(), ids=BAD)
def test_bad_objects_that_are_saved_come_back_equal(notebook, shelf, cell):
    from conftest import Kernel

    notebook.run(cell + "\nbad = [B()]")
    known = notebook.save("bad", "B")
    unsaved = {name for problem in notebook.problems for name in problem.names}
    if unsaved or any(each.opaque for each in known.values()):
        return
    kernel = Kernel(shelf, known).restore("bad", "B")
    assert kernel.covariables("bad", "B") == known


@pytest.mark.timeout(60, method="thread")
@pytest.mark.parametrize("work", ["while True: pass", "import time; time.sleep(60)"])
def test_hooks_that_never_end_are_ended(notebook, monkeypatch, work):
    monkeypatch.setattr(guard, "SECONDS", 0.3)
    notebook.run(f"class B:\n  def __reduce__(self):\n    {work}\nbad = B(); good = 1")
    start = time.monotonic()
    found = notebook.covariables("bad", "good")
    assert time.monotonic() - start < 20
    assert "took longer" in found["bad"].opaque
    assert found["good"].digest


@pytest.mark.timeout(60, method="thread")
def test_an_import_that_takes_long_is_not_left_half_done(tmp_path, monkeypatch):
    (tmp_path / "slow_to_import.py").write_text("import time\ntime.sleep(1)\ndone = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(guard, "SECONDS", 0.3)
    with guard.watching():
        module = guard.attempt(importlib.import_module, "slow_to_import")
    assert module.done


@pytest.mark.timeout(60, method="thread")
def test_sets_of_objects_that_hold_sets_of_each_other(notebook):
    """As artists of a figure do."""
    notebook.run(
        """
class Node:
    def __init__(self, number):
        self.number, self.near = number, set()
def web(order):
    nodes = [Node(number) for number in range(30)]
    for one in order:
        nodes[one].near.update(nodes[other] for other in reversed(order) if other != one)
    return nodes
x = web(range(30)); y = web(range(29, -1, -1))
z = web(range(30)); z[7].number = 40
"""
    )
    start = time.monotonic()
    assert notebook.digest("x") == notebook.digest("y") != notebook.digest("z")
    assert time.monotonic() - start < 30


@pytest.mark.timeout(60, method="thread")
def test_the_alarm_of_others_is_left_alone(notebook):
    import signal

    seen = []
    before = signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    notebook.run("x = list(range(100_000))").digest()
    time.sleep(0.1)
    assert seen == [1]
    signal.signal(signal.SIGALRM, before)


@pytest.mark.timeout(60, method="thread")
def test_signal_handlers_are_put_back(notebook):
    import signal

    before = signal.getsignal(signal.SIGALRM)
    notebook.run("x = 1").digest()
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_hooks_are_called_once_a_look(notebook):
    notebook.run(
        "calls = []\nclass B:\n  def __reduce__(self):\n    calls.append(1)\n    return B, ()\nx = [B(), B()]"
    )
    notebook.analyser.covariables(["x"])
    assert len(notebook.ns["calls"]) == 2


def test_warnings_of_hooks_stay_silent(notebook):
    notebook.run(
        "import warnings\nclass B:\n  def __reduce__(self):\n    warnings.warn('old')\n    return B, ()\nx = B()"
    )
    assert notebook.digest()


def test_what_unsaveable_parts_are_named(notebook):
    notebook.run("x = [1, {'g': (i for i in 'ab')}]")
    assert notebook.covariables("x")["x"].opaque == "builtins.generator: it is code in the middle of running"


def test_a_class_that_comes_back_as_something_else_is_not_saved(notebook):
    notebook.run(
        "class T(tuple):\n  def __new__(cls, a): return super().__new__(cls, (a, a))\nx = T(2); y = 1"
    )
    notebook.save()
    (problem,) = notebook.problems
    assert problem.name == "x"
    assert "something else comes back" in problem.why


def test_what_a_class_keeps_from_pickle_counts(notebook):
    notebook.run(
        "class A:\n  def __init__(self): self.kept = 1; self.dropped = 1\n"
        "  def __getstate__(self): return {'kept': self.kept}\nx = A()"
    )
    before = notebook.digest()
    notebook.run("x.dropped = 2")
    assert notebook.digest() != before
    notebook.save("x")
    assert [problem.name for problem in notebook.problems] == ["x"]


def test_read_back_does_not_touch_the_user_s_memory(notebook):
    notebook.run(
        "import numpy as np\nclass A:\n  def __init__(self): self.a = np.zeros(9000)\n"
        "  def __setstate__(self, s):\n    self.__dict__ = s\n    self.a[:] = 1\nx = A()"
    )
    notebook.save("x")
    assert notebook.ns["x"].a.sum() == 0
    assert [problem.name for problem in notebook.problems] == ["x"]


@pytest.mark.parametrize("depth", [10_000, 100_000])
def test_deep_nesting(notebook, shelf, depth):
    notebook.run(
        f"x = []\nfor _ in range({depth}): x = [x]\nclass N: ...\ny = N()\nfor _ in range({depth}):\n  n = N(); n.next = y; y = n\nt = ()\nfor _ in range({depth}): t = (t,)"
    )
    known = notebook.save("x", "y", "t")
    assert all(known[name].digest for name in "xyt")
    for problem in notebook.problems:
        assert "nested too deeply" in problem.why


def test_a_million_objects(notebook, shelf):
    notebook.run(
        "class P:\n  def __init__(self, i): self.i = i\nx = [P(i) for i in range(200_000)]; y = [{'k': i, 'v': [i]} for i in range(200_000)]"
    )
    known = notebook.covariables("x", "y")
    notebook.run("x[777].i = -1; y[777]['v'].append(0)")
    again = notebook.covariables("x", "y")
    assert known["x"].digest != again["x"].digest
    assert known["y"].digest != again["y"].digest


def test_tuples_that_share_tuples_end(notebook, monkeypatch):
    from nbrewind.state import walk

    monkeypatch.setattr(walk, "MOST_NODES", 100_000)
    notebook.run("x = ()\nfor _ in range(60): x = (x, x)\ny = 1")
    found = notebook.covariables("x", "y")
    assert "more than 100,000 parts" in found["x"].opaque
    assert found["y"].digest


def test_what_other_threads_change_meanwhile(notebook):
    notebook.run("x = {i: [i] for i in range(1000)}")
    stop = threading.Event()

    def change():
        number = 1000
        while not stop.is_set():
            notebook.ns["x"][number] = [number]
            notebook.ns["x"].pop(number - 500, None)
            number += 1

    thread = threading.Thread(target=change)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    thread.start()
    try:
        for _ in range(20):
            notebook.save("x")
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(interval)
