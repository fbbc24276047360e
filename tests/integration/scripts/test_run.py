"""``nbrewind run SCRIPT``: what ``python SCRIPT`` does, with the tasks that the record holds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from importlib.util import find_spec

import pytest

from nbrewind.record.store import Record

pytestmark = pytest.mark.xdist_group("scripts")
PLAIN = (sys.executable,)
OURS = (sys.executable, "-m", "nbrewind", "run")


def run(how, *arguments, cwd, stdin="", **environment):
    done = subprocess.run(
        [*how, *map(str, arguments)], input=stdin, capture_output=True, text=True, cwd=cwd, timeout=100, check=False,
        env={**os.environ, **environment},
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


SCRIPTS = {
    "what it is": """
        '''What it does.'''
        from __future__ import annotations
        import os, sys
        print(sys.argv, __name__, __file__, __doc__, __package__, __spec__, sys.path[0], os.getcwd())
        print(sorted(globals()), annotations, sys.modules['__main__'].__dict__ is globals(), sys.flags)
        import beside; print(beside.value)
        """,
    "input": "print([input('? '), input(), __import__('sys').stdin.read()])",
    "exit code": "import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)",
    "exit text": "raise SystemExit('sorry')",
    "exit in a function": "def f():\n    exit()\nf()",
    "exception": "def f(x):\n    return 1 / x\ntry:\n    f(0)\nexcept ZeroDivisionError as error:\n    raise RuntimeError('no') from error",
    "own hook": "import sys\nsys.excepthook = lambda *a: print('mine', a[0].__name__, a[2].tb_lineno)\n1 / 0",
    "syntax error": "x = 1\nif x print(x)\n",
    "interrupt": "raise KeyboardInterrupt",
    "group": "raise ExceptionGroup('several', [ValueError(1), TypeError(2)])",
    "at exit": """
        import atexit, threading, time
        atexit.register(print, 'at exit')
        threading.Thread(target=lambda: (time.sleep(0.3), print('thread'))).start()
        print('main')
        """,
    "pickle": """
        import pickle
        class Point:
            x = 1
        def area(): return 2
        print(pickle.loads(pickle.dumps([Point, area]))[1](), Point.__module__, Point().__class__)
        """,
    "processes": """
        import multiprocessing as mp
        def square(x): return x * x
        if __name__ == '__main__':
            with mp.get_context('spawn').Pool(1) as pool:
                print(pool.map(square, [1, 2, 3]))
        """,
    "fork": "import os\nif os.fork():\n    print('parent', os.waitstatus_to_exitcode(os.wait()[1]))\nelse:\n    raise SystemExit(4)",
    "bytes": "# -*- coding: latin-1 -*-\nprint(ascii('é'))",
}


@pytest.mark.parametrize("name", list(SCRIPTS))
def test_as_python(tmp_path, name):
    folder = tmp_path / "sub"
    folder.mkdir()
    (folder / "beside.py").write_text("value = 42")
    encoding = "latin-1" if name == "bytes" else "utf-8"
    (folder / "job.py").write_text(textwrap.dedent(SCRIPTS[name]).lstrip("\n"), encoding=encoding)
    given = {"cwd": tmp_path, "stdin": "one\ntwo\nthree\n"}
    arguments = ("sub/job.py", "-q", "--json", "x.py", "--help", "-")
    plain = run(PLAIN, *arguments, **given)
    ours = run(OURS, *arguments, **given)
    assert ours == plain
    with Record.open(folder / "job.nbrewind") as record:
        (done,) = record.runs()
    assert (done.kind, done.status) == ("script", "ok" if plain[0] == 0 else "failed")


def test_scripts_that_cannot_be_run(tmp_path):
    code, _, err = run(OURS, "nowhere.py", cwd=tmp_path)
    assert (code, "nowhere.py: cannot be run (No such file or directory)" in err) == (2, True)
    assert run(OURS, ".", cwd=tmp_path)[0] == 2
    (tmp_path / "job.py").write_text("print('ran')")
    (tmp_path / "job.nbrewind").write_text("no folder")
    code, out, err = run(OURS, "job.py", cwd=tmp_path)
    assert (code, out) == (0, "ran\n")
    assert "no task is recorded or reused: " in err


def test_a_report(tmp_path):
    (tmp_path / "job.py").write_text("import sys; sys.exit(3)")
    assert run(OURS, "--json", "report.json", "--record", "rec", "job.py", cwd=tmp_path)[0] == 3
    body = json.loads((tmp_path / "report.json").read_text())
    assert (body["schema"], body["status"], body["tasks"]) == (
        1,
        "failed",
        {"reused": 0, "submitted": 0, "failed": 0},
    )
    with Record.open(tmp_path / "rec") as record:
        assert body["run"] == record.runs()[0].id
    assert run(OURS, "--json", "-", "job.py", cwd=tmp_path)[0] == 2


JOB = """
import sys
import ndcctools.taskvine as vine

FACTOR = 10

def work(x):
    return x * FACTOR

if __name__ == "__main__":
    m = vine.Manager(port=0)
    factory = vine.Factory("local", manager=m)
    factory.cores = factory.min_workers = factory.max_workers = 1
    with factory:
        for n in map(int, sys.argv[1:]):
            m.submit(vine.PythonTask(work, n))
        results = []
        while not m.empty():
            task = m.wait(5)
            if task:
                results.append(task.output)
    print(sorted(results))
    sys.exit(5)
"""


@pytest.mark.engine
@pytest.mark.skipif(find_spec("ndcctools") is None, reason="ndcctools is not installed")
def test_tasks_of_a_script(tmp_path):
    (tmp_path / "job.py").write_text(JOB)

    def tasks(*arguments):
        code, out, err = run(OURS, "--json", "report.json", "job.py", *arguments, cwd=tmp_path)
        assert code == 5, err
        told = json.loads((tmp_path / "report.json").read_text())["tasks"]
        return out, told["reused"], told["submitted"], err

    assert tasks(1, 2, 3)[:3] == ("[10, 20, 30]\n", 0, 3)
    out, reused, submitted, err = tasks(1, 2, 4)
    assert (out, reused, submitted) == ("[10, 20, 40]\n", 2, 1)
    assert "[nbrewind] tasks: 2 reused, 1 submitted\n" in err
    (tmp_path / "job.py").write_text(
        JOB.replace("x * FACTOR", "x *  FACTOR  # the same").replace("[1:]", "[1:4]")
    )
    assert tasks(1, 2, 4)[:3] == ("[10, 20, 40]\n", 3, 0)
    (tmp_path / "job.py").write_text(JOB.replace("FACTOR = 10", "FACTOR = 11"))
    assert tasks(1)[:3] == ("[11]\n", 0, 1)
