"""What goes wrong outside the notebook: each time one sentence that names the thing and the remedy, and an exit code."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from types import SimpleNamespace

import nbformat
import pytest

from tests.integration.kernels.clients import Live
from tests.lab import Lab, outputs

TIMEOUT = 120
KEPT = ("restored", "rebuilt")  # a value that was still on its way to the disk is made again
CHAIN = {"a": "x = 3", "b": "y = x * 2", "c": "print(y)"}


# Linux gives a program that root starts all capabilities that the bounding set still has; see capabilities(7).
AS_A_USER = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")


def nbrewind(*arguments, cwd=None, under=(), **environment):
    """The command as a person types it."""
    done = subprocess.run(
        [*under, sys.executable, "-m", "nbrewind", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        cwd=cwd,
        env={**os.environ, "COLUMNS": "1000", **environment},
        check=False,
    )
    return SimpleNamespace(code=done.returncode, out=done.stdout, err=done.stderr)


def as_json(done):
    return json.loads(done.out)


def complaint(done, code: int) -> str:
    """The one error of a command that failed as it should."""
    assert done.code == code, done.err + done.out
    assert "Traceback" not in done.err + done.out
    lines = [line for line in done.err.splitlines() if line.startswith("nbrewind: ")]
    assert len(lines) == 1, done.err
    return lines[0].removeprefix("nbrewind: ")


def sentence(text: str, *parts: str) -> None:
    """One readable sentence that says all of these."""
    for part in parts:
        assert part in text
    assert "\n" not in text
    assert len(text) < 500
    assert not re.search(r"Error\(|<class|object at|\bNone\b", text)


# -- notebooks


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", ["not JSON at line 1", "restore it from a backup"]),
        ("{not json", ["not JSON at line 1, column 2", "restore it from a backup"]),
        ('{"cells": [\n  {"a": 1},\n]}', ["not JSON at line", "restore it from a backup"]),
        ('{"a": 1}', ["no notebook", "give a .ipynb file"]),
        ("[1, 2]", ["no notebook", "give a .ipynb file"]),
        ("3", ["no notebook", "give a .ipynb file"]),
        ("[" * 100_000, ["nested too deeply"]),
        (b"\xff\xfe\x00n\x00b", ["not UTF-8", "byte 0"]),
        ('{"nbformat": 4, "nbformat_minor": 5}', ["not a valid notebook", "open and save it in Jupyter"]),
        ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": 7}', ["not a valid notebook"]),
        ('{"nbformat": "x", "nbformat_minor": 5, "metadata": {}, "cells": []}', ["not a valid notebook"]),
        ('{"nbformat": 9, "nbformat_minor": 0, "metadata": {}, "cells": []}', ["not a valid notebook", "9"]),
        ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}', ["no code cells"]),
        ('{"nbformat": 4, "nbformat_minor": 5, "metadata": [], "cells": []}', ["not a valid notebook"]),
    ],
)
@pytest.mark.parametrize("command", ["audit", "plan"])
def test_no_notebook(tmp_path, command, content, says):
    path = tmp_path / "broken.ipynb"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    sentence(complaint(nbrewind(command, path), 2), str(path), *says)
    assert list(tmp_path.iterdir()) == [path], "nothing was made"


def test_other_languages_folders_and_missing_files(tmp_path):
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])
    book.metadata.kernelspec = {"name": "ir", "language": "R", "display_name": "R"}
    path = tmp_path / "r.ipynb"
    nbformat.write(book, path)
    sentence(complaint(nbrewind("repeat", path), 2), str(path), "a notebook in R", "nbrewind runs Python")

    book.metadata = {}
    book.cells = [nbformat.v4.new_markdown_cell("text")]
    nbformat.write(book, path)
    sentence(complaint(nbrewind("repeat", path), 2), str(path), "no code cells", "nothing to run")

    sentence(complaint(nbrewind("repeat", tmp_path), 2), str(tmp_path), "a folder", "path of a .ipynb")
    missing = tmp_path / "missing.ipynb"
    sentence(complaint(nbrewind("repeat", missing), 2), str(missing), "no such file", "path of a .ipynb")


def test_a_notebook_that_may_not_be_read(tmp_path):
    path = Lab(tmp_path).write(**CHAIN).path
    path.chmod(0)
    text = complaint(with_permissions_checked("audit", path), 2)
    sentence(text, str(path), "Permission denied", "check its permissions")


# -- arguments


@pytest.fixture
def chain(lab):
    return lab.write(**CHAIN)


def test_parameters(chain):
    sentence(
        complaint(nbrewind("audit", chain.path, "-p", "2x", "3"), 2), "-p 2x", "must be a Python identifier"
    )
    sentence(complaint(nbrewind("audit", chain.path, "-p", "class", "3"), 2), "-p class")
    text = complaint(nbrewind("audit", chain.path, "-p", "nothing", "3"), 2)
    sentence(text, str(chain.path), "'nothing'", "tag the cell")
    assert not chain.record.exists()


def test_outputs_that_cannot_be_written(chain, tmp_path):
    nowhere = tmp_path / "no" / "out.ipynb"
    sentence(complaint(nbrewind("audit", chain.path, "-o", nowhere), 2), str(nowhere), "does not exist", "-o")
    sentence(complaint(nbrewind("audit", chain.path, "-o", tmp_path), 2), str(tmp_path), "folder", "-o")
    assert not chain.record.exists(), "found before anything ran"
    sentence(
        complaint(nbrewind("audit", chain.path, "-q", "--json", tmp_path / "no" / "x.json"), 2),
        "--json",
        "x.json",
    )


def test_click_finds_wrong_options(chain):
    done = nbrewind("audit", chain.path, "--no-such-option")
    assert done.code == 2
    assert "--no-such-option" in done.err
    assert nbrewind("audit").code == 2
    assert nbrewind("no-such-command").code == 2
    text = complaint(nbrewind("repeat", chain.path, "--rerun", "nowhere"), 2)
    sentence(text, "--rerun nowhere", str(chain.path))


# -- records


def test_a_record_of_a_newer_version(chain):
    assert nbrewind("audit", chain.path).code == 0
    about = chain.record / "record.json"
    before = about.read_text()
    about.write_text(json.dumps({"schema": 99, "nbrewind": "7.1", "created": 0}))
    for command in ("audit", "repeat", "plan", "runs", "show", "gc"):
        sentence(complaint(nbrewind(command, chain.path), 2), str(chain.record), "7.1", "install nbrewind")
    about.write_text(before)
    done = nbrewind("repeat", chain.path, "--json")
    assert [cell["action"] for cell in as_json(done)["cells"]] == ["restored"] * 3, "nothing was lost"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": "x"}', "null"])
def test_a_broken_record(chain, content):
    chain.record.mkdir()
    (chain.record / "record.json").write_text(content)
    text = complaint(nbrewind("audit", chain.path), 2)
    sentence(text, str(chain.record / "record.json"), "is damaged", "move")


def test_a_folder_of_something_else(chain, tmp_path):
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter.tex").write_text("")
    sentence(complaint(nbrewind("audit", chain.path, "--record", other), 2), str(other), "--record DIR")
    assert [p.name for p in other.iterdir()] == ["chapter.tex"]


def test_commands_without_a_record(chain):
    for command in ("plan", "runs", "show", "gc"):
        sentence(complaint(nbrewind(command, chain.path), 2), str(chain.record), "nbrewind audit")
    text = complaint(nbrewind("runs", cwd=chain.folder), 2)
    sentence(text, "0 records", "name a notebook")
    assert nbrewind("repeat", chain.path).code == 0, "a repeat without a record is an audit"
    sentence(
        complaint(nbrewind("show", chain.path, "--run", "nothing"), 2), "no run 'nothing'", "nbrewind runs"
    )
    sentence(complaint(nbrewind("explain", "nothing", chain.path), 2), "'nothing'", "nbrewind show")


def test_a_record_in_use(chain):
    """The second run is refused and says who is in its way; the first goes on as if nothing had been."""
    chain.edit(b="import time\nopen('running', 'w').close()\ntime.sleep(12)\ny = x * 2")
    first = subprocess.Popen(
        [sys.executable, "-m", "nbrewind", "audit", str(chain.path), "--json", "-q"],
        stdout=subprocess.PIPE,
        text=True,
    )
    wait_for(chain.folder / "running")
    held = json.loads(next((chain.record / "locks").glob("*.json")).read_text())
    text = complaint(nbrewind("repeat", chain.path), 3)
    sentence(
        text,
        str(chain.record),
        f"process {held['pid']}",
        held["host"],
        "shut that kernel down",
        "--record DIR",
    )
    assert nbrewind("runs", chain.path).code == 0, "reading is free"
    out, _ = first.communicate(timeout=TIMEOUT)
    assert json.loads(out)["status"] == "ok"
    assert set(chain.repeat().actions.values()) == {"restored"}


def test_a_record_in_use_by_jupyter(lab):
    """In Jupyter the notebook runs on, unrecorded, and says so."""
    with Live("nbrewind-audit", lab.folder) as one, Live("nbrewind-repeat", lab.folder) as other:
        one.run("x = 1", "a")
        shown = other.run("print('on')", "a")
        assert shown.content["status"] == "ok"
        assert "on\n" in shown.text
        assert f"process {one.run('import os; print(os.getpid())', 'pid').text.strip()}" in shown.text
        assert "[nbrewind]" not in other.run("print('on')", "b").text, "said once"


# -- disks


def warned(done, *parts):
    """The notebook went on, unsaved, and the command says so."""
    assert done.code == 0, done.err
    assert "Traceback" not in done.err
    body = as_json(done)
    assert body["status"] == "ok"
    assert body["warnings"], done.err
    for part in parts:
        assert any(part in text for text in body["warnings"]), body["warnings"]
    for text in body["warnings"]:
        assert f"note: {text}"[:100] in done.err
    return body


def executed(lab):
    book = nbformat.read(lab.folder / "out.ipynb", as_version=4)
    return outputs(book)


def test_a_file_where_the_record_should_be(chain):
    chain.record.write_text("mine")
    done = nbrewind("audit", chain.path, "--json", "-o", chain.folder / "out.ipynb")
    body = warned(done, str(chain.record), "--record DIR")
    assert [cell["action"] for cell in body["cells"]] == ["executed"] * 3
    assert executed(chain) == chain.clean()
    assert chain.record.read_text() == "mine"


def with_permissions_checked(*arguments):
    """The command as a user for whom permissions count: root's right to pass over them is taken from it."""
    return nbrewind(*arguments, under=AS_A_USER if os.geteuid() == 0 else ())


