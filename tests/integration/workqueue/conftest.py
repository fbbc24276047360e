"""The scenarios' bench, with Work Queue's workers."""

import importlib.util
import sys
from pathlib import Path

import pytest

_SPEC = importlib.util.spec_from_file_location(
    "taskvine_bench", Path(__file__).parents[1] / "taskvine" / "conftest.py"
)
shared = importlib.util.module_from_spec(_SPEC)
sys.modules["taskvine_bench"] = shared
_SPEC.loader.exec_module(shared)
COLLECT, STOP, TASKVINE = shared.COLLECT, shared.STOP, shared.WORKERS

IMPORT = "import ndcctools.work_queue as wq\n"
WORKERS = """
import subprocess, tempfile
m = wq.WorkQueue(port=0)
def start_worker(port, *more):
    options = ["--parent-death", "--cores", "4", "--timeout", "20", "--workdir", tempfile.mkdtemp(dir=".")]
    return subprocess.Popen(
        ["work_queue_worker", *options, *more, "localhost", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )
worker = start_worker(m.port)
"""


def pytest_collection_modifyitems(items):
    missing = importlib.util.find_spec("ndcctools") is None
    for item in items:
        if Path(item.path).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.engine)
            if missing:
                item.add_marker(pytest.mark.skip(reason="ndcctools is not importable here"))


@pytest.fixture
def bench(tmp_path, monkeypatch):
    return shared.Bench(tmp_path, monkeypatch)
