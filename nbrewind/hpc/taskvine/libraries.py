"""Libraries: what the functions that workers keep ready are made of."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from types import ModuleType
from typing import Any

from nbrewind.errors import Undigestible
from nbrewind.hpc.patching import Method, Patches
from nbrewind.hpc.session import Session
from nbrewind.hpc.taskvine.books import Mount, manager_book, task_book
from nbrewind.hpc.taskvine.describe import Describer
from nbrewind.hpc.taskvine.tasks import TaskPatches
from nbrewind.tasks.keys import Draft, Key, draft_key
from nbrewind.tasks.programs import library_script
from nbrewind.tasks.spec import Spec

REPORT = "nbrewind_report"
"""Where a call leaves what it used, in its sandbox."""
_PROGRAM = "library_code.py"
_RENAMED = "nbrewind_library_code.py"
_NEEDED = (b"def remote_execute(", b"def send_configuration(", b"def main(")


class LibraryPatches:
    """Watch how libraries are made and installed."""

    def __init__(
        self,
        patches: Patches,
        module: ModuleType,
        session: Session,
        tasks: TaskPatches,
        describer: Describer,
    ) -> None:
        self._session, self._tasks, self._describer = session, tasks, describer
        self._written: dict[str, tuple[Any, Any]] = {}
        patches.method(module.Manager, "create_library_from_functions", self._from_functions)
        patches.method(module.Manager, "install_library", self._install)

    def _from_functions(self, original: Method) -> Method:
        def create(manager: Any, library_name: str, *function_list: Any, **options: Any) -> Any:
            functions = {function.__name__: self._parts(function) for function in function_list}
            shared = self._shared(options)
            folder = _folder(manager, library_name, function_list, options)
            if folder not in self._written:
                _forget(folder)
            before = _stamp(folder)
            library = original(manager, library_name, *function_list, **options)
            if before is not None and before == _stamp(folder):
                functions, shared = self._written.get(folder, (functions, shared))
            self._written[folder] = functions, shared
            self._observe(manager, library)
            own = len(task_book(library).inputs)
            packed = options.get("add_env", True)

            def identify(name: str) -> dict[str, str]:
                if name not in functions:
                    raise Undigestible(name, "function", f"the library {library_name} has no such function")
                found = {**_checked(functions[name]), **_checked(shared)}
                return found | self._rest(manager, library, own, 1 if packed else 0)

            task_book(library).library = identify
            return library

        return create

    def _observe(self, manager: Any, library: Any) -> None:
        """Put a program of ours before the engine's, which goes along under another name."""
        book = task_book(library)
        program = next((mount for mount in book.inputs if mount.remote == _PROGRAM), None)
        if not self._session.options.observe or program is None or not _is_known(program.file.source()):
            return
        programs = manager_book(manager).programs
        if _PROGRAM not in programs:
            path = os.path.join(manager.staging_directory, _RENAMED)
            with open(path, "w", encoding="utf-8") as file:
                file.write(library_script(_RENAMED, REPORT))
            programs[_PROGRAM] = manager.declare_file(path, cache=True, peer_transfer=True)
        program.remote = _RENAMED
        book.inputs.append(Mount(programs[_PROGRAM], _PROGRAM, (), {}))
        book.reports = True

    def _install(self, original: Method) -> Method:
        def install(manager: Any, task: Any, *args: Any, **kwargs: Any) -> Any:
            book = task_book(task)
            if book.library is None:
                book.library = lambda name: self._whole(manager, task)
            self._tasks.tell(task)
            return original(manager, task, *args, **kwargs)

        return install

    def _shared(self, options: Mapping[str, Any]) -> dict[str, str] | Undigestible:
        """What all functions of a library have in common: context, preamble, environment."""
        identity, found = self._session.identity, {}
        try:
            for number, part in enumerate(options.get("hoisting_modules") or ()):
                for name, text in identity.function(part).items():
                    found[f"library:module{number}:{name}"] = text
            if context := options.get("library_context_info"):
                for name, text in identity.function(context[0]).items():
                    found[f"library:context:{name}"] = text
                found["library:context:arguments"] = identity.value(
                    list(context[1:]), "the library's context"
                )
        except Undigestible as error:
            return error
        if command := options.get("init_command"):
            found["library:init"] = str(command)
        if package := options.get("poncho_env"):
            known = os.path.isfile(package)
            found["library:environment"] = self._session.contents.digest(package) if known else str(package)
        return found

    def _rest(self, manager: Any, library: Any, own_inputs: int, own_environments: int) -> dict[str, str]:
        """What the user added to the task that the engine made for a library."""
        book = task_book(library)
        if not (book.inputs[own_inputs:] or book.environments[own_environments:] or book.env):
            return {}
        spec = self._describer.spec(library, manager_book(manager))
        return self._key_parts(
            spec.inputs[own_inputs:], spec.environments[own_environments:], spec.env, "library:"
        )

    def _whole(self, manager: Any, library: Any) -> dict[str, str]:
        """What a library is that its author made of a command and files."""
        spec = self._describer.spec(library, manager_book(manager))
        parts = self._key_parts(spec.inputs, spec.environments, spec.env, "library:")
        return parts | {"library:command": spec.command}

    def _key_parts(self, inputs: Any, environments: Any, env: Any, prefix: str) -> dict[str, str]:
        spec = Spec(kind="command", name="", inputs=inputs, environments=environments, env=env)
        draft = draft_key(spec, self._session.identity, self._session.contents)
        key = draft.finish(self._session.contents) if isinstance(draft, Draft) else draft
        if not isinstance(key, Key):
            raise Undigestible(key.part, "file", key.why)
        return {prefix + name: text for name, text in key.ingredients.items() if name != "kind"}

    def _parts(self, function: Any) -> Mapping[str, str] | Undigestible:
        try:
            return self._session.identity.function(function)
        except Undigestible as error:
            return error


def _folder(manager: Any, name: str, functions: tuple[Any, ...], options: Mapping[str, Any]) -> str:
    """Where the engine writes a library: one folder for all whose functions have the same source."""
    from ndcctools.poncho.package_serverize import generate_library_hash

    names = ("poncho_env", "init_command", "add_env", "exec_mode", "hoisting_modules", "library_context_info")
    defaults: dict[str, Any] = {"add_env": True, "exec_mode": "fork"}
    found = {each: options.get(each, defaults.get(each)) for each in names}
    with suppress(Exception):  # whatever the engine will refuse, it says itself
        digest = generate_library_hash(library_name=name, function_list=functions, **found)
        return os.path.join(manager.cache_directory, "vine-library-cache", digest)
    return ""


def _is_known(path: str) -> bool:
    """Whether the engine's program is made as ours expects it."""
    try:
        with open(path, "rb") as file:
            text = file.read()
    except OSError:
        return False
    return all(part in text for part in _NEEDED)


def _forget(folder: str) -> None:
    """Have the engine write a library anew that an earlier session left, with other values of its globals."""
    with suppress(OSError):
        os.unlink(os.path.join(folder, "library_code.py"))


def _stamp(folder: str) -> tuple[int, int] | None:
    """Tell whether the engine has written a library."""
    try:
        found = os.stat(os.path.join(folder, "library_info.clpk"))
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


def _checked(parts: Mapping[str, str] | Undigestible) -> Mapping[str, str]:
    if isinstance(parts, Undigestible):
        raise parts
    return parts
