"""Settings of IPython: how it shows values and errors, and which values of a cell it shows."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from nbrewind.cells.ambient.base import BaseProvider

_SHOWING = frozenset(
    {"IPython.core.formatters", "IPython.core.displayhook", "ipykernel.displayhook", "IPython.core.ultratb"}
)
_PLAIN = (str, int, float, bool, bytes, type(None))
_FIGURES = "InlineBackend"


class ShellSettings(BaseProvider):
    """What ``%config``, ``%precision``, ``%xmode`` and their like set."""

    name = "IPython settings"
    modules = _SHOWING
    hints = frozenset({"InteractiveTB", "ast_node_interactivity", "configurables"})

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._start = self._look()
        self._last: tuple[dict[tuple[str, str], Any], bytes] | None = None

    def _configurables(self) -> Iterator[tuple[str, Any]]:
        shell = self._shell
        for one in (*shell.configurables, *shell.display_formatter.formatters.values()):
            yield type(one).__name__, one

    def _look(self) -> dict[tuple[str, str], Any]:
        """Values of all settings that are plain, and the mode of tracebacks, which is none."""
        found: dict[tuple[str, str], Any] = {}
        for owner, one in self._configurables():
            for name, value in one._trait_values.items():
                if _may_be_set(type(one), name) and (isinstance(value, _PLAIN) or _is_plain_set(value)):
                    found[owner, name] = value
        traceback = getattr(self._shell, "InteractiveTB", None)
        found["InteractiveTB", "mode"] = getattr(traceback, "mode", None)
        return found

    def capture(self) -> bytes:
        now = self._look()
        if self._last is None or self._last[0] != now:
            changed = [(key, value) for key, value in now.items() if self._starts_as(key, now) != value]
            self._last = deepcopy(now), pickle.dumps(sorted(changed, key=repr))
        return self._last[1]

    def _starts_as(self, key: tuple[str, str], now: dict[tuple[str, str], Any]) -> Any:
        """What a setting was at first; the default, where nothing had asked for it then."""
        if key in self._start:
            return self._start[key]
        for owner, one in self._configurables():
            if owner == key[0]:
                default = one.traits()[key[1]].default()
                return default if isinstance(default, _PLAIN) or _is_plain_set(default) else now[key]
        return now[key]

    def restore(self, state: bytes) -> None:
        wanted = dict(pickle.loads(state))
        if any(owner == _FIGURES for owner, _ in wanted):
            self._bring_figures()
        now = self._look()
        for key in now.keys() - wanted.keys():
            self._set(key, self._starts_as(key, now), now[key])
        for key, value in wanted.items():
            self._set(key, value, now.get(key))

    def _set(self, key: tuple[str, str], value: Any, now: Any) -> None:
        if value == now:
            return
        owner, name = key
        if owner == "InteractiveTB":
            self._shell.InteractiveTB.set_mode(mode=value)
            return
        for kind, one in self._configurables():
            if kind == owner:
                setattr(one, name, value)

    def _bring_figures(self) -> None:
        """Make the settings of inline figures, which only exist once something has asked for them."""
        from matplotlib_inline.config import InlineBackend

        settings = InlineBackend.instance(parent=self._shell)
        settings.shell = self._shell
        if settings not in self._shell.configurables:
            self._shell.configurables.append(settings)


_KNOWN: dict[tuple[type, str], bool] = {}


def _may_be_set(kind: type, name: str) -> bool:
    """Whether an attribute of a configurable class is one of its settings."""
    if (kind, name) not in _KNOWN:
        trait: Any = getattr(kind, name, None)
        _KNOWN[kind, name] = bool(getattr(trait, "metadata", {}).get("config"))
    return _KNOWN[kind, name]


def _is_plain_set(value: Any) -> bool:
    return isinstance(value, (set, frozenset, list, tuple)) and all(isinstance(one, _PLAIN) for one in value)
