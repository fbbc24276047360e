"""Work Queue: the same reuse, and the same record, as with TaskVine."""

import shutil

import pytest

from .conftest import COLLECT, IMPORT, STOP, TASKVINE, WORKERS

TASKS = """
K = 10
def scale(x, y=0):
    print("scaling", x)
    return x * K + y
def bad(x): return 1 / x
def command(text, *, name="in", **options):
    t = wq.Task(text)
    t.specify_cores(1)
    return t
a = command("cat in d/x piece; echo $MODE; cat empty 2>&1 | wc -l")
a.specify_input_file("a.txt", "in", cache=True)
a.specify_directory("d", "d", recursive=True)
a.specify_directory("d", "empty")
a.specify_file_piece("a.txt", "piece", 0, 2)
a.specify_environment_variable("MODE", MODE)
b = command("cat buffer > out; cat buffer; exit 0")
b.specify_buffer(TEXT, "buffer")
b.specify_output_file("made/b.txt", "out")
b.specify_tag("bb"); b.specify_category("kind"); b.specify_priority(2); b.specify_max_retries(3)
c = wq.PythonTask(scale, X, y=1)
c.specify_cores(1)
d = wq.PythonTask(bad, 0)
d.specify_cores(1)
e = command("echo fails; exit 3")
ids = [m.submit(t) for t in (a, b, c, d, e)]
"""
SHOW = """
print(ids)
for t in (a, b, c, d, e):
    print(t.id, repr(t.output), repr(t.std_output), t.result, t.result_str, t.return_status, t.tag, t.category)
print(open("made/b.txt").read(), t.host is not None, t.cmd_execution_time > 0, m.empty(), m.stats.tasks_done)
print(m.stats_category("kind").tasks_done, c.resources_allocated.cores, c.resources_measured.cores, c.hostname)
"""


def lay_out(folder, text="alpha\n"):
    (folder / "a.txt").write_text(text)
    (folder / "d").mkdir(exist_ok=True)
    (folder / "d" / "x").write_text("deep\n")
    (folder / "made").mkdir(exist_ok=True)


def run(bench, x=3, mode="fast", text="from memory\n", tasks=TASKS, record="rec"):
    start = IMPORT + f"X, MODE, TEXT = {x}, {mode!r}, {text!r}"
    report = bench.run(start, WORKERS, tasks, COLLECT, SHOW, STOP, record=record)
    assert report.errors == []
    return report


def test_tasks_of_all_kinds(bench):
    lay_out(bench.folder)
    bare, first = run(bench, record="-"), run(bench)
    assert first.printed == bare.printed
    assert (first.submitted, first.done, first.failed) == (5, 3, 2)
    assert any("exit code 3" in text and "exception" in text for text in first.notices)
    (bench.folder / "made" / "b.txt").unlink()
    again = run(bench)
    assert again.printed == bare.printed
    assert (again.reused, again.submitted) == (3, 2)


@pytest.mark.parametrize(
    ("edit", "submitted"),
    [
        ({"x": 4}, 1),
        ({"mode": "slow"}, 1),
        ({"text": "other"}, 1),
        ({"tasks": TASKS.replace("K = 10", "K = 11")}, 1),
        ({"tasks": TASKS.replace("0, 2)", "0, 3)").replace("priority(2)", "priority(5)")}, 1),
    ],
)
def test_edits(bench, edit, submitted):
    lay_out(bench.folder)
    run(bench)
    edited = run(bench, **edit)
    assert edited.submitted == submitted + 2  # and the two that failed
    assert edited.printed == run(bench, record="-", **edit).printed


def test_input_file_counts_by_content(bench):
    lay_out(bench.folder)
    run(bench)
    lay_out(bench.folder, "beta\n")
    assert run(bench).submitted == 1 + 2
    (bench.folder / "d" / "x").write_text("deeper\n")
    assert run(bench).submitted == 1 + 2


STREAM = """
def square(x): return x * x
def task(x, tag=None):
    t = wq.PythonTask(square, x)
    t.specify_cores(1)
    if tag: t.specify_tag(tag)
    return t
ids = [m.submit(task(x, f"t{x % 2}")) for x in XS]
gone = m.cancel_by_taskid(ids[0])
other = m.cancel_by_tasktag("t1")
print(ids, gone.id, other.tag, m.cancel_by_taskid(99), m.cancel_by_tasktag("none"), m.stats.tasks_submitted)
back = [m.wait_for_tag("t0", 20) for _ in range(2)]
print(sorted(t.output for t in back), m.wait_for_tag("t0", 1), m.empty(), m.wait(1), m.hungry() > 0)
t = back[0]
n = m.submit(t)
again = m.wait(20)
print(n, again is t, again.output == t.output)
copy = wq.Task("echo cloned").clone()
copy.specify_cores(1)
m.submit(copy)
print(m.wait(20) is copy, copy.output)
"""


def test_stream_of_served_and_submitted_tasks(bench):
    def stream(xs, record="rec"):
        report = bench.run(IMPORT + f"XS = {xs}", WORKERS, STREAM, STOP, record=record)
        assert report.errors == []
        return report

    bare, first, again = (stream([2, 1, 4, 6], record) for record in ("-", "rec", "rec"))
    assert bare.printed == first.printed
    assert again.printed == first.printed
    assert (first.submitted - again.submitted, again.reused > 0) == (first.submitted - 2, True)
    mixed = stream([2, 1, 8, 6])
    assert mixed.errors == []
    assert mixed.printed[2].splitlines()[1].startswith("[36, 64]")


