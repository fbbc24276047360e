"""After an edit exactly the affected tasks are submitted, and the results are those of a clean run."""

from conftest import COLLECT, FACTORY, IMPORT, STOP, STOP_FACTORY, WORKERS

FUNCTIONS = """
k = 10
def helper(x):
    return x * k
def work(x, y=1):
    print("working on", x)
    return helper(x) + y
"""
SUBMIT = """
xs = [1, 2, 3, 4, 5]
for x in xs:
    t = vine.PythonTask(work, x, y=2)
    t.set_tag(f"tag{x % 2}")
    t.set_cores(1)
    m.submit(t)
names = ["a", "b", "c"]
for name in names:
    t = vine.Task(f"cat in.txt > out.txt; echo {name} >> out.txt; echo said {name}")
    t.add_input(m.declare_file(f"{name}.txt"), "in.txt")
    t.add_output(m.declare_file(f"out_{name}.txt"), "out.txt")
    t.set_env_var("MODE", "fast")
    t.set_cores(1)
    m.submit(t)
"""
SHOW = """
for i, t in sorted(results.items()):
    print(i, repr(t.output), repr(t.std_output), t.result, t.exit_code, t.tag, t.successful(), t.completed())
print([open(f"out_{name}.txt").read() for name in names])
print(m.stats.tasks_done, m.stats.tasks_submitted, m.empty(), bool(m.hungry()))
"""
CELLS = [IMPORT + FUNCTIONS, WORKERS, SUBMIT, COLLECT, SHOW, STOP]
BATCH = [IMPORT + FUNCTIONS, FACTORY, SUBMIT, COLLECT, SHOW, STOP_FACTORY]


def inputs(folder, a="alpha\n", b="beta\n", c="gamma\n"):
    for name, text in (("a", a), ("b", b), ("c", c)):
        (folder / f"{name}.txt").write_text(text)


def edited(*changes):
    cells = list(CELLS)
    for old, new in changes:
        assert any(old in cell for cell in cells), old
        cells = [cell.replace(old, new) for cell in cells]
    return cells


def test_edits(bench):
    inputs(bench.folder)
    first = bench.run(*BATCH)
    assert (first.submitted, first.reused, first.done, first.errors) == (8, 0, 8, [])
    clean = bench.run(*BATCH, record="-")
    assert clean.printed == first.printed

    for name in "abc":
        (bench.folder / f"out_{name}.txt").unlink()
    again = bench.run(*BATCH, record=bench.copy("again"), env={"PATH": "/nowhere"})
    assert (again.submitted, again.reused, again.errors) == (0, 8, [])
    assert again.printed == first.printed
    assert {path.rpartition("/")[2] for path in again.writes} == {"out_a.txt", "out_b.txt", "out_c.txt"}
    assert {path.rpartition("/")[2] for path in again.reads} == {"a.txt", "b.txt", "c.txt"}

    def submitted(*changes):
        record = bench.copy(f"edit{len(list(bench.folder.glob('edit*')))}")
        report = bench.run(*edited(*changes), record=record)
        assert report.errors == []
        expected = bench.run(*edited(*changes), record="-")
        assert report.printed == expected.printed
        return report.submitted

    assert submitted(("[1, 2, 3, 4, 5]", "[1, 2, 33, 4, 5]")) == 1
    assert submitted(("[1, 2, 3, 4, 5]", "[1, 2, 3, 4, 5, 6, 7]")) == 2
    assert submitted(("helper(x) + y", "helper(x) - y")) == 5
    assert submitted(("k = 10", "k = 11")) == 5
    assert submitted(("x * k", "x + k")) == 5
    assert submitted(("helper(x) + y", "(helper(x) + y)  # the sum")) == 0
    assert submitted(("print(i, ", "print('#', i, ")) == 0
    assert submitted(('"MODE", "fast"', '"MODE", "slow"')) == 3
    assert submitted(("set_cores(1)", "set_cores(2)")) == 0
    assert submitted(("{x % 2}", "{x % 3}")) == 0
    assert submitted(("echo said", "echo cried")) == 3

    inputs(bench.folder, a="beta\n", b="alpha\n")
    assert submitted() == 2
    inputs(bench.folder, c="gammA\n")
    assert submitted() == 1
