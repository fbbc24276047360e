"""A mixture of served and submitted tasks behaves as the engine's own."""

from conftest import COLLECT, FACTORY, IMPORT, STOP, STOP_FACTORY, WORKERS

DEFINE = """
def square(x):
    return x * x
def task(x, tag=None):
    t = vine.PythonTask(square, x)
    t.set_cores(1)
    if tag: t.set_tag(tag)
    return t
"""


def test_ids_are_those_of_the_engine(bench):
    submit = "ids = [m.submit(task(x)) for x in XS]; print(ids)"
    show = (
        "print({i: t.output for i, t in sorted(results.items())}, all(t.id == i for i, t in results.items()))"
    )
    cells = [IMPORT + DEFINE, WORKERS, submit, COLLECT, show, STOP]
    first = bench.run(*["XS = [1, 2, 3]\n" + cells[0], *cells[1:]])
    assert first.printed[2] == "[1, 2, 3]\n"
    mixed = bench.run(*["XS = [5, 1, 6, 2, 7, 3]\n" + cells[0], *cells[1:]])
    assert (mixed.reused, mixed.submitted) == (3, 3)
    assert mixed.printed[2] == "[1, 2, 3, 4, 5, 6]\n"
    assert mixed.printed[4] == "{1: 25, 2: 1, 3: 36, 4: 4, 5: 49, 6: 9} True\n"


def test_wait_by_tag_and_id(bench):
    use = """
a, b, c, d = (m.submit(task(x, tag)) for x, tag in zip(XS, "xyxz"))
print(m.wait_for_tag("z", 20).output, m.wait_for_task_id(b, 20).output)
print(m.wait_for_task_id(99, 1))
print(sorted(m.wait_for_tag("x", 20).output for _ in range(2)))
print(m.empty(), m.wait_for_tag("x", 0), m.wait(0))
"""
    for xs, reused, expected in (
        ([1, 2, 3, 4], 0, "16 4"),
        ([1, 2, 3, 4], 4, "16 4"),
        ([1, 7, 8, 4], 2, "16 49"),
    ):
        report = bench.run(IMPORT + DEFINE + f"XS = {xs}", WORKERS, use, STOP)
        assert report.errors == []
        assert report.reused == reused
        last = sorted((xs[0] ** 2, xs[2] ** 2))
        assert report.printed[2] == f"{expected}\nNone\n{last}\n1 None None\n"


def test_same_tag_served_and_submitted(bench):
    use = "[m.submit(task(x, 'same')) for x in XS]; print(sorted(m.wait_for_tag('same', 20).output for _ in XS))"
    bench.run(IMPORT + DEFINE + "XS = [1, 2]", WORKERS, use, STOP)
    report = bench.run(IMPORT + DEFINE + "XS = [1, 2, 3]", WORKERS, use, STOP)
    assert (report.reused, report.submitted) == (2, 1)
    assert report.printed[2] == "[1, 4, 9]\n"


def test_cancel(bench):
    prepare = [IMPORT + DEFINE, WORKERS, "for x in range(4): m.submit(task(x))", COLLECT, STOP]
    bench.run(*prepare)
    use = """
ids = [m.submit(task(x, f"t{x}")) for x in range(4)]
print(m.cancel_by_task_id(ids[0]), m.cancel_by_task_id(ids[0]), m.cancel_by_task_id(77), m.cancel_by_task_tag("t1"))
print(m.cancel_by_task_tag("nope"), m.stats.tasks_cancelled)
"""
    show = """
for i, t in sorted(results.items()):
    print(i, t.result, t.exit_code, t.std_output, t.completed(), t.successful())
"""
    report = bench.run(IMPORT + DEFINE, WORKERS, use, COLLECT, show, STOP)
    assert report.errors == []
    assert report.printed[2] == "1 0 0 1\n0 2\n"
    assert report.printed[4].splitlines() == [
        "1 cancelled -1 None False False",
        "2 cancelled -1 None False False",
        "3 success 0  True True",
        "4 success 0  True True",
    ]
    everything = "for x in range(5): m.submit(task(x))\nprint(m.cancel_all())"
    report = bench.run(IMPORT + DEFINE, WORKERS, everything, COLLECT, show, STOP)
    assert report.printed[2] == "5\n"
    assert report.printed[4].count("cancelled") == 5
    assert bench.run(*prepare).reused == 4


