"""Every kind of library, file, package and future: repeated without a submission, and edited with the affected ones."""

import functools
import http.server
import io
import subprocess
import tarfile
import threading

import pytest
from conftest import COLLECT, IMPORT, STOP, WORKERS
from test_calls import needs_libraries

TRY = """
import os
def attempt(action):
    try:
        return action()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
"""
SHOW = "for i, t in sorted(results.items()): print(i, t.output, t.result, t.exit_code)"


def test_task_is_refused_a_second_time(bench):
    """The engine takes a task once, whether it ran or was served."""
    use = """
def f(x): return x + 1
for t in (vine.Task("echo hi"), vine.PythonTask(f, 1)):
    t.set_cores(1)
    m.submit(t)
    t = m.wait(20)
    print(t.output, attempt(lambda: m.submit(t)), m.empty())
u = vine.Task("echo next")
m.submit(u)
print(m.wait(20) is u, u.std_output)
"""
    cells = [IMPORT + TRY, WORKERS, use, STOP]
    bare, first, again = (bench.run(*cells, record=record) for record in ("-", "rec", "rec"))
    assert bare.printed == first.printed == again.printed
    assert "invalid task description" in bare.printed[2]
    assert (again.errors, again.reused, again.submitted) == ([], 3, 0)


SERVER = '''#!/usr/bin/env python3
"""A library of its author's own: it answers every call with FACTOR times its argument."""
import argparse, cloudpickle, json, os, signal, sys
FACTOR = 2
parser = argparse.ArgumentParser()
for name in ("in-pipe-fd", "out-pipe-fd", "task-id", "library-cores", "function-slots", "worker-pid"):
    parser.add_argument("--" + name, type=int)
options = parser.parse_args()
def say(text):
    os.write(options.out_pipe_fd, f"{len(text)}\\n{text}".encode())
    os.kill(options.worker_pid, signal.SIGCHLD)
name = "own" if "own" in sys.argv[0] else "program"
say(json.dumps({"name": name, "taskid": options.task_id, "exec_mode": "direct"}))
while True:
    size = b""
    while (letter := os.read(options.in_pipe_fd, 1)) != b"\\n":
        size += letter or sys.exit()
    number, function, sandbox, out = os.read(options.in_pipe_fd, int(size)).decode().split(" ", 3)
    with open(os.path.join(sandbox, "infile"), "rb") as file:
        event = cloudpickle.load(file)
    with open(os.path.join(sandbox, "outfile"), "wb") as file:
        result = (function, FACTOR * event["fn_args"][0])
        cloudpickle.dump({"Success": True, "Result": result, "Reason": None}, file)
    say(f"{number} 0")
'''
LIBRARIES = """
import math
OFFSET = 7
def helper(x): return x + OFFSET
def rounded(x): return math.floor(x) + helper(0)
def doubled(x): return 2 * x
def ready(library):
    library.set_cores(1)
    library.set_function_slots(1)
    m.install_library(library)
ready(m.create_library_from_functions("plain", rounded, doubled, add_env=False, hoisting_modules=[math, helper]))
ready(m.create_library_from_functions("direct", doubled, add_env=False, exec_mode="direct"))
ready(m.create_library_from_command("server.py", "program"))
own = vine.LibraryTask("./own.py", "own")
own.add_input(m.declare_file("server.py"), "own.py")
ready(own)
kept = vine.FunctionCall("plain", "rounded", 5)
kept.enable_temp_output()
late = vine.FunctionCall("direct", "doubled")
late.set_fn_args([11], {})
calls = [vine.FunctionCall("plain", "rounded", 2.5), vine.FunctionCall("plain", "doubled", 3), kept, late]
calls += [vine.FunctionCall("program", "any", 4), vine.FunctionCall("own", "any", 5)]
for call in calls:
    m.submit(call)
"""
AFTER = """
def answer(name):
    import cloudpickle
    with open(name, "rb") as file:
        return cloudpickle.load(file)["Result"] * FACTOR
print([attempt(lambda: t.output) for t in calls], [t.output_file.type() for t in calls])
user = vine.PythonTask(answer, "x")
user.set_cores(1)
user.add_input(kept.output_file, "x")
m.submit(user)
print(m.wait(20).output, attempt(lambda: m.submit(vine.FunctionCall("absent", "f"))))
m.remove_library("plain")
print(attempt(lambda: m.submit(vine.FunctionCall("plain", "doubled", 1))))
"""


