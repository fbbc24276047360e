"""Code of the notebook that runs beside the cells is noticed; that of libraries is not."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

from nbrewind.cells.background import running

SOURCE = """
def wait(started, stop):
    started.set()
    stop.wait(30)

async def pause(stop):
    await stop.wait()
"""


def notebook():
    namespace = {"__name__": "__main__"}
    exec(SOURCE, namespace)
    return namespace


def test_a_thread_is_noticed_as_long_as_it_runs():
    namespace = notebook()
    started, stop = threading.Event(), threading.Event()
    thread = threading.Thread(target=namespace["wait"], args=(started, stop))
    thread.start()
    started.wait(30)
    assert "thread" in running(namespace)
    stop.set()
    thread.join(30)
    assert running(namespace) == ""


def test_an_idle_executor_is_not_noticed():
    namespace = notebook()
    with ThreadPoolExecutor(1) as executor:
        executor.submit(len, "x").result(30)
        assert running(namespace) == ""


def test_a_task_is_noticed_unless_a_variable_holds_it():
    namespace = notebook()

    async def main() -> tuple[str, str]:
        stop = asyncio.Event()
        task = asyncio.get_running_loop().create_task(namespace["pause"](stop))
        await asyncio.sleep(0)
        alone = running(namespace)
        namespace["task"] = task
        held = running(namespace)
        stop.set()
        await task
        return alone, held

    alone, held = asyncio.run(main())
    assert "task" in alone
    assert held == ""