def test_hungry_and_stats(bench):
    use = """
print(m.empty(), m.hungry() > 0, m.stats.tasks_submitted)
for x in range(30): m.submit(task(x))
print(m.empty(), m.hungry() > 0, m.stats.tasks_submitted, m.stats.tasks_with_results)
t = m.wait(5)
print(m.stats.tasks_done, m.stats.tasks_submitted, m.stats.tasks_with_results)
"""
    prepare = [IMPORT + DEFINE, WORKERS, "for x in range(30): m.submit(task(x))", COLLECT, STOP]
    assert bench.run(*prepare).submitted == 30
    report = bench.run(IMPORT + DEFINE, WORKERS, use, COLLECT, STOP)
    assert report.printed[2] == "1 True 0\n0 False 30 30\n1 30 29\n"


def test_getters_of_a_served_task(bench):
    show = """
t = results[1]
print(t.state, t.id, t.tag, t.category, t.hostname, t.addrport.split(":")[0])
print(t.get_metric("time_workers_execute_last") > 0, t.get_metric("time_when_submitted") > 0, t.get_metric("nothing"))
print(t.resources_measured.cores, t.resources_allocated.cores, t.resources_requested.cores, t.limits_exceeded)
print(type(t.resources_measured).__name__, t.resources_measured.gpus, t.output, t.output, t.output_file.contents()[:2])
try:
    m.submit(t)
except Exception as e:
    print(type(e).__name__)
"""
    cells = [IMPORT + DEFINE, WORKERS, "m.submit(task(3, 'tag'))", COLLECT, show, STOP]
    first, again = bench.run(*cells), bench.run(*cells)
    assert (first.errors, again.errors, again.reused) == ([], [], 1)
    assert first.printed[4].replace("TypeError", "") == again.printed[4].replace("TypeError", "")


def test_files_of_all_kinds(bench):
    (bench.folder / "tree" / "below").mkdir(parents=True)
    (bench.folder / "tree" / "below" / "x.txt").write_text("deep")
    use = """
b = m.declare_buffer()
t = vine.Task("mkdir d; echo one > d/a; ln -s a d/l; cat tree/below/x.txt; cp in buf; echo done > out")
t.add_input(m.declare_file("tree"), "tree")
t.add_input(m.declare_buffer("from memory"), "in")
t.add_output(m.declare_file("made/d"), "d")
t.add_output(m.declare_file("made/out"), "out")
t.add_output(b, "buf")
m.submit(t)
t = m.wait(20)
print(t.result, t.std_output, b.contents(), len(b), sorted(os.listdir("made/d")), open("made/out").read())
u = vine.Task("cat b d/l EXTRA")
u.add_input(b, "b")
u.add_input(m.declare_file("made/d"), "d")
u.add_input(m.declare_buffer(str(EXTRA)), "EXTRA")
m.submit(u)
print(m.wait(20).std_output)
"""
    start = (
        IMPORT + "import os, shutil\nshutil.rmtree('made', ignore_errors=True)\nos.mkdir('made')\nEXTRA = 1"
    )
    first = bench.run(start, WORKERS, use, STOP)
    assert first.errors == []
    assert first.printed[2].startswith("success deep b'from memory' 11 ['a', 'l'] done\n")
    assert first.printed[2].endswith("from memoryone\n1\n")
    again = bench.run(start, WORKERS, use, STOP)
    assert (again.reused, again.submitted) == (2, 0)
    assert again.printed == first.printed
    edited = bench.run(start.replace("EXTRA = 1", "EXTRA = 2"), WORKERS, use, STOP)
    assert (edited.reused, edited.submitted) == (1, 1)
    assert edited.printed[2].endswith("from memoryone\n2\n")


CHAIN = """
f = m.declare_file("middle.txt")
a = vine.Task(f"sleep 0.3; echo {A} > out")
a.add_output(f, "out")
b = vine.Task(f"cat in; echo {B}")
b.add_input(f, "in")
m.submit(a); m.submit(b)
"""


