"""Files that mini tasks and services make: what identifies their content before it exists."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from nbrewind.hpc.patching import Method, Patches
from nbrewind.hpc.session import Session
from nbrewind.hpc.taskvine.books import file_book, manager_book, task_book
from nbrewind.hpc.taskvine.describe import Describer
from nbrewind.hpc.taskvine.tasks import TaskPatches
from nbrewind.tasks.keys import Draft, Key, draft_key
from nbrewind.tasks.spec import Spec


class FilePatches:
    """Watch how files are declared."""

    def __init__(
        self,
        patches: Patches,
        module: ModuleType,
        session: Session,
        tasks: TaskPatches,
        describer: Describer,
    ) -> None:
        self._session, self._tasks, self._describer = session, tasks, describer
        self._file = module.File
        for kind in ("untar", "poncho", "starch"):
            patches.method(module.Manager, f"declare_{kind}", self._unpacked(kind))
        for kind in ("xrootd", "chirp"):
            patches.method(module.Manager, f"declare_{kind}", self._remote(kind))
        patches.method(module.Manager, "declare_minitask", self._minitask)
        patches.method(module.Manager, "get_file_replica_count", _replicas)

    def _unpacked(self, kind: str) -> Callable[[Method], Method]:
        def make(original: Method) -> Method:
            def declare(manager: Any, package: Any, *args: Any, **kwargs: Any) -> Any:
                if isinstance(package, str):
                    package = manager.declare_file(package, cache=True)
                made = original(manager, package, *args, **kwargs)
                file_book(made).origin = lambda: self._origin(manager, kind, package)
                return made

            return declare

        return make

    def _remote(self, kind: str) -> Callable[[Method], Method]:
        def make(original: Method) -> Method:
            def declare(manager: Any, *args: Any, **kwargs: Any) -> Any:
                made = original(manager, *args, **kwargs)
                named = [value for name, value in kwargs.items() if name in ("server", "source")]
                where = " ".join(value for value in (*args, *named) if isinstance(value, str))
                file_book(made).origin = lambda: f"{kind} {where}"
                return made

            return declare

        return make

    def _minitask(self, original: Method) -> Method:
        def declare(manager: Any, minitask: Any, source: str, *args: Any, **kwargs: Any) -> Any:
            before = self._key(self._describer.spec(minitask, manager_book(manager)))
            self._tasks.tell(minitask)
            task_book(minitask).unwatched = True
            made = original(manager, minitask, source, *args, **kwargs)

            def origin() -> str:
                """A command's inputs may change until it runs; a function is pickled by now."""
                spec = self._describer.spec(minitask, manager_book(manager))
                key = before if spec.call is not None or spec.kind == "python" else self._key(spec)
                return f"minitask {key} {source}" if key else ""

            file_book(made).origin, file_book(made).minitask = origin, minitask
            return made

        return declare

    def _origin(self, manager: Any, kind: str, package: Any) -> str:
        inner = self._describer.input(package, "package", manager_book(manager))
        key = self._key(Spec(kind="command", name=kind, command=kind, inputs=(inner,)))
        return f"{kind} {key}" if key else ""

    def _key(self, spec: Spec) -> str:
        draft = draft_key(spec, self._session.identity, self._session.contents)
        key = draft.finish(self._session.contents) if isinstance(draft, Draft) else draft
        return key.digest if isinstance(key, Key) else ""


def _replicas(original: Method) -> Method:
    """Count none of a file that no task needed: the engine, which never heard of it, would crash."""

    def count(manager: Any, file: Any) -> Any:
        return original(manager, file) if file_book(file).known else 0

    return count
