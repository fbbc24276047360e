"""Graphs of Dask on TaskVine: their vertices have new names in every session, and are the same work."""

import importlib.util

import pytest
from conftest import IMPORT, STOP, WORKERS
from test_calls import needs_libraries

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("dask") is None, reason="DaskVine needs Dask 2025.1 to 2025.3"
)

DEFINE = """
import dask
FACTOR = 3
def scale(x): return x * FACTOR
def add(*xs): return sum(xs)
def show(x): return f"<{x}>"
"""
GRAPH = """
parts = [dask.delayed(scale)(x) for x in XS]
total = dask.delayed(add)(*parts)
shown = dask.delayed(show)(total)
"""
TASKS = """
with dask.config.set(scheduler=m.get):
    options = dict(progress_disable=True, resources={"cores": 1}, retries=2)
    print(shown.compute(**options))
    kept = total.persist(**options)
    print(kept.compute(**options), dask.compute(parts[0], [total], **options))
"""
CALLS = """
with dask.config.set(scheduler=m.get):
    options = dict(progress_disable=True, task_mode="function-calls", lib_resources={"cores": 2, "slots": 2})
    print(shown.compute(**options))
"""
DASK_WORKERS = WORKERS.replace("vine.Manager(", "vine.DaskVine(")


def runner(bench, use):
    def run(xs=(1, 2, 3), define=DEFINE, record="rec"):
        report = bench.run(
            IMPORT + f"XS = {list(xs)}" + define, DASK_WORKERS, GRAPH, use, STOP, record=record
        )
        assert report.errors == []
        return report

    return run


def test_graph_of_tasks(bench):
    run = runner(bench, TASKS)
    first, again = run(), run()
    assert first.printed[3] == again.printed[3] == run(record="-").printed[3] == "<18>\n18 (3, [18])\n"
    assert (again.submitted, again.reused) == (0, first.submitted + first.reused)
    formatted = run(define=DEFINE.replace('"<{x}>"', '"({x})"'))
    assert (formatted.submitted, formatted.printed[3].splitlines()[0]) == (1, "(18)")
    wider = run(xs=(1, 2, 3, 4))
    assert wider.printed[3] == "<30>\n30 (3, [30])\n"
    # one more part, the sum and what is shown of it; the sum as a result that is kept, and of one that is kept
    assert wider.submitted == 5
    assert run(define=DEFINE.replace("FACTOR = 3", "FACTOR = 4")).printed[3] == "<24>\n24 (4, [24])\n"


@needs_libraries
def test_graph_of_function_calls(bench):
    run = runner(bench, CALLS)
    first, again = run(), run()
    assert (first.submitted, again.submitted, again.reused) == (5, 0, 5)
    assert first.printed[3] == again.printed[3] == "<18>\n"
    edited = run(xs=(1, 2, 5))
    assert (edited.submitted, edited.reused, edited.printed[3]) == (3, 2, "<24>\n")
