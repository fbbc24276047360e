"""Tasks of DaskVine: vertices of a graph, which Dask and DaskVine name anew in every session.

A vertex is what it calls, with what its dependencies are in the place of their names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import field, frozen

from nbrewind.hpc.taskvine.books import Mount, task_book
from nbrewind.tasks.content import Contents
from nbrewind.tasks.keys import Unkeyed, input_text
from nbrewind.tasks.spec import Call, Input

_NAME = "ndcctools.taskvine.dask_executor"


def is_vertex(task: Any) -> bool:
    """Whether DaskVine made a task."""
    return type(task).__module__ == _NAME and hasattr(task, "dask_task")


@frozen
class Vertex:
    """What a vertex calls, and which of its inputs are results of others under names that mean nothing."""

    call: Call
    files: frozenset[str]
    strange: str = ""


def vertex(
    task: Any, arguments: tuple[Any, ...], describe: Callable[[Mount], Input], contents: Contents
) -> Vertex:
    """Take a task of DaskVine apart.

    Parameters
    ----------
    task
        As DaskVine made it.
    arguments
        Of the function that runs it: a wrapper, the vertex, and its dependencies by name, as values or files.
    describe
        Tells where the content of an input comes from.
    contents
        Digests of local files.
    """
    wrapper, node, given, in_files = arguments
    mounts = {mount.remote: mount for mount in task_book(task).inputs}
    known: dict[Any, Any] = {}
    strange = ""
    for name, value in given.items():
        if name not in in_files:
            known[name] = ("the value", value)
            continue
        text = input_text(describe(mounts[value]), contents) if value in mounts else Unkeyed(str(name))
        if isinstance(text, Unkeyed):
            strange = f"a result that {node.key} takes has no identity"
        known[name] = ("the result", str(text))
    plain = _Plain(known)
    args: tuple[Any, ...] = (plain.of(getattr(node, "args", ())), plain.of(getattr(node, "kwargs", {})))
    if wrapper is not None:
        args = (*args, wrapper, node.key)
    call = Call(getattr(node, "func", None) or type(node), args, {}, tuple(plain.functions))
    return Vertex(call, frozenset(given[name] for name in in_files), strange)


@frozen
class _Plain:
    """Put what the dependencies are in the place of their names, and note the functions on the way."""

    known: dict[Any, Any]
    functions: list[Any] = field(factory=list)

    def of(self, value: Any) -> Any:
        """Return a structure without names of vertices."""
        kind = type(value)
        if kind.__module__ == "dask._task_spec":
            return self._node(value, kind.__name__)
        if kind in (list, tuple):
            return kind(self.of(each) for each in value)
        if kind is dict:
            return {name: self.of(each) for name, each in value.items()}
        if callable(value):
            self.functions.append(value)
        return value

    def _node(self, node: Any, kind: str) -> Any:
        if kind in ("TaskRef", "Alias"):
            name = getattr(node, "target", node.key)
            return self.known.get(name, (kind, name))
        if kind == "DataNode":
            return ("data", self.of(node.value))
        return (kind, self.of(node.func), self.of(node.args), self.of(node.kwargs))