@needs_libraries
def test_libraries_of_all_sorts(bench):
    server = bench.folder / "server.py"
    server.write_text(SERVER)
    server.chmod(0o755)

    def run(libraries=LIBRARIES, factor=10, record="rec"):
        workers = WORKERS.replace('"4"', '"8"')  # libraries keep their cores
        cells = [IMPORT + TRY + f"FACTOR = {factor}", workers, libraries, COLLECT, AFTER, STOP]
        report = bench.run(*cells, record=record)
        assert report.errors == []
        return report

    first, again = run(), run()
    assert first.printed == again.printed == run(record="-").printed
    assert (first.submitted, again.submitted, again.reused) == (7, 0, 7)
    assert again.notices == []
    assert run(LIBRARIES.replace("OFFSET = 7", "OFFSET = 8"), record=bench.copy("offset")).submitted == 4
    assert run(LIBRARIES.replace("2 * x", "x + x"), record=bench.copy("doubled")).submitted == 2
    assert run(factor=11, record=bench.copy("user")).submitted == 1
    server.write_text(SERVER.replace("FACTOR = 2", "FACTOR = 3"))
    edited = run()
    assert edited.submitted == 2
    assert "('any', 12), ('any', 15)" in edited.printed[4]


@needs_libraries
def test_library_that_an_earlier_session_wrote(bench):
    """The engine takes a library of the same source from its cache, whatever the globals were then."""
    use = """
def scaled(x): return x * K
library = m.create_library_from_functions("lib", scaled, poncho_env="env.tar.gz")
library.set_cores(1)
m.install_library(library)
m.submit(vine.FunctionCall("lib", "scaled", 5))
print(m.wait(20).output)
"""
    pack(bench.folder / "env.tar.gz", {"bin/run_in_env": '#!/bin/sh\nexec "$@"\n'})
    printed = [bench.run(IMPORT + f"K = {k}", WORKERS, use, STOP).printed[2] for k in (2, 3, 2)]
    assert printed == ["10\n", "15\n", "10\n"]


def pack(path, files):
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(text), 0o755
            tar.addfile(info, io.BytesIO(text.encode()))


PACKAGES = """
def add(command, prepare):
    task = vine.Task(command)
    task.set_cores(1)
    prepare(task)
    m.submit(task)
add("sh -c 'echo $INSIDE'", lambda t: t.add_environment(m.declare_poncho("env.tar.gz", cache=True)))
add("sh -c 'echo $INSIDE'", lambda t: t.add_poncho_package(m.declare_poncho("env.tar.gz", cache=True)))
add("tool a b", lambda t: t.add_starch_package(m.declare_starch("tool.sfx", cache=True)))
add("sh -c 'echo $INSIDE too'", lambda t: t.add_execution_context(m.declare_poncho("env.tar.gz", cache=True)))
add("cat p/bin/run_in_env", lambda t: t.add_input(m.declare_untar(m.declare_file("env.tar.gz"), cache="workflow"), "p"))
add("cat near/by", lambda t: t.add_input(m.declare_file("data.txt"), "near/by", mount_symlink=True))
full = vine.Task("echo $A $B", env={"A": "1"}, tag="tag", category="kind", cores=1, retries=2,
                 features=[], inputs={m.declare_buffer("text"): "in"})
full.set_env_var("B", B)
full.set_scheduler(0)
m.submit(full)
only = vine.Task("echo bad > bad; echo good > good")
only.set_cores(1)
only.add_output(m.declare_file("bad.txt"), "bad", failure_only=True)
only.add_output(m.declare_file("good.txt"), "good", success_only=True)
m.submit(only)
"""
PACKAGES_SHOW = (
    SHOW
    + """
print(open("good.txt").read(), os.path.exists("bad.txt"), full.tag, full.category, m.stats_category("kind").tasks_done)
"""
)


