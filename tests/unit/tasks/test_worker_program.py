"""The program that runs on workers, and what is made of its report."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import cloudpickle
import pytest

from nbrewind.cells.paths import Paths
from nbrewind.record.model import Evidence
from nbrewind.tasks.observed import Observations, Report, parse
from nbrewind.tasks.programs import script
from nbrewind.tasks.remote import files


@pytest.fixture
def worker(tmp_path):
    """Run a function as a worker does, in a sandbox beside a shared folder."""
    sandbox, shared = tmp_path / "sandbox", tmp_path / "shared"
    sandbox.mkdir()
    shared.mkdir()

    def run(function, *args, serialize=True, env=None):
        (sandbox / "w_1").write_text(script(serialize=serialize, futures=False))
        (sandbox / "f_1").write_bytes(cloudpickle.dumps(function))
        (sandbox / "a_1").write_bytes(cloudpickle.dumps([args, {}]))
        done = subprocess.run(
            [sys.executable, "w_1", "f_1", "a_1", "o_1"],
            cwd=sandbox,
            capture_output=True,
            text=True,
            env={**os.environ, "TMPDIR": str(tmp_path / "tmp"), **(env or {})},
        )
        output = (sandbox / "o_1").read_bytes()
        return done, output, json.loads((sandbox / "s_1").read_text())

    run.shared = shared
    return run


def by_value(source, name):
    """A function that is pickled by value."""
    names = {"__name__": "__main__"}
    exec(source, names)
    return names[name]


def test_result_and_report(worker):
    done, output, seen = worker(by_value("def f(x): return {'x': x}", "f"), 3)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert cloudpickle.loads(output) == {"x": 3}
    assert seen["schema"] == 1
    assert (seen["reads"], seen["writes"], seen["folders"]) == ({}, {}, {})
    assert seen["environment"]["python"].startswith("3.")
    assert seen["environment"]["libraries"]["cloudpickle"] == cloudpickle.__version__


def test_reads_outside_the_sandbox(worker):
    path = worker.shared / "data.bin"
    path.write_bytes(b"x" * 3_000_000)
    source = "def f(p):\n    open('mine', 'w').write('x')\n    open('mine').read()\n    return len(open(p, 'rb').read())"
    _, output, seen = worker(by_value(source, "f"), str(path))
    assert cloudpickle.loads(output) == 3_000_000
    assert seen["reads"] == {str(path): files.describe(str(path))}
    assert seen["writes"] == {}


def test_file_that_is_not_there(worker):
    path = worker.shared / "absent"
    source = "def f(p):\n    try:\n        open(p)\n    except OSError:\n        return 'no'"
    _, output, seen = worker(by_value(source, "f"), str(path))
    assert cloudpickle.loads(output) == "no"
    assert seen["reads"] == {str(path): None}


def test_threads_that_read_at_the_same_time(worker):
    for number in range(20):
        (worker.shared / f"{number}").write_bytes(b"x" * 100_000)
    source = """
def f(folder):
    from concurrent.futures import ThreadPoolExecutor
    def read(number):
        with open(f"{folder}/{number}", "rb") as file:
            return len(file.read())
    with ThreadPoolExecutor(8) as pool:
        return sum(pool.map(read, range(20)))