def test_map_pair_and_tree_reduce(bench):
    use = """
def square(x): return x * x
print(m.map(square, [1, 2, 3], 2), m.tree_reduce(sum, [1, 2, 3, 4]), m.pair(sum, [1, 2], [3]))
"""
    first, again = (bench.run(IMPORT, WORKERS, use, STOP) for _ in range(2))
    assert first.printed[2] == again.printed[2] == "[1, 4, 9] 10 [4, 5]\n"
    assert (first.submitted, again.submitted, again.reused) == (7, 0, 7)


BOTH = """
def f(x):
    print("f of", x)
    return {"x": x}
"""
WITH_TASKVINE = """
t = vine.Task("cat in > out; echo said")
t.add_input(m.declare_file("a.txt"), "in")
t.add_output(m.declare_file("out.txt"), "out")
t.set_env_var("A", "1")
u = vine.PythonTask(f, X)
for each in (t, u):
    each.set_cores(1)
    m.submit(each)
"""
WITH_WORK_QUEUE = """
t = wq.Task("cat in > out; echo said")
t.specify_input_file("a.txt", "in")
t.specify_output_file("out.txt", "out")
t.specify_environment_variable("A", "1")
u = wq.PythonTask(f, X)
for each in (t, u):
    each.specify_cores(1)
    m.submit(each)
"""


def test_one_record_for_both_engines(bench):
    lay_out(bench.folder)
    vine = ("import ndcctools.taskvine as vine\n" + BOTH, TASKVINE, WITH_TASKVINE)
    queue = (IMPORT + BOTH, WORKERS, WITH_WORK_QUEUE)
    show = "print(t.output, open('out.txt').read(), u.output, repr(u.std_output))"

    def both(order, x):
        reports = []
        for start, workers, use in order:
            cells = (start + f"X = {x}", workers, use, COLLECT, show, STOP)
            reports.append((bench.run(*cells), bench.run(*cells, record="-")))
        for report, bare in reports:
            assert report.errors == []
            assert report.printed == bare.printed
        return [report.submitted for report, _ in reports]

    assert both((vine, queue), 1) == [2, 0]
    shutil.rmtree(bench.folder / "rec")
    assert both((queue, vine), 2) == [2, 0]


COPROCESS = """
def double(x): return 2 * x
def fail(x): raise ValueError("no")
"""
CALLS = """
factory = wq.Factory("local", manager=m)
factory.min_workers = factory.max_workers = 1
factory.cores = 2
factory.scratch_dir = tempfile.mkdtemp(dir=".")
factory.extra_options = "--coprocess " + PROGRAM
with factory:
    calls = [wq.RemoteTask("double", "numbers", x) for x in (1, 2)] + [wq.RemoteTask("fail", "numbers", 1)]
    calls[1].specify_fn_args([5], {})
    calls[0].specify_exec_method("direct")
    for call in calls:
        call.specify_cores(1)
        m.submit(call)
    while not m.empty():
        m.wait(5)
    print([call.output for call in calls])
"""


def test_remote_tasks(bench):
    def serverize(factor):
        source = COPROCESS.replace("2 *", f"{factor} *") + 'def name():\n    return "numbers"\n'
        (bench.folder / "functions.py").write_text(source)
        serverizer = pytest.importorskip("ndcctools.poncho.package_serverize")
        serverizer.create_library_code("functions.py", ["double", "fail"], "program.py", "work_queue")

    def calls(record="rec"):
        start = (
            IMPORT
            + f"import tempfile\nPROGRAM = {str(bench.folder / 'program.py')!r}\nm = wq.WorkQueue(port=0)"
        )
        report = bench.run(start, CALLS, record=record)
        assert report.errors == []
        return report

    serverize(2)
    bare, first, again = calls("-"), calls(), calls()
    assert bare.printed == first.printed == again.printed
    assert (first.submitted, again.submitted, again.reused) == (3, 1, 2)
    serverize(3)
    edited = calls()
    assert (edited.submitted, '"Result": 15' in edited.printed[1]) == (3, True)


def test_coprocess_that_is_not_known(bench):
    use = 'm.submit(wq.RemoteTask("double", "numbers", 1)); print(m.cancel_by_taskid(1).id)'
    report = bench.run(IMPORT + "m = wq.WorkQueue(port=0)", use)
    assert (report.errors, report.submitted) == ([], 1)
    assert any("--coprocess PROGRAM" in text for text in report.notices)


def test_factory_waits_for_the_first_task(bench):
    use = """
m = wq.WorkQueue(port=0)
factory = wq.Factory("local", manager=m)
factory.min_workers = factory.max_workers = 1
factory.start()
m.submit(wq.Task("echo hi"))
print(m.wait(30).output)
factory.stop()
"""
    first = bench.run(IMPORT, use)
    again = bench.run(IMPORT, use, env={"PATH": "/nowhere"})
    assert first.errors == again.errors == []
    assert first.printed[1] == again.printed[1] == "hi\n\n"
    assert (again.reused, again.submitted) == (1, 0)


def test_queue_created_again_on_its_port(bench):
    create = "m = wq.WorkQueue(port=PORT)"
    use = "m.submit(wq.Task('true')); print(m.port == PORT)"
    start = (
        IMPORT + "import socket\ns = socket.socket(); s.bind(('', 0)); PORT = s.getsockname()[1]; s.close()"
    )
    again = bench.run(start, create + "\n" + use + "\n" + create + "\n" + use)
    assert (again.errors, again.printed[1]) == ([], "True\nTrue\n")
    assert any("created again" in text for text in again.notices)