def test_packages_and_options(bench):
    def write_environment(inside):
        script = f'#!/bin/sh\nexport INSIDE={inside}\nexec "$@"\n'
        pack(bench.folder / "env.tar.gz", {"bin/run_in_env": script})

    def write_tool(tool):
        (bench.folder / "tool").write_text(f"#!/bin/sh\necho {tool} $*\n")
        (bench.folder / "tool").chmod(0o755)
        subprocess.run(["starch", "-x", "tool", "-c", "tool", "tool.sfx"], check=True, capture_output=True)

    def run(b=2, record="rec"):
        start = IMPORT + f"import os\nB = '{b}'"
        report = bench.run(start, WORKERS, PACKAGES, COLLECT, PACKAGES_SHOW, STOP, record=record)
        assert report.errors == []
        return report

    write_environment("box")
    write_tool("starched")
    (bench.folder / "data.txt").write_text("data")
    bare, first, again = run(record="-"), run(), run()
    assert bare.printed == first.printed == again.printed
    assert "starched a b" in bare.printed[4]
    assert (first.submitted, again.submitted, again.reused) == (8, 0, 8)
    assert run(b=3).submitted == 1
    write_environment("case")
    assert run().submitted == 4
    write_tool("washed")
    assert run().submitted == 1


@pytest.fixture
def web(tmp_path):
    """A folder behind a web server, and its address."""
    folder = tmp_path / "web"
    folder.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, server
    server.shutdown()


def test_urls_count_by_content(bench, web):
    folder, server = web
    (folder / "a.txt").write_text("one")
    (folder / "b.txt").write_text("two")
    use = """
for name in ("a.txt", "b.txt", "a.txt"):
    t = vine.Task(f"cat in; echo {name}")
    t.set_cores(1)
    t.add_input(m.declare_url(WEB + name, cache=True), "in")
    m.submit(t)
"""
    address = f"http://127.0.0.1:{server.server_port}/"

    def run():
        return bench.run(IMPORT + f"WEB = {address!r}", WORKERS, use, COLLECT, SHOW, STOP)

    first, again = run(), run()
    assert (first.errors, first.submitted, again.submitted, again.reused) == ([], 3, 0, 3)
    assert again.printed == first.printed
    (folder / "a.txt").write_text("ONE")
    edited = run()
    assert (edited.submitted, edited.reused) == (2, 1)
    assert edited.printed[4] == first.printed[4].replace("one", "ONE")
    server.shutdown()
    server.server_close()
    gone = bench.run(IMPORT + f"WEB = {address!r}", "m = vine.Manager(port=0)", use)
    assert gone.submitted == 3
    assert any("cannot be reached" in text for text in gone.notices)


def test_files_of_services_count_by_address(bench):
    use = """
def add(file):
    t = vine.Task("cat in")
    t.add_input(file, "in")
    return m.submit(t)
add(m.declare_xrootd(f"root://{HOST}/data"))
add(m.declare_chirp(HOST, "/data"))
print(m.cancel_all())
"""
    for host in ("a.invalid", "b.invalid"):
        report = bench.run(IMPORT + f"HOST = {host!r}", "m = vine.Manager(port=0)", use, COLLECT)
        assert (report.errors, report.submitted, report.cancelled) == ([], 2, 2)
        assert {each["status"] for each in report.runs} == {"cancelled"}
        assert all(host in each["ingredients"]["input:in"] for each in report.runs)