def test_a_folder_that_may_not_be_written(chain, tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0o555)
    done = with_permissions_checked("audit", chain.path, "--json", "--record", locked / "rec")
    body = warned(done, str(locked), "Permission denied", "make it writable")
    assert [cell["action"] for cell in body["cells"]] == ["executed"] * 3


@contextmanager
def small_disk(folder, size):
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("may not mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=False)


def test_a_disk_that_fills_up(chain, tmp_path):
    chain.edit(
        b="import numpy as np\ny = np.random.default_rng(1).random(1_000_000)",
        c="print(y.sum() > 0)",
        d="z = x + 1\nprint(z)",
    )
    with small_disk(tmp_path / "disk", "3m") as disk:
        args = (
            chain.path,
            "--record",
            disk / "rec",
            "--save",
            "all",
            "--json",
            "-o",
            chain.folder / "out.ipynb",
        )
        body = warned(nbrewind("audit", *args), "No space left", "--record DIR")
        assert {cell["action"] for cell in body["cells"]} == {"executed"}
        assert executed(chain) == chain.clean()
        again = nbrewind("repeat", *args)
        assert again.code == 0
        actions = {cell["id"]: cell["action"] for cell in as_json(again)["cells"]}
        assert executed(chain) == chain.clean()
        assert actions["a"] in KEPT, "what was recorded before is there"


def test_a_disk_without_any_space(chain, tmp_path):
    with small_disk(tmp_path / "disk", "64k") as disk:
        with suppress(OSError), open(disk / "ballast", "wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        done = nbrewind(
            "audit", chain.path, "--record", disk / "rec", "--json", "-o", chain.folder / "out.ipynb"
        )
        warned(done, "No space left")
        assert executed(chain) == chain.clean()


# -- kernels that die, and cells that misbehave


def wait_for(path):
    deadline = time.monotonic() + TIMEOUT
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def kernel_of(process):
    """The kernel that a command has started."""
    listed = subprocess.run(
        ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(process.pid)],
        capture_output=True,
        text=True,
        check=True,
    )
    return next(int(line.split()[0]) for line in listed.stdout.splitlines() if "kernels.launch" in line)


