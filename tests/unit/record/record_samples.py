"""Runs, cells and tasks to record."""

import time

from nbrewind.record.model import CellRun, Run, TaskRun


def digest(n: int) -> str:
    return f"b3:{n:08x}" + "0" * 32


def a_run(notebook: str = "nb.ipynb", run_id: str = "", started: float | None = None) -> Run:
    return Run(
        id=run_id, kind="audit", notebook=notebook, started=time.time() if started is None else started
    )


def a_cell(run: str, seq: int, code: int = 1, **fields) -> CellRun:
    given = {
        "cell_id": f"c{seq}",
        "source": "x = 1",
        "started": float(seq),
        "seconds": 0.5,
        "action": "executed",
    }
    return CellRun(run=run, seq=seq, code=digest(code), **{**given, **fields})


def a_task(run: str, key: int, **fields) -> TaskRun:
    given = {
        "cell_id": "c1",
        "engine": "taskvine",
        "kind": "python",
        "name": "f",
        "status": "done",
        "finished": 1.0,
    }
    return TaskRun(key=digest(key), run=run, **{**given, **fields})