"""
    _, output, seen = worker(by_value(source, "f"), str(worker.shared))
    assert cloudpickle.loads(output) == 2_000_000
    assert len(seen["reads"]) == 20
    assert all(seen["reads"].values())


def test_exception_is_the_result(worker):
    done, output, seen = worker(by_value("def f(): return 1 / 0", "f"))
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert isinstance(cloudpickle.loads(output), ZeroDivisionError)
    assert seen["schema"] == 1


def test_function_that_leaves(worker):
    done, _, seen = worker(by_value("def f(): raise SystemExit(3)", "f"))
    assert done.returncode == 1
    assert seen in ({}, {"schema": 1}) or seen["schema"] == 1


def test_modules_are_no_data(worker, tmp_path):
    library = tmp_path / "library"
    library.mkdir()
    (library / "helper_of_mine.py").write_text("n = 1\n")
    source = "def f():\n    import helper_of_mine, email.mime.text\n    return helper_of_mine.n"
    _, output, seen = worker(by_value(source, "f"), env={"PYTHONPATH": str(library)})
    assert cloudpickle.loads(output) == 1
    assert list(seen["reads"]) == [str(library / "helper_of_mine.py")]
    assert seen["folders"] == {}


@pytest.fixture
def elsewhere():
    """A folder that is neither temporary nor a worker's."""
    folder = Path(tempfile.mkdtemp(dir=Path.home(), prefix="nbrewind-test-"))
    yield folder
    shutil.rmtree(folder)


READERS = {
    "child process": "import subprocess; subprocess.run(['cat', p], stdout=subprocess.DEVNULL)",
    "shell": "import os; os.system('cat < ' + p + ' > /dev/null')",
    "option": "import subprocess; subprocess.run(['true', '--in=' + p])",
    "relative to a folder": "import subprocess; d, n = p.rsplit('/', 1); subprocess.run(['true', n], cwd=d)",
    "forked child": "import os; pid = os.fork()\n    if not pid: open(p).read(); os._exit(0)\n    os.waitpid(pid, 0)",
    "worker process": "import multiprocessing as m; q = m.get_context('fork').Process(target=open_it, args=(p,))\n"
    "    q.start(); q.join()",
    "only its name": "len(p)",
    "database": "import sqlite3; sqlite3.connect(p).close()",
    "low level": "import os; os.close(os.open(p, os.O_RDONLY))",
    "memory map": "import mmap\n    with open(p, 'rb') as f: mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ).close()",
}


@pytest.mark.parametrize("how", READERS)
def test_ways_to_read(worker, how):
    """Whatever reads the file, it is an input with its content."""
    path = worker.shared / "data.bin"
    path.write_bytes(b"x" * 100)
    source = f"def open_it(p): return len(open(p).read())\ndef f(p):\n    {READERS[how]}"
    done, _, seen = worker(by_value(source, "f"), str(path))
    assert done.returncode == 0, done.stderr
    assert seen["reads"] == {str(path): files.describe(str(path))}


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the interpreter has no monitoring")
@pytest.mark.parametrize(
    "code",
    [
        "import os; os.path.exists(p)",
        "import pathlib; pathlib.Path(p).is_file()",
        "import pathlib; pathlib.Path(p).exists()",
        "import h5py\n    try: h5py.File(p, 'r')\n    except OSError: pass",
    ],
)
def test_absent_file_that_the_function_asks_for(worker, elsewhere, code):
    """Should somebody make it, the task runs again."""
    source = f"def f(folder):\n    p = folder + '/absent'\n    {code}"
    done, _, seen = worker(by_value(source, "f"), str(elsewhere))
    assert done.returncode == 0, done.stderr
    assert {**seen["reads"], **seen["exists"]} == {str(elsewhere / "absent"): None}


def test_file_that_a_child_writes(worker, elsewhere):
    path = elsewhere / "out"
    path.write_text("before")
    source = "def f(p):\n    import subprocess\n    subprocess.run(['sh', '-c', 'echo after > ' + p])"
    _, _, seen = worker(by_value(source, "f"), str(path))
    assert seen["reads"] == {}
    assert seen["writes"] == {str(path): files.describe(str(path))}


def test_file_that_is_put_in_place_by_renaming(worker, elsewhere):
    path = elsewhere / "out"
    source = "def f(p):\n    import os\n    open(p + '.part', 'w').write('x')\n    os.replace(p + '.part', p)"
    _, _, seen = worker(by_value(source, "f"), str(path))
    assert seen["writes"] == {str(path): files.describe(str(path)), f"{path}.part": None}