def test_files_of_served_tasks_can_be_let_go(bench):
    use = """
f, g = m.declare_file("in.txt", cache=True), m.declare_temp()
t = vine.Task("cat in > out")
t.add_input(f, "in")
t.add_output(g, "out")
m.submit(t)
m.wait(20)
print(m.get_file_replica_count(f) >= 0, m.get_file_replica_count(g) >= 0)
m.prune_file(g); m.undeclare_file(g); m.remove_file(f)
"""
    (bench.folder / "in.txt").write_text("x")
    for reused in (0, 1):
        report = bench.run(IMPORT, WORKERS, use, STOP)
        assert (report.errors, report.reused, report.printed[2]) == ([], reused, "True True\n")


FUTURES = """
from ndcctools.taskvine.futures import as_completed, wait
def plus(x): return x + STEP
def bad(x): return 1 / x
e = vine.FuturesExecutor(manager_host_port="localhost:1", factory=False, port=0)
worker = start_worker(e.manager.port)
a = e.submit(plus, 1)
b, c, seen = e.submit(plus, a), e.submit(bad, 0), []
a.add_done_callback(lambda future: seen.append(future._result))
print(a.result(timeout=20), b.result(), attempt(c.result), type(c.exception()).__name__, seen)
print(sorted(f.result() for f in as_completed([e.submit(plus, i) for i in range(4)])))
print([len(part) for part in (lambda r: (r.done, r.not_done))(wait([e.submit(plus, i) for i in (10, 11)], timeout=30))])
total = e.reduce(lambda p: sum(p) if isinstance(p, list) else p, [1, 2, 3, 4])
print(total.result(), e.allpairs(lambda x, y: x * y, [1, 2], [3, 4]).result())
print(attempt(a.done) == attempt(b.done))
gone = e.submit(plus, 100)
print(gone.cancel(), type(gone.exception(timeout=5)).__name__)
"""


def test_executor(bench):
    workers = WORKERS.replace("m = vine.Manager(port=0)", "").replace("worker = start_worker(m.port)", "")

    def run(step=1, record="rec"):
        report = bench.run(IMPORT + TRY + f"STEP = {step}", workers, FUTURES, STOP, record=record)
        assert report.errors == []
        return report

    bare, first, again, edited = run(record="-"), run(), run(), run(step=2)
    assert [line for line in bare.printed[2].splitlines() if "[" in line[:1]] == [
        line for line in first.printed[2].splitlines() if "[" in line[:1]
    ]
    assert again.printed == first.printed
    assert again.submitted == 2  # what failed and what was cancelled
    assert edited.submitted - again.submitted == first.submitted - 2 - 9  # reduce, allpairs do not use it


THREADS = """
import threading
other = vine.Manager(port=0)
second = start_worker(other.port)
def square(x): return x * x
found = {}
def drive(manager, name):
    got = []
    for i in range(8):
        for task in (vine.PythonTask(square, i), vine.Task(f"echo {name} {i * STEP}")):
            task.set_cores(1)
            manager.submit(task)
    while not manager.empty():
        task = manager.wait(1)
        if task:
            got.append(str(task.output).strip())
    found[name] = sorted(got)
threads = [threading.Thread(target=drive, args=each) for each in ((m, "one"), (other, "two"))]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(sorted(found.items()))
os.killpg(second.pid, signal.SIGKILL)
second.wait()
"""


def test_managers_in_threads(bench):
    def run(step):
        return bench.run(IMPORT + f"import os, signal\nSTEP = {step}", WORKERS, THREADS, STOP)

    first, again = run(1), run(1)
    assert (first.errors, first.submitted + first.reused) == ([], 32)
    assert (again.errors, again.submitted, again.printed) == ([], 0, first.printed)
    assert run(2).submitted == 8  # echo 8, 10, 12 and 14 are new to both
