"""Tasks: what an audited one costs at the manager, how quickly the record serves, and what large records cost."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from blake3 import blake3

from benchmarks.kernels import scratch
from benchmarks.measure import Figure, paired, timed
from nbrewind.record.digests import digest_bytes
from nbrewind.record.model import Run, TaskRun
from nbrewind.record.store import Record
from nbrewind.tasks.content import Contents
from nbrewind.tasks.identity import NotebookIdentity

ROOT = Path(__file__).parents[1]
KINDS = {"echo": "command", "python": "Python task", "call": "function call"}
LARGE = 100_000


def _run(kind: str, first: int, count: int, *record: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.task_program", kind, str(first), str(count), *record]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
        )
    if "@@@" not in done.stdout:
        raise RuntimeError(done.stdout + done.stderr)
    return json.loads(done.stdout.rpartition("@@@")[2])


def misses_and_hits(pairs: int, count: int) -> list[Figure]:
    """Each kind of task: added by a miss, in seconds of the manager's process; served from the record."""
    figures = []
    for kind, name in KINDS.items():
        added, walls, bare_walls, cpu, bare_cpu = [], [], [], [], []
        folder = scratch()
        for number in range(pairs):
            bare = _run(kind, 0, count)
            ours = _run(kind, 0, count, str(folder / f"record{number}"))
            added.append((ours["cpu"] - bare["cpu"]) / count * 1e6)
            cpu.append(ours["cpu"] / count * 1e6)
            bare_cpu.append(bare["cpu"] / count * 1e6)
            walls.append(ours["wall"])
            bare_walls.append(bare["wall"])
        served = [_run(kind, 0, count, str(folder / "record0"))["cpu"] for _ in range(pairs)]
        ours_cpu, theirs_cpu = statistics.median(cpu), statistics.median(bare_cpu)
        figures.append(
            Figure(
                f"{name}: an audited miss adds",
                ours_cpu,
                theirs_cpu,
                "bare TaskVine, CPU of the manager",
                "≤ 300 µs",
                statistics.median(added),
                "µs",
            )
        )
        wall, bare_wall = statistics.median(walls), statistics.median(bare_walls)
        figures.append(
            Figure(f"{name}: {count} audited", wall, bare_wall, "bare TaskVine", "≤ 1.05", wall / bare_wall)
        )
        hit = statistics.median(served)
        figures.append(
            Figure(
                f"{name}: {count} served, a second of CPU",
                hit,
                theirs_cpu * count / 1e6,
                "bare TaskVine",
                "≥ 3000",
                count / hit,
            )
        )
        shutil.rmtree(folder)
    return figures


def one_changed(pairs: int, count: int) -> list[Figure]:
    """One task more than the record holds, against that task alone and reading the record."""
    folder = scratch()
    _run("echo", 0, count, str(folder / "record"))

    def changed() -> float:
        shutil.rmtree(folder / "copy", ignore_errors=True)
        shutil.copytree(folder / "record", folder / "copy")
        found = _run("echo", 1, count, str(folder / "copy"))
        return found["wall"] + found["open"]

    def alone() -> float:
        shutil.rmtree(folder / "copy", ignore_errors=True)
        shutil.copytree(folder / "record", folder / "copy")
        served = _run("echo", 0, count, str(folder / "copy"))
        return served["wall"] + served["open"] + _run("echo", count, 1)["wall"]

    ours, theirs, ratio = paired(changed, alone, pairs)
    shutil.rmtree(folder)
    return [Figure(f"1 changed of {count}", ours, theirs, "that one, and reading the rest", "≤ 1.2", ratio)]


def large_array(pairs: int) -> list[Figure]:
    """The key's digest of an array of 100 MB, against the digest of its bytes."""
    identity = NotebookIdentity(dict, Contents())
    array = np.random.default_rng(1).random(100_000_000 // 8)
    ours, theirs, ratio = paired(
        lambda: timed(lambda: identity.value(array, "arg0")),
        lambda: timed(lambda: blake3(memoryview(array).cast("B")).digest()),
        pairs,
    )
    return [Figure("key of a 100 MB array", ours, theirs, "blake3 of its bytes", "≤ 1.1", ratio)]


def large_record(count: int = LARGE) -> list[Figure]:
    """A generated record: opening it, looking a task up, its size on disk and in memory."""
    folder = scratch()
    keys = [digest_bytes(b"%d" % number) for number in range(count)]
    record = Record.open(folder / "record")
    writer = record.begin(Run(id="", kind="audit", notebook="bench", started=time.time()))
    for number, key in enumerate(keys):
        ingredients = {"kind": "python", "function": key, "arg0": key, "lib:numpy": "2.1"}
        writer.task(
            TaskRun(
                key=key,
                run=writer.run.id,
                cell_id="c0",
                engine="taskvine",
                kind="python",
                name=f"f{number}",
                status="done",
                exit_code=0,
                result="success",
                ingredients=ingredients,
                output=key,
                resources={"measured.cores": 1.0, "metric.time_workers_execute_last": 1e5},
                host="node 10.0.0.1:9000",
            )
        )
    writer.end("ok")
    record.close()
    size = sum(path.stat().st_size for path in (folder / "record").rglob("*") if path.is_file())
    program = (
        "import json, resource, sys, time\n"
        "from nbrewind.record.store import Record\n"
        "started = time.perf_counter()\n"
        "record = Record.open(sys.argv[1])\n"
        "found = record.task(sys.argv[2])\n"
        "opened = time.perf_counter() - started\n"
        "started = time.perf_counter()\n"
        "found = [record.task(key) for key in sys.argv[2:]]\n"
        "look = (time.perf_counter() - started) / len(found)\n"
        "assert all(each is not None for each in found)\n"
        "used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(json.dumps([opened, look, used / 1024]))\n"
    )
    command = [sys.executable, "-c", program, str(folder / "record"), *keys[:: count // 200]]
    answers = [
        json.loads(subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout)
        for _ in range(3)
    ]
    opened, look, memory = (statistics.median(column) for column in zip(*answers, strict=True))
    shutil.rmtree(folder)
    name = f"{count:,} tasks"
    return [
        Figure(f"record of {name}: open and find one", opened, None, "", "≤ 1 s", opened),
        Figure(f"record of {name}: look one up", look * 1e3, None, "", "≤ 1 ms", look * 1e3, "ms"),
        Figure(f"record of {name}: disk for each", size / count, None, "", "≤ 2048 B", size / count, "B"),
        Figure(f"record of {name}: memory", memory, None, "", "≤ 150 MB", memory, "MB"),
    ]


def measure(pairs: int = 3, count: int = 300) -> list[Figure]:
    """All of them."""
    figures = misses_and_hits(pairs, count) + one_changed(pairs, 1000)
    return figures + large_array(5) + large_record()
