"""What tasks use without declaring it: files on shared file systems, folders, and their environment."""

import shutil
import tempfile
from pathlib import Path

import pytest
from conftest import COLLECT, IMPORT, STOP, WORKERS

READ = """
def read(path):
    with open(path) as f:
        return f.read()
def names(path):
    import os
    return sorted(os.listdir(path))
def write(path, text):
    with open(path, "w") as f:
        f.write(text)
    return len(text)
def nothing(x):
    return x
"""


def run(bench, use, functions=READ, **more):
    show = "print([(t.output, t.std_output) for i, t in sorted(results.items())])"
    report = bench.run(
        IMPORT + f"HERE = {str(bench.folder)!r}" + functions, WORKERS, use, COLLECT, show, STOP, **more
    )
    assert report.errors == []
    return report


@pytest.fixture
def outside():
    """A folder that is neither temporary nor a worker's."""
    folder = Path(tempfile.mkdtemp(dir=Path.home(), prefix="nbrewind-test-"))
    yield folder
    shutil.rmtree(folder)


def test_file_that_a_function_opens(bench):
    (bench.folder / "data.csv").write_text("one")
    use = "for x in (1, 2): m.submit(vine.PythonTask(nothing, x))\nm.submit(vine.PythonTask(read, HERE + '/data.csv'))"
    first = run(bench, use)
    assert first.submitted == 3
    assert str(bench.folder / "data.csv") in first.reads
    assert [each["inputs"] for each in first.runs if each["name"] == "read"] == [["./data.csv"]]
    again = run(bench, use)
    assert (again.reused, again.printed) == (3, first.printed)
    assert str(bench.folder / "data.csv") in again.reads
    (bench.folder / "data.csv").write_text("two")
    edited = run(bench, use)
    assert (edited.reused, edited.submitted) == (2, 1)
    assert edited.printed[4] == "[(1, ''), (2, ''), ('two', '')]\n"
    (bench.folder / "data.csv").unlink()
    assert run(bench, use).failed == 1


def test_folder_that_a_function_lists(bench):
    (bench.folder / "parts").mkdir()
    (bench.folder / "parts" / "a").write_text("")
    use = "m.submit(vine.PythonTask(names, HERE + '/parts'))"
    kept = Path(tempfile.mkdtemp(dir=Path.home(), prefix="nbrewind-test-"))
    try:
        use = f"m.submit(vine.PythonTask(names, {str(kept)!r}))"
        assert run(bench, use).printed[4] == "[([], '')]\n"
        assert run(bench, use).reused == 1
        (kept / "b").write_text("")
        edited = run(bench, use)
        assert (edited.submitted, edited.printed[4]) == (1, "[(['b'], '')]\n")
    finally:
        shutil.rmtree(kept)


def test_file_that_a_function_writes(bench, outside):
    use = f"m.submit(vine.PythonTask(write, {str(outside / 'out.txt')!r}, 'hello'))"
    first = run(bench, use)
    assert str(outside / "out.txt") in first.writes
    assert run(bench, use).reused == 1
    (outside / "out.txt").unlink()
    again = run(bench, use)
    assert (again.submitted, (outside / "out.txt").read_text()) == (1, "hello")


def test_file_that_a_command_names(bench, outside):
    (bench.folder / "in.txt").write_text("one")
    use = f"m.submit(vine.Task('cat ' + HERE + '/in.txt > {outside}/out.txt; cat {outside}/out.txt'))"
    show = [COLLECT, "print(results[1].std_output)", STOP]
    cells = [IMPORT + f"HERE = {str(bench.folder)!r}", WORKERS, use, *show]
    assert bench.run(*cells).printed[4] == "one\n"
    assert bench.run(*cells).reused == 1
    (bench.folder / "in.txt").write_text("two")
    edited = bench.run(*cells)
    assert (edited.submitted, edited.printed[4]) == (1, "two\n")
    bench.run(*cells)
    (outside / "out.txt").unlink()
    assert bench.run(*cells).submitted == 1


