"""The software that tasks meet on workers: recorded, compared before reuse, and explained when nothing can run."""

import shutil
import sys
from pathlib import Path

import pytest
from conftest import COLLECT, IMPORT, STOP, WORKERS

NOTHING = "def nothing(x): return x\n"
USES = "import fakelib\ndef uses(x): return fakelib.answer() + x\n"
SHOW = "print(sorted(repr(t.output) for t in results.values()))"
CARRY_ON = COLLECT.replace("results = {}", "")


def library(folder, version, answer=1):
    """A library, installed as pip would, that tells its version."""
    site = folder / "site-packages"
    package, info = site / "fakelib", site / f"fakelib-{version}.dist-info"
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").write_text(f"__version__ = {version!r}\ndef answer(): return {answer}\n")
    for old in site.glob("fakelib-*.dist-info"):
        shutil.rmtree(old)
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: fakelib\nVersion: {version}\n")
    (info / "RECORD").write_text("fakelib/__init__.py,,\n")
    return str(site)


def python3(folder, text):
    """Put another python3 first on the workers' PATH."""
    (folder / "bin").mkdir()
    (folder / "bin" / "python3").write_text("#!/bin/sh\n" + text)
    (folder / "bin" / "python3").chmod(0o755)
    return f"import os; os.environ['PATH'] = {str(folder / 'bin')!r} + ':' + os.environ['PATH']\n"


def path(*folders):
    return {"PYTHONPATH": ":".join([str(Path(__file__).parents[3]), *folders])}


def workers_with(*folders):
    """Workers whose PYTHONPATH is not the notebook's."""
    env = f"env={{**os.environ, 'PYTHONPATH': {':'.join(folders)!r}}}, stdout"
    return "import os\n" + WORKERS.replace("stdout", env, 1)


