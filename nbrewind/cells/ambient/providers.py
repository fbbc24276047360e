"""The kinds of ambient state that nbrewind knows."""

from __future__ import annotations

import json
import os
import pickle
import sys
import time
import warnings
from typing import Any

from nbrewind.cells.ambient.base import BaseProvider, Provider
from nbrewind.cells.ambient.ipython import ShellSettings
from nbrewind.cells.ambient.settings import (
    DecimalContext,
    FileMode,
    Limits,
    Locale,
    NumpyErrors,
    NumpyPrinting,
    PandasDisplay,
    PandasOptions,
    PlotBackend,
    TimeZone,
)
from nbrewind.cells.paths import Paths
from nbrewind.record.model import Digest
from nbrewind.record.redaction import is_secret, keyed


class PythonRandom(BaseProvider):
    """The generator behind the functions of `random`."""

    name = home = "random"
    hints = frozenset({"seed", "setstate"})

    def capture(self) -> bytes:
        return pickle.dumps(sys.modules["random"].getstate(), protocol=5)

    def restore(self, state: bytes) -> None:
        sys.modules["random"].setstate(pickle.loads(state))


class NumpyRandom(BaseProvider):
    """NumPy's legacy global generator (`numpy.random.seed`)."""

    name = home = "numpy.random"
    hints = frozenset({"seed", "set_state"})

    def ready(self) -> bool:
        return "numpy.random" in sys.modules and hasattr(sys.modules["numpy.random"], "get_state")

    def capture(self) -> bytes:
        kind, keys, position, has_gauss, gauss = sys.modules["numpy.random"].get_state()
        head = json.dumps([kind, int(position), int(has_gauss), float(gauss).hex()]).encode()
        return head + b"\n" + bytes(keys.tobytes())

    def restore(self, state: bytes) -> None:
        head, _, keys = state.partition(b"\n")
        kind, position, has_gauss, gauss = json.loads(head)
        numpy = sys.modules["numpy"]
        values = numpy.frombuffer(keys, dtype=numpy.uint32)
        sys.modules["numpy.random"].set_state((kind, values, position, has_gauss, float.fromhex(gauss)))


class TorchRandom(BaseProvider):
    """PyTorch's default CPU generator."""

    name = "torch.random"
    home = "torch"
    hints = frozenset({"manual_seed", "set_rng_state", "seed"})

    def ready(self) -> bool:
        return hasattr(sys.modules.get("torch"), "get_rng_state")

    def capture(self) -> bytes:
        state: bytes = sys.modules["torch"].get_rng_state().numpy().tobytes()
        return state

    def restore(self, state: bytes) -> None:
        torch = sys.modules["torch"]
        torch.set_rng_state(torch.frombuffer(bytearray(state), dtype=torch.uint8))


class Environment(BaseProvider):
    """What the notebook changed in `os.environ`."""

    name = "environment"
    hints = frozenset({"environ", "putenv", "unsetenv", "env", "set_env"})

    def __init__(self) -> None:
        self._start = dict(os.environ)
        self._secrets: dict[Digest, str] = {}

    def capture(self) -> bytes:
        now = dict(os.environ)
        changed = {
            key: self._kept(key, now.get(key))
            for key in self._start.keys() | now.keys()
            if now.get(key) != self._start.get(key)
        }
        return json.dumps(dict(sorted(changed.items()))).encode()

    def _kept(self, key: str, value: str | None) -> Any:
        """What the record keeps of a value: of a secret, a keyed digest, by which this process knows it again."""
        if value is None or not is_secret(key):
            return value
        digest = keyed(value)
        self._secrets[digest] = value
        return [digest]

    def fits(self, state: bytes) -> bool:
        """Whether all secrets of a state are known here."""
        self.capture()
        return all(
            value[0] in self._secrets for value in json.loads(state).values() if isinstance(value, list)
        )

    def restore(self, state: bytes) -> None:
        changed = {
            key: self._secrets[value[0]] if isinstance(value, list) else value
            for key, value in json.loads(state).items()
        }
        for key in (self._start.keys() | os.environ.keys()) - changed.keys():
            _set_variable(key, self._start.get(key))
        for key, value in changed.items():
            _set_variable(key, value)
        time.tzset()