def test_environment_of_the_worker(bench):
    report = run(bench, "for x in (1, 2): m.submit(vine.PythonTask(nothing, x))")
    one, other = (each["environment"] for each in report.runs)
    assert one == other
    assert one["python"].startswith("3.")
    assert "cloudpickle" in one["libraries"]
    assert one["host"]


def test_nothing_changes_for_the_user(bench):
    """Results, exceptions, exit codes and output are those of the bare engine."""
    use = """
def fail(x): raise KeyError(x)
def leave(x): raise SystemExit(x)
def crash(x):
    import os
    os._exit(x)
def move(x):
    import os
    os.mkdir("d")
    os.chdir("d")
    return x
def say(x): print("said", x)
def raw(x): return x.encode()
def main(): return __name__
tasks = [vine.PythonTask(f, 3) for f in (fail, leave, crash, move, say)]
tasks += [vine.PythonTask(raw, "bytes"), vine.PythonTask(main)]
tasks[5].disable_output_serialization()
for t in tasks: m.submit(t)
"""
    show = """
import contextlib, io
for i, t in sorted(results.items()):
    with contextlib.redirect_stdout(io.StringIO()):
        output = repr(t.output)[:40]
    out = (t.std_output or "").splitlines()
    print(i, t.result, t.exit_code, output, out if t.successful() else [line for line in out if "Key" in line])
"""
    cells = [IMPORT, WORKERS, use, COLLECT, show, STOP]
    bare, watched = bench.run(*cells, record="-"), bench.run(*cells)
    assert watched.errors == []
    assert watched.printed == bare.printed


def test_observation_can_be_switched_off(bench):
    (bench.folder / "data.csv").write_text("one")
    report = run(bench, "m.submit(vine.PythonTask(read, HERE + '/data.csv'))", observe=False)
    assert report.runs[0]["inputs"] == []


ATTACKS = """
def hdf(folder):
    import h5py
    with h5py.File(folder + "/in.h5", "r") as f:
        return int(f["x"][()])
def child(folder):
    import subprocess
    return subprocess.run(["cat", folder + "/in.txt"], capture_output=True, text=True).stdout
def table(folder):
    import pandas
    return int(pandas.read_csv(folder + "/in.csv")["x"].sum())
def either(folder):
    import os
    return os.path.exists(folder + "/made-later")
def plain(folder):
    try:
        return len(open(folder + "/in.txt").read())
    except OSError as error:
        return type(error).__name__
"""


def test_attacks_on_what_tasks_open(bench, outside):
    """Whatever happens to a file that a task used, no stale result is served, and no other task runs."""
    import h5py

    def hdf(value):
        with h5py.File(outside / "in.h5", "w") as file:
            file["x"] = value

    def attack(*affected):
        report = run(bench, use, functions)
        ran = sorted(each["name"] for each in report.runs)
        assert ran == sorted(affected), report.notices
        return report.printed[4]

    functions = ATTACKS
    use = f"for f in (hdf, child, table, either, plain): m.submit(vine.PythonTask(f, {str(outside)!r}))"
    hdf(1)
    (outside / "in.txt").write_text("one")
    (outside / "in.csv").write_text("x\n1\n2\n")
    everything = ("hdf", "child", "table", "either", "plain")
    first = attack(*everything)
    assert attack() == first

    for path in outside.iterdir():
        path.touch()
    assert attack() == first
    hdf(2)
    assert "(2, '')" in attack("hdf")
    (outside / "in.csv").write_text("x\n1\n3\n")
    assert "(4, '')" in attack("table")
    (outside / "in.txt").write_text("two")
    assert "('two', '')" in attack("child", "plain")
    (outside / "made-later").write_text("")
    assert "(True, '')" in attack("either")
    (outside / "in.txt").unlink()
    assert "('FileNotFoundError', '')" in attack("child", "plain")
    (outside / "in.txt").mkdir()
    assert "('IsADirectoryError', '')" in attack("child", "plain")
    (outside / "in.txt").rmdir()
    (outside / "in.txt").write_text("one")
    attack("child", "plain")
    assert attack() is not None