def test_environment_is_that_of_each_worker(bench):
    env = {"SLURM_JOB_ID": "4711", "LOADEDMODULES": "gcc/13:cuda/12", "APPTAINER_CONTAINER": "/img.sif"}
    use = "m.submit(vine.PythonTask(nothing, 1))\nm.submit(vine.Task('true'))"
    report = bench.run(IMPORT + NOTHING, WORKERS, use, COLLECT, STOP, env=env)
    assert report.errors == []
    inside, outside = (
        each["environment"] for each in sorted(report.runs, key=lambda each: -len(each["name"]))
    )
    assert inside["python"] == inside["notebook"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert inside["job"]["SLURM_JOB_ID"] == "4711"
    assert inside["modules"] == ["gcc/13", "cuda/12"]
    assert "/img.sif" in inside["container"]
    assert inside["libraries"]["cloudpickle"] == inside["notebook"]["libraries"]["cloudpickle"]
    assert inside["worker"] == outside["worker"]
    assert (outside["worker"]["cores"], outside["host"]) == (4, inside["host"])
    assert {"system", "libc", "cpu", "release", "machine"} <= set(inside)


def test_worker_without_cloudpickle(bench):
    other = python3(bench.folder, 'exec /usr/bin/python3 -S "$@"\n')
    submit = "for i in range(5):\n    m.submit(vine.PythonTask(len, [i]))"
    report = bench.run(IMPORT + other, WORKERS, submit, COLLECT, CARRY_ON, "print(len(results))", STOP)
    assert report.failed == 5
    assert len(report.errors) == 1
    assert report.errors[0].startswith("WorkersUnfit: worker ")
    assert "cloudpickle is missing there" in report.errors[0]
    assert "remedy: install cloudpickle" in report.errors[0]
    assert report.printed[5] == "5\n"
    assert not any("WorkersUnfit" in text or "cloudpickle is missing" in text for text in report.notices)
    assert report.seconds[3] < 20


def test_worker_without_python(bench):
    (bench.folder / "bin").mkdir()
    for name in ("sh", "true"):
        (bench.folder / "bin" / name).symlink_to(f"/bin/{name}")
    start = WORKERS.replace('["vine_worker",', '[shutil.which("vine_worker"),')
    start = start.replace("stdout=", f"env={{'PATH': {str(bench.folder / 'bin')!r}}}, stdout=", 1)
    submit = "m.submit(vine.PythonTask(len, [1]))\nm.submit(vine.Task('true'))"
    report = bench.run(IMPORT + "import shutil", start, submit, COLLECT, CARRY_ON, STOP)
    assert "no python3 on its PATH" in report.errors[0]
    assert (report.done, report.failed) == (1, 1)


def test_worker_without_a_library(bench):
    site = library(bench.folder / "here", "2.1")
    submit = "for i in range(3): m.submit(vine.PythonTask(uses, i))"
    cells = (IMPORT + USES, workers_with(), submit, COLLECT, CARRY_ON, STOP)
    report = bench.run(*cells, env=path(site))
    assert len(report.errors) == 1
    assert "fakelib is missing there" in report.errors[0]
    assert "fakelib      2.1" in report.errors[0]
    assert "install fakelib==2.1" in report.errors[0]
    assert report.failed == 3


def test_missing_library_that_nobody_has_is_a_plain_failure(bench):
    use = "def f(x):\n    import no_such_library\nm.submit(vine.PythonTask(f, 1))"
    report = bench.run(IMPORT, WORKERS, use, COLLECT, STOP)
    assert report.errors == []
    assert any("no_such_library" in text for text in report.notices)


@pytest.mark.parametrize(
    ("policy", "reused"), [("compatible", (2, 1, 1)), ("exact", (2, 1, 1)), ("any", (2, 2, 2))]
)
def test_library_changes(bench, policy, reused):
    """Only tasks that imported it run again; a library that a task reaches through another one counts too."""
    here = library(bench.folder / "here", "2.1")
    hidden = "def hidden(x):\n    return __import__('fake' + 'lib').answer()\n"
    use = "m.submit(vine.PythonTask(hidden, 1))\nm.submit(vine.PythonTask(nothing, 1))"
    cells = (IMPORT + NOTHING + hidden, WORKERS, use, COLLECT, SHOW, STOP)
    options = {"env": path(here), "environments": policy}
    assert bench.run(*cells, **options).submitted == 2
    assert bench.run(*cells, **options).reused == reused[0]
    library(bench.folder / "here", "2.4", answer=7)
    edited = bench.run(*cells, **options)
    assert edited.errors == []
    assert edited.reused == reused[1]
    assert edited.printed[4] == ("['1', '7']\n" if policy != "any" else "['1', '1']\n")
    library(bench.folder / "here", "2.1")
    assert bench.run(*cells, **options).reused == reused[2]


@pytest.mark.parametrize(("policy", "reused"), [("compatible", 0), ("any", 1)])
def test_version_in_the_key(bench, policy, reused):
    """A function that names a library has its version in the key."""
    here = library(bench.folder / "here", "2.1")
    cells = (IMPORT + USES, WORKERS, "m.submit(vine.PythonTask(uses, 1))", COLLECT, SHOW, STOP)
    options = {"env": path(here), "environments": policy}
    assert bench.run(*cells, **options).submitted == 1
    library(bench.folder / "here", "2.4", answer=7)
    report = bench.run(*cells, **options)
    assert (report.errors, report.reused) == ([], reused)
    assert report.causes == ([] if reused else [["lib:fakelib", "2.1", "2.4", 1]])


def test_workers_with_another_version_than_the_notebook(bench):
    """What matters is a change, of the notebook's software or of the workers', not a difference between them."""
    here, there = library(bench.folder / "here", "2.1"), library(bench.folder / "there", "1.0", answer=5)
    use = "m.submit(vine.PythonTask(uses, 1))"
    cells = (IMPORT + USES, workers_with(there), use, COLLECT, SHOW, STOP)
    assert bench.run(*cells, env=path(here)).printed[4] == "['6']\n"
    assert bench.run(*cells, env=path(here)).reused == 1
    there = library(bench.folder / "there", "1.1", answer=9)
    more = (*cells[:2], "def other(x): return fakelib.answer()\nm.submit(vine.PythonTask(other, 1))", COLLECT)
    report = bench.run(*more, use, COLLECT, SHOW, STOP, env=path(here))
    assert (report.reused, report.submitted, report.printed[6]) == (0, 2, "['10']\n")
