"""One process that drives TaskVine, bare or audited.

Called as ``python -m benchmarks.task_program KIND FIRST COUNT [RECORD]``.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import types
import warnings
from collections.abc import Callable

warnings.filterwarnings("ignore")
main = types.ModuleType("__main__")
PREPARE = """
import ndcctools.taskvine as vine
def square(x):
    return x * x
m = vine.Manager(port=0)
def echo(x): return vine.Task(f"echo {x}")
def python(x): return vine.PythonTask(square, x)
def call(x): return vine.FunctionCall("lib", "square", x)
"""
LIBRARY = """
lib = m.create_library_from_functions("lib", square, add_env=False)
lib.set_cores(1)
lib.set_function_slots(1)
m.install_library(lib)
"""
WARM = 10
"""Tasks before the clock starts: what happens once a session is not what a task costs."""
DRIVE = """
for x in NUMBERS:
    t = MAKE(x)
    t.set_cores(1)
    m.submit(t)
while not m.empty():
    t = m.wait(5)
"""


class Journal:
    """A session that takes no notes."""

    fresh = False

    def cell_id(self):
        return "c0"

    def cell_source(self):
        return ""

    def namespace(self):
        return main.__dict__

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args: None


def run(source: str) -> None:
    exec(compile(source, "<cell>", "exec"), main.__dict__)


def drive(kind: str, first: int, count: int) -> dict[str, float]:
    """Seconds of this process, and on the clock, for so many tasks."""
    sys.modules["__main__"] = main
    run(PREPARE)
    options = ["--parent-death", "--cores", "4", "--workspace", tempfile.mkdtemp(), "localhost"]
    worker = subprocess.Popen(
        ["vine_worker", *options, str(main.m.port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    if kind == "call":
        run(LIBRARY)
    main.MAKE, main.NUMBERS = getattr(main, kind), range(-WARM, 0)
    run(DRIVE)
    main.NUMBERS = range(first, first + count)
    wall, cpu = time.perf_counter(), time.process_time()
    run(DRIVE)
    found = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    os.killpg(worker.pid, signal.SIGKILL)
    return found


def audited(kind: str, first: int, count: int, folder: str) -> dict[str, float]:
    from nbrewind import hpc
    from nbrewind.record.model import Run
    from nbrewind.record.store import Record
    from nbrewind.tasks.memo import RecordMemo

    started = time.perf_counter()
    record = Record.open(folder)
    opened = time.perf_counter() - started
    writer = record.begin(Run(id="", kind="audit", notebook="bench", started=time.time()))
    hpc.install(RecordMemo(record, writer), Journal())
    found = drive(kind, first, count)
    hpc.shutdown()
    writer.end("ok")
    record.close()
    return found | {"open": opened}


if __name__ == "__main__":
    kind, first, count, *record = sys.argv[1:]
    action = audited if record else drive
    print("@@@" + json.dumps(action(kind, int(first), int(count), *record)), flush=True)
    os._exit(0)  # libraries that still run would be waited for