def test_file_made_by_one_task_for_the_next(bench):
    """Both are submitted before either ran: the second is keyed by what the first left."""
    show = "print(results[2].std_output)"

    def run(a, b):
        return bench.run(IMPORT + f"A, B = {a!r}, {b!r}", WORKERS, CHAIN, COLLECT, show, STOP)

    assert run("one", "x").printed[4] == "one\nx\n\n"
    again = run("one", "x")
    assert (again.reused, again.printed[4]) == (2, "one\nx\n\n")
    edited = run("one", "y")
    assert (edited.reused, edited.submitted, edited.printed[4]) == (1, 1, "one\ny\n\n")
    edited = run("two", "x")
    assert (edited.reused, edited.submitted, edited.printed[4]) == (0, 2, "two\nx\n\n")


TEMPS = """
a = vine.Task(f"echo {A} > out; cp out log")
temp = m.declare_temp()
a.add_output(temp, "out")
a.add_output(m.declare_file("log.txt"), "log")
m.submit(a)
p = vine.PythonTask(lambda v: {"v": v}, A)
p.enable_temp_output()
m.submit(p)
b = vine.Task(f"cat in > mid; echo {B} >> mid")
b.add_input(temp, "in")
middle = m.declare_temp()
b.add_output(middle, "mid")
m.submit(b)
def load(extra):
    import cloudpickle
    with open("p.pickle", "rb") as f:
        return cloudpickle.load(f), extra
c = vine.Task(f"cat in; echo {C}")
c.add_input(middle, "in")
m.submit(c)
d = vine.PythonTask(load, C)
d.add_input(p.output_file, "p.pickle")
m.submit(d)
"""


def test_temporary_files(bench):
    """A missed task runs the served producers of its temporary files again; the user never sees that."""
    show = "print(sorted(results), results[4].std_output, results[5].output, m.empty(), m.wait(0))"

    def run(a, b, c):
        return bench.run(IMPORT + f"A, B, C = {a!r}, {b!r}, {c!r}", WORKERS, TEMPS, COLLECT, show, STOP)

    def expected(a, b, c):
        return f"[1, 2, 3, 4, 5] {a}\n{b}\n{c}\n ({{'v': {a!r}}}, {c!r}) 1 None\n"

    first = run("a", "b", "c")
    assert (first.errors, first.submitted, first.printed[4]) == ([], 5, expected("a", "b", "c"))
    again = run("a", "b", "c")
    assert (again.errors, again.reused, again.submitted, again.printed[4]) == (
        [],
        5,
        0,
        expected("a", "b", "c"),
    )
    (bench.folder / "log.txt").unlink()
    edited = run("a", "b", "C")
    assert (edited.errors, edited.reused, edited.submitted) == ([], 3, 2)
    assert edited.printed[4] == expected("a", "b", "C")
    assert (bench.folder / "log.txt").read_text() == "a\n"
    edited = run("a", "B", "c")
    assert (edited.errors, edited.reused, edited.submitted) == ([], 3, 2)
    assert edited.printed[4] == expected("a", "B", "c")
    edited = run("A", "b", "c")
    assert (edited.submitted, edited.printed[4]) == (5, expected("A", "b", "c"))


def test_fetching_a_temporary_file(bench):
    use = """
a = vine.Task("echo content > out")
temp = m.declare_temp()
a.add_output(temp, "out")
m.submit(a)
m.wait(20)
m.fetch_file(temp)
print(temp.contents())
"""
    first = bench.run(IMPORT, WORKERS, use, STOP)
    again = bench.run(IMPORT, WORKERS, use, STOP)
    assert (first.errors, again.errors) == ([], [])
    assert first.printed[2] == again.printed[2] == "b'content\\n'\n"
    assert again.reused == 1


