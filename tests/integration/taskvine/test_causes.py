"""Which ingredient of which tasks changed, for edits on real workers."""

from conftest import COLLECT, IMPORT, STOP, WORKERS

FUNCTIONS = """
k = 1
def helper(x): return x + 1
def work(x, y, path):
    with open(path) as f: return helper(x) * k + y + len(f.read())
"""


def test_causes(bench):
    (bench.folder / "a.txt").write_text("a")
    (bench.folder / "in.txt").write_text("in")
    submit = """
for x in range(4): m.submit(vine.PythonTask(work, x, 3, HERE + ("/a.txt" if x < 2 else "/b.txt")))
t = vine.Task("cat in.txt")
t.add_input(m.declare_file("in.txt"), "in.txt")
m.submit(t)
"""
    (bench.folder / "b.txt").write_text("b")

    def run(functions=FUNCTIONS, submit=submit):
        here = f"HERE = {str(bench.folder)!r}"
        report = bench.run(IMPORT + here, WORKERS, functions, submit, COLLECT, STOP)
        assert report.errors == []
        return [tuple(cause) for cause in report.causes]

    assert run() == [("new", "", "", 5)]
    assert run() == []
    assert run(submit=submit.replace("x, 3", "x, 3 if x else 33")) == [("arg1", "3", "33", 1)]
    assert run(FUNCTIONS.replace("k = 1", "k = 2")) == [("global:k", "1", "2", 4)]
    ((name, *_, count),) = run(FUNCTIONS.replace("x + 1", "x + 2"))
    assert (name, count) == ("global:helper", 4)
    (bench.folder / "a.txt").write_text("aa")
    assert run() == [("seen:./a.txt", "", "", 2)]
    (bench.folder / "in.txt").write_text("changed")
    ((name, *_, count),) = run()
    assert (name, count) == ("input:in.txt", 1)
