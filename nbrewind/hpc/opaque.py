"""Engine objects in the notebook's variables: handles of this process, which its cells make anew."""

from __future__ import annotations

from nbrewind.state import register_opaque

_TASKVINE = {
    "manager.Manager": "it is a TaskVine manager, connected to its workers",
    "manager.Factory": "it is a TaskVine factory, which keeps workers running",
    "task.Task": "it is a TaskVine task, tied to its manager",
    "file.File": "it is a TaskVine file, tied to its manager",
    "futures.FuturesExecutor": "it is a TaskVine executor, connected to its workers",
    "futures.VineFuture": "it is a TaskVine future, tied to its manager",
    "dask_executor.DaskVineFile": "it is a TaskVine file, tied to its manager",
}
_SWIG = {
    "cvine.vine_stats": "it holds numbers of a TaskVine manager",
    "cvine.vine_file": "it is a TaskVine file, tied to its manager",
    "cvine.vine_task": "it is a TaskVine task, tied to its manager",
}
_WORK_QUEUE = {
    "WorkQueue": "it is a Work Queue manager, connected to its workers",
    "Task": "it is a Work Queue task, tied to its manager",
    "Factory": "it is a Work Queue factory, which keeps workers running",
}


def register() -> None:
    """Tell the state layer of all engines' classes, by name: none is imported for it."""
    for name, why in {**_TASKVINE, **_SWIG}.items():
        register_opaque(f"ndcctools.taskvine.{name}", why)
    for name, why in _WORK_QUEUE.items():
        register_opaque(f"ndcctools.work_queue.{name}", why)
    register_opaque("ndcctools.cresource_monitor.rmsummary", "it holds numbers of a running task")
    register_opaque("builtins.SwigPyObject", "it points into an engine's memory")