def test_manager_created_again_on_its_port(bench):
    create = "m = vine.Manager(port=PORT)"
    use = "m.submit(vine.Task('true')); print(m.port == PORT)"
    start = (
        IMPORT + "import socket\ns = socket.socket(); s.bind(('', 0)); PORT = s.getsockname()[1]; s.close()"
    )
    again = bench.run(start, create + "\n" + use + "\n" + create + "\n" + use)
    assert again.errors == []
    assert again.printed[1] == "True\nTrue\n"
    assert any("created again" in text for text in again.notices)
    idle = bench.run(start, create, "old = m\n" + create, "old.submit(vine.Task('true'))")
    assert len(idle.errors) == 1
    assert "this manager was closed" in idle.errors[0]
    busy = bench.run(start, create, use, "old = m\n" + create, "print(old.empty())")
    assert busy.errors == ["Exception: Could not create manager on port " + busy.errors[0].split()[-1]]
    assert busy.printed[4] == "0\n"


def test_user_subclasses(bench):
    define = """
class Mine(vine.Manager):
    def submit(self, task):
        print("submitting")
        return super().submit(task)
class Job(vine.PythonTask):
    def __init__(self, x):
        super().__init__(square, x)
    @property
    def output(self):
        return ("mine", super().output)
"""
    workers = WORKERS.replace("vine.Manager", "Mine")
    use = "m.submit(Job(4)); t = m.wait(20); print(t.output, isinstance(m, vine.Manager), type(t).__name__)"
    for reused in (0, 1):
        report = bench.run(IMPORT + DEFINE + define, workers, use, STOP)
        assert report.errors == []
        assert report.reused == reused
        assert report.printed[2] == "submitting\n('mine', 16) True Job\n"


def test_map_pair_and_tree_reduce(bench):
    define = """
def add(xs):
    return sum(xs)
def mul(p):
    return p[0] * p[1]
"""
    use = "print(m.map(square, [1, 2, 3, 4], 2), m.pair(mul, [1, 2], [3, 4], 2), m.tree_reduce(add, [1, 2, 3, 4]))"
    printed = []
    for submitted in (7, 0):
        report = bench.run(IMPORT + DEFINE + define, WORKERS, use, STOP)
        assert report.errors == []
        assert report.submitted == submitted
        printed.append(report.printed[2])
    assert printed[0] == printed[1] == "[1, 4, 9, 16] [3, 4, 6, 8] 10\n"


def test_fresh_runs_everything_and_records(bench):
    cells = [IMPORT + DEFINE, WORKERS, "m.submit(task(3))", COLLECT, STOP]
    bench.run(*cells)
    assert bench.run(*cells, fresh=True).submitted == 1
    assert bench.run(*cells).submitted == 0


def test_function_is_frozen_at_its_first_submission(bench):
    """TaskVine pickles a function once a manager; a later change of its globals does not reach the workers."""
    use = """
k = {FIRST}
def f(x): return x + k
m.submit(vine.PythonTask(f, 1))
k = 100
m.submit(vine.PythonTask(f, 2))
"""
    show = "print([t.output for i, t in sorted(results.items())])"

    def run(first):
        return bench.run(IMPORT, WORKERS, use.replace("{FIRST}", str(first)), COLLECT, show, STOP)

    assert run(1).printed[4] == "[2, 3]\n"
    again = run(1)
    assert (again.reused, again.printed[4]) == (2, "[2, 3]\n")
    edited = run(100)
    assert (edited.submitted, edited.printed[4]) == (2, "[101, 102]\n")


def test_nothing_changes_for_bare_processes(bench):
    check = """
print(vine.Manager.submit.__code__.co_filename.endswith("manager.py"))
"""
    assert bench.run(IMPORT, check, record="-").printed[1] == "True\n"


def test_waiting_for_workers_brings_them(bench):
    """Whoever polls an idle manager until workers have come must not wait for ever."""
    use = """
import time
end = time.monotonic() + 30
while m.stats.workers_connected < 1 and time.monotonic() < end:
    m.wait(1)
print(m.stats.workers_connected)
"""
    report = bench.run(IMPORT, FACTORY, use, STOP_FACTORY)
    assert (report.errors, report.printed[2]) == ([], "1\n")


def test_empty_manager_waits_as_long_as_asked(bench):
    use = "import time\nt0 = time.monotonic()\nprint(m.wait(3), 2 < time.monotonic() - t0 < 3.5)"
    assert bench.run(IMPORT, "m = vine.Manager(port=0)", use).printed[2] == "None True\n"