def test_a_kernel_that_is_killed(chain):
    chain.edit(b="y = x * 2", c="import time\nopen('running', 'w').close()\ntime.sleep(60)", d="print(y)")
    command = [sys.executable, "-m", "nbrewind", "audit", str(chain.path), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(chain.folder / "running")
    os.kill(kernel_of(process), signal.SIGKILL)
    out, err = process.communicate(timeout=TIMEOUT)
    body = json.loads(out)
    text = complaint(SimpleNamespace(code=process.returncode, out=out, err=err), 1)
    sentence(text, "the kernel died", "repeat")
    assert (body["status"], body["error"]) == ("failed", text)
    assert [cell["action"] for cell in body["cells"]] == ["executed", "executed", "failed", "skipped"]
    chain.edit(c="pass")
    result = chain.repeat()
    assert result.actions == {"a": "restored", "b": "restored", "c": "executed", "d": "executed"}
    assert result.outputs == chain.clean()


def test_a_cell_that_ends_the_process(chain):
    chain.edit(b="import os\nos._exit(3)")
    done = nbrewind("audit", chain.path, "--json")
    sentence(complaint(done, 1), "the kernel died")
    assert [cell["action"] for cell in as_json(done)["cells"]] == ["executed", "failed", "skipped"]
    assert nbrewind("runs", chain.path, "--json").code == 0
    chain.edit(b="y = x * 2")
    assert chain.repeat().actions["a"] in KEPT


def test_a_cell_that_raises(chain):
    chain.edit(b="def f(k):\n    return 1 / k\nf(0)")
    done = nbrewind("audit", chain.path, "--json", "-o", chain.folder / "out.ipynb")
    sentence(complaint(done, 1), "ZeroDivisionError: division by zero")
    body = as_json(done)
    assert [cell["action"] for cell in body["cells"]] == ["executed", "failed", "skipped"]
    assert body["status"] == "failed"
    assert executed(chain)[1][0]["ename"] == "ZeroDivisionError"


def test_a_display_hook_that_raises(chain):
    chain.edit(b="class Bad:\n    def _repr_html_(self):\n        raise ValueError('no html')\nBad()")
    sentence(complaint(nbrewind("audit", chain.path), 1), "ValueError: no html")


@pytest.mark.parametrize(
    "code",
    ["exit()", "quit", "import sys\nsys.exit(3)", "import signal, os\nos.kill(os.getpid(), signal.SIGTERM)"],
)
def test_cells_that_end_the_kernel(chain, code):
    chain.edit(b=code)
    done = nbrewind("audit", chain.path, "--json", "-q")
    assert "Traceback" not in done.err
    assert as_json(done)["cells"][0]["action"] == "executed"
    assert chain.edit(b="y = x * 2").repeat().actions["a"] in KEPT


MISBEHAVED = {
    "prints ten megabytes": ("print('0123456789' * 1_000_000)", 10_000_001),
    "prints many lines": ("for i in range(20_000):\n    print('line', i)", 20_000),
    "forks": (
        "import os\npid = os.fork()\nif pid == 0:\n    print('child', flush=True)\n    os._exit(0)\nos.waitpid(pid, 0)\n__import__('time').sleep(0.3)\nprint('parent')",
        7,
    ),
    "forks by multiprocessing": (
        "import multiprocessing as mp\nwith mp.get_context('fork').Pool(2) as pool:\n    print(pool.map(abs, [-1, 2]))",
        7,
    ),
    "replaces standard output": (
        "import sys, io\nkeep, sys.stdout = sys.stdout, io.StringIO()\nprint('lost')\nsys.stdout = keep\nprint('kept')",
        5,
    ),
    "closes standard output": (
        "import sys\nkeep = sys.stdout\nsys.stdout = None\nsys.stdout = keep\nprint('kept')",
        5,
    ),
    "prints odd text": (
        "print('\\x00\\x1b[31mred\\x1b[0m \\ud800'.encode('utf-8', 'replace'))\nprint('☃ \\x07')",
        10,
    ),
    "shadows builtins": ("open = print = None\nlen = type = str = dict = set = sorted = isinstance = 5", 0),
    "changes folders": (
        "import os\nos.makedirs('below', exist_ok=True)\nos.chdir('below')\nprint(os.path.basename(os.getcwd()))",
        5,
    ),
    "removes its folder": (
        "import os, tempfile\nos.chdir(tempfile.mkdtemp())\nos.rmdir(os.getcwd())\nprint('gone')",
        4,
    ),
}


@pytest.mark.parametrize("what", MISBEHAVED)
def test_a_cell_that(lab, what):
    """Whatever a cell does, the notebook shows what a clean run shows, also when it is repeated."""
    code, least = MISBEHAVED[what]
    lab.write(a="k = 1", b=code, c="k + 1", d="del k")
    first = lab.audit()
    clean = lab.clean()
    assert first.outputs == clean
    assert first.outcome.status == "ok"
    assert sum(len(o.get("text", "")) for o in first.outputs[1]) >= least
    again = lab.repeat()
    assert again.outputs == clean
    assert lab.edit(c="k + 2").repeat().outputs == lab.clean()


# -- without the engine

NO_ENGINE = find_spec("ndcctools") is None


@pytest.mark.skipif(not NO_ENGINE, reason="ndcctools is here")
def test_tasks_without_an_engine(lab):
    lab.write(a="x = 1", b="import ndcctools.taskvine as vine\nm = vine.Manager(port=0)", c="print(x)")
    text = complaint(nbrewind("audit", lab.path), 3)
    sentence(text, "ndcctools", "conda install -c conda-forge ndcctools")