def _set_variable(key: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(key, None)
    elif os.environ.get(key) != value:
        os.environ[key] = value


class WorkingFolder(BaseProvider):
    """The current folder."""

    name = "working folder"
    hints = frozenset(
        {"getcwd", "getcwdb", "cwd", "chdir", "abspath", "realpath", "resolve", "absolute", "cd", "pwd"}
    )

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def capture(self) -> bytes:
        try:
            return self._paths.symbolic(os.getcwd()).encode("utf-8", "surrogateescape")
        except OSError:
            return b""

    def restore(self, state: bytes) -> None:
        os.chdir(self._paths.real(state.decode("utf-8", "surrogateescape")))


class ModulePath(BaseProvider):
    """What the notebook changed in `sys.path`; entries from the start are kept by position."""

    name = "sys.path"

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._start = list(sys.path)

    def capture(self) -> bytes:
        entries: list[Any] = []
        for entry in sys.path:
            known = entry in self._start
            entries.append(self._start.index(entry) if known else self._named(os.fspath(entry)))
        return json.dumps(entries).encode()

    def _named(self, entry: str) -> str:
        """Symbolic; a relative entry means the working folder of whoever asks, and stays as it is."""
        return self._paths.symbolic(entry) if os.path.isabs(entry) else entry

    def restore(self, state: bytes) -> None:
        entries = json.loads(state)
        sys.path[:] = [self._start[e] if isinstance(e, int) else self._paths.real(e) for e in entries]


class WarningFilters(BaseProvider):
    """`warnings.filters`; libraries add to them when imported, which is not the notebook's doing."""

    name = "warnings filters"
    hints = frozenset(
        {"filterwarnings", "simplefilter", "resetwarnings", "catch_warnings", "warn", "warn_explicit"}
    )
    only_hinted = True

    def capture(self) -> bytes:
        rows = []
        found: Any = warnings.filters
        for action, message, category, module, line in found:
            texts = [getattr(pattern, "pattern", pattern) for pattern in (message, module)]
            rows.append([action, texts[0], category.__module__, category.__qualname__, texts[1], line])
        return json.dumps(rows).encode()

    def restore(self, state: bytes) -> None:
        import re

        filters = []
        for action, message, home, name, module, line in json.loads(state):
            category = _find(home, name)
            if category is not None:
                patterns = [
                    None if text is None else re.compile(text, flags)
                    for text, flags in ((message, re.I), (module, 0))
                ]
                filters.append((action, patterns[0], category, patterns[1], line))
        warnings.filters[:] = filters  # type: ignore[index]
        mutated = getattr(warnings, "_filters_mutated", None) or getattr(
            warnings, "_filters_mutated_lock_held", None
        )
        if mutated is not None:
            mutated()


def _find(module: str, qualname: str) -> Any:
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found


class PlotSettings(BaseProvider):
    """matplotlib's rcParams where they differ from its configuration file."""

    name = "matplotlib rcParams"
    home = library = "matplotlib"
    hints = frozenset({"rcParams", "rc", "rcdefaults", "set_theme", "set_style", "use"})

    def ready(self) -> bool:
        return hasattr(sys.modules.get("matplotlib"), "rcParamsOrig")

    def __init__(self) -> None:
        self._values: list[Any] = []
        self._captured = b""

    def _changed(self) -> dict[str, Any]:
        matplotlib = sys.modules["matplotlib"]
        start = dict(dict.items(matplotlib.rcParamsOrig))
        now = dict(dict.items(matplotlib.rcParams))
        kept = {k for k in now if not k.startswith(("backend", "interactive", "webagg", "toolbar"))}
        return {key: now[key] for key in sorted(kept) if repr(now[key]) != repr(start.get(key))}

    def capture(self) -> bytes:
        values = [
            repr(each) if type(each) is list else each
            for each in dict.values(sys.modules["matplotlib"].rcParams)
        ]
        if len(values) != len(self._values) or not all(map(_is_still, values, self._values)):
            changed = [(key, repr(value), value) for key, value in self._changed().items()]
            self._values, self._captured = values, pickle.dumps(changed, protocol=5)
        return self._captured

    def restore(self, state: bytes) -> None:
        matplotlib = sys.modules["matplotlib"]
        for key in self._changed():
            matplotlib.rcParams[key] = matplotlib.rcParamsOrig[key]
        for key, _, value in pickle.loads(state):
            matplotlib.rcParams[key] = value


def _is_still(value: Any, before: Any) -> bool:
    return value is before or (type(value) is str and value == before)


class CompilerFlags(BaseProvider):
    """`from __future__` statements stay in force for the cells that follow."""

    name = "future statements"

    def __init__(self, compiler: Any) -> None:
        self._compiler = compiler

    def capture(self) -> bytes:
        return str(int(getattr(self._compiler, "flags", 0))).encode()

    def restore(self, state: bytes) -> None:
        self._compiler.flags = int(state)


def default_providers(paths: Paths, shell: Any) -> list[Provider]:
    """All of the above, with their baselines taken now."""
    return [
        PythonRandom(),
        NumpyRandom(),
        TorchRandom(),
        Environment(),
        WorkingFolder(paths),
        ModulePath(paths),
        WarningFilters(),
        PlotSettings(),
        CompilerFlags(shell.compile),
        Limits(),
        FileMode(),
        Locale(),
        TimeZone(),
        DecimalContext(),
        NumpyErrors(),
        NumpyPrinting(),
        PandasDisplay(),
        PandasOptions(),
        PlotBackend(),
        ShellSettings(shell),
    ]
