"""Locks that nobody holds, and idle executors; what runs is rebuilt."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent import futures
from typing import Any

from nbrewind.state.guard import HookError
from nbrewind.state.registry import register_opaque, register_reducer


def reduce_lock(lock: Any) -> tuple[Any, ...]:
    """A free lock.

    Raises
    ------
    HookError
        Somebody holds it.
    """
    if repr(lock).startswith("<locked"):
        raise HookError("somebody holds it")
    return new_lock, (type(lock).__name__,)


def digest_lock(lock: Any) -> str:
    """Its kind."""
    return str(reduce_lock(lock)[1][0])


def new_lock(kind: str) -> Any:
    """A lock of that kind."""
    return threading.RLock() if kind == "RLock" else threading.Lock()


def reduce_executor(executor: Any) -> tuple[Any, ...]:
    """An executor by how it was made.

    Raises
    ------
    HookError
        It has work, or was given an initialiser or context of its own.
    """
    if isinstance(executor, futures.ThreadPoolExecutor):
        if executor._work_queue.qsize() and not executor._shutdown:
            raise HookError("it has work to do")
        name = executor._thread_name_prefix
        return new_executor, (
            "thread",
            executor._max_workers,
            name,
            executor._shutdown,
            executor._initializer,
        )
    if executor._pending_work_items:
        raise HookError("it has work to do")
    return new_executor, (
        "process",
        executor._max_workers,
        "",
        executor._shutdown_thread,
        executor._initializer,
    )


def digest_executor(executor: Any) -> tuple[Any, ...]:
    """How it was made; the names that Python numbers do not count."""
    kind, workers, _, ended, initialiser = reduce_executor(executor)[1]
    return kind, workers, bool(ended), initialiser


def new_executor(
    kind: str, workers: int, name: str, ended: bool, initialiser: Callable[..., object] | None
) -> Any:
    """An executor of that kind; its workers start with its first work."""
    made: Any
    if kind == "thread":
        made = futures.ThreadPoolExecutor(workers, name, initialiser)
    else:
        made = futures.ProcessPoolExecutor(workers, initializer=initialiser)
    if ended:
        made.shutdown()
    return made


for _name in ("_thread.lock", "_thread.RLock", "threading._RLock"):
    register_reducer(_name, reduce_lock, digest=digest_lock)
for _name in (
    "concurrent.futures.thread.ThreadPoolExecutor",
    "concurrent.futures.process.ProcessPoolExecutor",
):
    register_reducer(_name, reduce_executor, digest=digest_executor, subclasses=False)
register_opaque("threading.Thread", "it is a thread")
register_opaque("concurrent.futures._base.Future", "it is work in progress")