def test_arguments_that_are_hard_to_look_into(worker):
    class Odd:
        def __getattr__(self, name):
            raise RuntimeError(name)

    source = "def f(*args): return len(args)"
    args = [
        "/" + "x" * 5000,
        "/a\0b",
        b"/no/where",
        [[]] * 10,
        list(range(100_000)),
        {"a": {"b": "/no/where"}},
    ]
    done, output, seen = worker(by_value(source, "f"), *args)
    assert (done.returncode, cloudpickle.loads(output)) == (0, 6)
    assert (seen["reads"], seen["writes"]) == ({}, {})
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    try:
        done, output, seen = worker(by_value(source, "f"), Odd())
    finally:
        cloudpickle.unregister_pickle_by_value(sys.modules[__name__])
    assert (done.returncode, cloudpickle.loads(output)) == (0, 1)
    assert "reads" not in seen


def test_raw_output(worker):
    _, output, _ = worker(by_value("def f(): return b'raw'", "f"), serialize=False)
    assert output == b"raw"


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"schema": 2}', b'{"schema": 1, "reads": 3}', b"\xff"])
def test_report_that_cannot_be_read(data):
    assert parse(data) == Report()


@pytest.fixture
def observations(tmp_path):
    return Observations(Paths(tmp_path))


def test_settle(observations, tmp_path):
    path = tmp_path / "data"
    path.write_text("one")
    report = Report(reads={str(path): files.describe(str(path)), str(tmp_path / "no"): None}, complete=True)
    seen = observations.settle(report)
    assert [each.name for each in seen.inputs if each.kind != "place"] == ["./data", "./no"]
    assert seen.reads == (str(path),)
    assert not observations.changed(seen.inputs)
    path.write_text("two")
    assert observations.changed(seen.inputs) == "./data"
    assert observations.settle(report).hidden == str(path)
    path.write_text("one")
    assert not observations.changed(seen.inputs)
    (tmp_path / "no").write_text("")
    assert observations.changed(seen.inputs) == "./no"


def test_big_files_by_size_and_time(observations, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "BIG", 10)
    path = tmp_path / "big"
    path.write_bytes(b"x" * 100)
    seen = observations.settle(Report(reads={str(path): files.describe(str(path))}, complete=True))
    assert seen.inputs[0].digest.startswith("stat:100:")
    assert not observations.changed(seen.inputs)
    os.utime(path, ns=(1, 1))
    assert observations.changed(seen.inputs) == "./big"


def test_folder(observations, tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    seen = observations.settle(Report(folders={str(folder): files.listing(str(folder))}, complete=True))
    assert seen.inputs[0] == Evidence("listing", "./parts", files.listing(str(folder)))
    (folder / "new").write_text("")
    assert observations.changed(seen.inputs) == "./parts"


@pytest.mark.parametrize(
    "command",
    [
        "cat {p}",
        "run --in={p} x",
        "run <{p}",
        "run '{p}'",
        'run "{p}"; true',
        "run $(cat {p})",
        "run a,{p}",
    ],
)
def test_files_that_a_command_names(observations, tmp_path, command):
    path = tmp_path / "in-put_1.txt"
    path.write_text("one")
    seen = observations.named(command.format(p=path))
    assert [each.name for each in seen.inputs if each.kind != "place"] == ["./in-put_1.txt"]


@pytest.mark.parametrize(
    "command", ["echo hi", "cat in.txt", "http://host/{p}", "/usr/bin/env true", "x/{p}"]
)
def test_commands_that_name_none(observations, tmp_path, command):
    path = tmp_path / "in.txt"
    path.write_text("one")
    assert observations.named(command.format(p=str(path).lstrip("/"))).inputs == ()


def test_command_whose_file_changed_meanwhile(observations, tmp_path):
    path = tmp_path / "in.txt"
    path.write_text("one")
    before = observations.named(f"cat {path}")
    assert not observations.since(before, f"cat {path}").hidden
    path.write_text("two")
    assert observations.since(before, f"cat {path}").hidden == str(path)
