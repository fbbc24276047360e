"""Scenarios with the real engine, each run in a fresh process with a record of its own."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

RUNNER = Path(__file__).with_name("cells.py")
ROOT = RUNNER.parents[3]

IMPORT = "import ndcctools.taskvine as vine\n"
WORKERS = """
import subprocess, tempfile
m = vine.Manager(port=0)
def start_worker(port):
    # With a workspace of its own: one that a killed worker left under the same number confuses the next.
    options = ["--parent-death", "--cores", "4", "--timeout", "20", "--workspace", tempfile.mkdtemp(dir=".")]
    return subprocess.Popen(
        ["vine_worker", *options, "localhost", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )
worker = start_worker(m.port)
"""
FACTORY = """
m = vine.Manager(port=0)
factory = vine.Factory("local", manager=m)
factory.max_workers = factory.min_workers = 1
factory.cores = 4
factory.start()
"""
COLLECT = """
results = {}
while not m.empty():
    t = m.wait(5)
    if t:
        results[t.id] = t
"""
STOP = """
import os, signal
os.killpg(worker.pid, signal.SIGKILL)  # a worker with a library does not end by itself
print("worker", worker.wait(), end="")
"""
STOP_FACTORY = "factory.stop()"


def pytest_collection_modifyitems(items):
    missing = importlib.util.find_spec("ndcctools") is None
    for item in items:
        if Path(item.path).parent == RUNNER.parent:
            item.add_marker(pytest.mark.engine)
            if missing:
                item.add_marker(pytest.mark.skip(reason="ndcctools is not importable here"))


class Bench:
    """A folder with a record, in which cells are run again and again."""

    def __init__(self, folder, monkeypatch):
        self.folder = folder
        monkeypatch.chdir(folder)

    def start(self, cells, record="rec", env=None, **options):
        name = f"cells-{options.get('notebook', 'test')}.json"
        (self.folder / name).write_text(json.dumps(cells))
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", str(RUNNER), record, name, json.dumps(options)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path, **(env or {})},
        )

    def run(self, *cells, **more):
        return self.finish(self.start(cells, **more))

    def finish(self, process):
        out, err = process.communicate(timeout=120)
        assert "@@@" in out, out + err
        return SimpleNamespace(**json.loads(out.rpartition("@@@")[2]), stderr=err)

    def copy(self, name):
        """Start another line of runs from the record as it is now."""
        shutil.copytree(self.folder / "rec", self.folder / name)
        return name


@pytest.fixture
def bench(tmp_path, monkeypatch):
    return Bench(tmp_path, monkeypatch)
