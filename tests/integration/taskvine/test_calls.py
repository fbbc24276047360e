"""Libraries, function calls, futures and mini tasks."""

import importlib.util

import pytest
from conftest import COLLECT, IMPORT, STOP, WORKERS

needs_libraries = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("conda_pack", "threadpoolctl")),
    reason="TaskVine's libraries need conda-pack and threadpoolctl",
)

LIBRARY = """
k = 5
def scale(x): return x * k
def fail(x): return 1 / x
def extra(x): return x
def shifted(x):
    from ndcctools.taskvine.utils import load_variable_from_library
    return x + load_variable_from_library("shift")
def setup(shift): return {"shift": shift}
context = [setup, [SHIFT], {}]
lib = m.create_library_from_functions("lib", scale, fail, shifted, add_env=False, library_context_info=context)
lib.set_cores(1)
lib.set_function_slots(1)
m.install_library(lib)
"""


@needs_libraries
def test_function_calls(bench):
    use = """
for x in range(3): m.submit(vine.FunctionCall("lib", "scale", x))
m.submit(vine.FunctionCall("lib", "shifted", 7))
m.submit(vine.FunctionCall("lib", "fail", 0))
"""
    show = (
        "print([(i, str(t.output)[-35:].strip(), t.result, t.exit_code) for i, t in sorted(results.items())])"
    )

    def run(library=LIBRARY, use=use, shift=1):
        return bench.run(IMPORT + f"SHIFT = {shift}", WORKERS, library, use, COLLECT, show, STOP)

    first = run()
    assert first.errors == []
    assert (first.submitted, first.done, first.failed) == (5, 4, 1)
    assert "division by zero" in first.printed[5]
    assert "(3, '10', 'success', 0)" in first.printed[5]
    assert any("ZeroDivisionError" in text for text in first.notices)
    again = run()
    assert (again.errors, again.reused, again.submitted) == ([], 4, 1)
    assert again.printed[5] == first.printed[5]
    assert run(LIBRARY.replace("k = 5", "k = 6")).submitted == 4
    assert run(LIBRARY.replace("return x * k", "return k * x + 0")).submitted == 4
    assert run(LIBRARY.replace('"lib", scale', '"lib", scale, extra')).submitted == 1
    assert run(shift=2).submitted == 5
    assert run(LIBRARY.replace("set_cores(1)", "set_cores(2)")).submitted == 1


@needs_libraries
def test_call_of_an_absent_library(bench):
    use = 'm.submit(vine.FunctionCall("other", "scale", 1))'
    report = bench.run(IMPORT + "SHIFT = 1", WORKERS, LIBRARY, use, STOP)
    assert report.errors == ["ValueError: invalid library name 'other'"]


FUTURES = (
    WORKERS.replace("m = vine.Manager(port=0)", "").replace("worker = start_worker(m.port)", "")
    + """
def scale(x): return x * K
def add(a, b): return a + b
e = vine.FuturesExecutor(manager=None, manager_host_port="localhost:1", factory=False, port=0)
worker = start_worker(e.manager.port)
"""
)


def test_futures(bench):
    use = """
a, b = e.submit(scale, 3), e.submit(scale, 4)
c = e.submit(add, a, b)
print(c.result(), a.result())
print(e.map(scale, [1, 2, 3]).result())
"""

    def run(k, use=use):
        return bench.run(IMPORT + f"K = {k}", FUTURES, use, STOP)

    first = run(2)
    assert first.errors == []
    assert first.printed[2].replace("[]", "").strip().startswith("14 6\n[2, 4, 6]")
    assert first.submitted == 7
    again = run(2)
    assert (again.errors, again.reused, again.submitted) == ([], 7, 0), again.notices
    assert again.printed[2] == first.printed[2]
    edited = run(2, use.replace("e.submit(scale, 4)", "e.submit(scale, 5)"))
    assert (edited.errors, edited.submitted) == ([], 2)
    assert edited.printed[2].startswith("16 6\n")
    assert run(3).submitted == 7


def test_mini_tasks(bench):
    make = """
import tarfile, io
def pack(text):
    with tarfile.open("pack.tar", "w") as tar:
        info = tarfile.TarInfo("data.txt")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text.encode()))
pack(TEXT)
"""
    use = """
t = vine.Task("cat pack/data.txt")
t.add_input(m.declare_untar(m.declare_file("pack.tar")), "pack")
m.submit(t)
mini = vine.Task(f"cat in > out; echo {WORD} >> out")
mini.add_input(m.declare_buffer("first "), "in")
u = vine.Task("cat made")
u.add_input(m.declare_minitask(mini, "out"), "made")
m.submit(u)
"""
    show = "print([t.std_output for i, t in sorted(results.items())])"

    def run(text, word):
        start = IMPORT + f"TEXT, WORD = {text!r}, {word!r}" + make
        return bench.run(start, WORKERS, use, COLLECT, show, STOP)

    assert run("one", "a").printed[4] == "['one', 'first a\\n']\n"
    again = run("one", "a")
    assert (again.errors, again.reused, again.printed[4]) == ([], 2, "['one', 'first a\\n']\n")
    assert run("two", "a").submitted == 1
    assert run("one", "b").submitted == 1


def test_environment_counts_by_content(bench):
    use = """
import os
os.makedirs("env/bin", exist_ok=True)
with open("env/bin/run_in_env", "w") as f:
    f.write(f'#!/bin/sh\\nexport FROM_ENV={WORD}\\nexec "$@"\\n')
os.chmod("env/bin/run_in_env", 0o755)
t = vine.Task("sh -c 'echo got $FROM_ENV'")
t.add_environment(m.declare_file("env"))
m.submit(t)
"""
    show = "print(results[1].std_output, results[1].exit_code)"

    def run(word):
        return bench.run(IMPORT + f"WORD = {word!r}", WORKERS, use, COLLECT, show, STOP)

    first = run("a")
    assert first.errors == []
    again = run("a")
    assert (again.reused, again.printed[4]) == (1, first.printed[4])
    assert run("b").submitted == 1
