"""State that no variable holds: what the notebook set on modules and on classes of libraries.

It goes by names of its own, ``module:`` and the top-level module that holds it, and is compared, saved, restored and
rebuilt as if it were a variable. Of a module beside the notebook all global data counts; of a library what the
notebook's own code set, since libraries change themselves all the time, and the numbers that the library counts with.
A call that may have set something out of sight, such as ``csv.register_dialect``, counts by its code and what it read,
and is made again when needed.
"""

from __future__ import annotations

import enum
import importlib
import re
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from attrs import define, field, frozen

from nbrewind.cells.code import CellCode
from nbrewind.cells.counters import Counters, Place
from nbrewind.cells.special import SPECIAL
from nbrewind.cells.targets import SHELL, Target
from nbrewind.record.digests import digest_bytes
from nbrewind.record.model import Digest
from nbrewind.state import STATE_OF, register_reducer
from nbrewind.state.names import find, importable
from nbrewind.state.plans import ABSENT

BUILTINS = STATE_OF + "builtins"
"""Every cell reads these."""
SHELL_STATE = STATE_OF + "IPython"
"""Magics and extensions that the notebook added: what cells with magics read."""
DISPLAY_STATE = STATE_OF + "IPython.display"
"""How IPython shows values, and what it calls around cells: what cells with expressions read."""

_SETTING = re.compile(
    r"(un)?(register|install|patch)|(en|dis)able|(de)?activate|set_|set[A-Z]|configure|config$|init|extension|apply$"
    r"|use$|use_|add_[a-z]+_?type|add_type|signal$|pandas$|start_new_|route|hook"
)
_CONTAINERS = (list, dict, set)
_IMMUTABLE = (str, bytes, int, float, complex, tuple, frozenset, type(None), range)
_STREAMS = frozenset({"stdout", "stderr", "stdin", "__stdout__", "__stderr__"})
_DISPLAYING = frozenset(
    {
        "display_formatter",
        "input_transformers_cleanup",
        "input_transformers_post",
        "ast_transformers",
        "events",
    }
)
_KEPT_APART = frozenset({("sys", "path"), ("sys", "modules"), ("os", "environ")})
_UNSEEN_MAGICS = frozenset({"load_ext", "reload_ext", "unload_ext", "alias", "rehashx", "pylab"})
_EVERYWHERE = frozenset({"codecs", "copyreg", "signal"})
"""What is registered with these modules takes effect where nobody names them."""


@frozen
class Effect:
    """A call that may have set something out of sight, identified by its code and what it read."""

    key: Digest
    what: str


register_reducer(
    f"{__name__}.Effect", lambda effect: (Effect, (effect.key, effect.what)),
    digest=lambda effect: (effect.key, effect.what), policy="rebuild",
)  # fmt: skip


@define
class Kept:
    """What is known of the state of one top-level module: places with what they held at first, and calls."""

    places: dict[Place, Any] = field(factory=dict)
    effects: tuple[Effect, ...] = ()


class States:
    """The states of all modules, by name.

    Parameters
    ----------
    namespace
        The notebook's variables.
    explained
        Names whose use other kinds of evidence account for.
    local
        Finds the modules beside the notebook that are loaded.
    refused
        Says why a value cannot be compared, if so.
    """

    def __init__(
        self,
        namespace: dict[str, Any],
        explained: frozenset[str],
        local: Callable[[], Mapping[str, str]],
    ) -> None:
        self._namespace = namespace
        self._explained = explained
        self._local = local
        self._kept: dict[str, Kept] = {}
        self._inner: dict[Target, None] = {}
        self._seen: dict[Place, Any] = {}
        self._skipped: dict[Place, Any] = {}
        self._examined: set[str] = set()
        self.refused: Callable[[Any], str] = lambda _value: ""
        self.counters = Counters()

    # -- as variables

    def names(self) -> set[str]:
        """Names of all states that there are now."""
        local = {name.partition(".")[0] for name in self._local()}
        special = {top for top, state in SPECIAL.items() if top in sys.modules and state.value()}
        return {STATE_OF + top for top in {*self._kept, *local, *special}}

    def holds(self, name: str) -> bool:
        """Whether there is such state."""
        return name.startswith(STATE_OF) and name in self.names()

    def loaded(self, name: str) -> bool:
        """Whether the module that holds the state is imported."""
        return name in (SHELL_STATE, DISPLAY_STATE) or name[len(STATE_OF) :] in sys.modules

    def value(self, name: str) -> dict[str, Any]:
        """The state as a value: attributes by place, and effects of calls."""
        top = name[len(STATE_OF) :]
        found: dict[str, Any] = {}
        kept = self._kept.get(top, Kept())
        for place in kept.places:
            found[":".join(place)] = _look(place)
        for module in sorted(name for name in self._local() if name.partition(".")[0] == top):
            for place, value in _globals(module):
                if self._skipped.get(place, ABSENT) is not value:
                    found[":".join(place)] = value
        if top in SPECIAL and top in sys.modules:
            found[""] = SPECIAL[top].value()
        return {"set": dict(sorted(found.items())), "calls": kept.effects}

    def apply(self, name: str, value: dict[str, Any]) -> None:
        """Put a state in place; modules are imported for it."""
        top = name[len(STATE_OF) :]
        kept = Kept(effects=tuple(value["calls"]))
        for key, content in value["set"].items():
            if not key:
                importlib.import_module(top)
                SPECIAL[top].apply(content)
                continue
            module, owner, attribute = key.split(":")
            place = module, owner, attribute
            first = _put(place, content)
            if module not in self._local():
                kept.places[place] = self._kept.get(top, kept).places.get(place, first)
        if kept.places or kept.effects:
            self._kept[top] = kept
        else:
            self._kept.pop(top, None)

    def forget(self) -> None:
        """Put places back to what they held at first, and know nothing."""
        for kept in self._kept.values():
            for place, first in kept.places.items():
                _put(place, first)
        for top, state in SPECIAL.items():
            if top in sys.modules and (present := state.value()):
                state.apply(type(present)())
        self._kept = {}

    # -- around a cell

    def read(self, code: CellCode) -> None:
        """A cell's code is known: its functions may run in any later cell."""
        self._inner.update(dict.fromkeys(code.inner_targets))

    def begin(self, code: CellCode) -> None:
        """A cell is about to run."""
        self._seen = {}
        self.counters.start()
        for target in (*code.targets, *self._inner):
            place = self._place(target)
            if place is not None:
                self._seen[place] = _look(place)

    def end(self, code: CellCode, digest: Callable[[str], Digest | None]) -> set[str]:
        """A cell has run: note what it set.

        Parameters
        ----------
        code
            Its code.
        digest
            Digest of a variable from before the cell.

        Returns
        -------
        set of str
            Names of states that it may have changed.
        """
        changed: set[str] = set()
        for target in code.targets:
            changed |= self._noted(target, code, digest, ran=True)
        for target in self._inner:
            changed |= self._noted(target, code, digest, ran=False)
        changed |= self._counted()
        self._examine_local()
        return changed

    def _counted(self) -> set[str]:
        """Note the counters that libraries moved; returns the states that hold them."""
        moved = {
            place: before
            for place, before in self.counters.moved().items()
            if place[0].partition(".")[0] not in SPECIAL.keys() | self._tops()
        }
        for place, before in moved.items():
            self._kept.setdefault(place[0].partition(".")[0], Kept()).places.setdefault(place, before)
        return {STATE_OF + place[0].partition(".")[0] for place in moved}

    def _noted(
        self, target: Target, code: CellCode, digest: Callable[[str], Digest | None], *, ran: bool
    ) -> set[str]:
        place = self._place(target)
        if place is not None:
            first = self._seen.get(place, ABSENT)
            top = place[0].partition(".")[0]
            fresh = _look(place) is not first
            if top not in self._tops() and (fresh or (ran and target.act != "set")):
                self._kept.setdefault(top, Kept()).places.setdefault(place, first)
            return {STATE_OF + top}
        name = self._effect_on(target) if ran else ""
        if not name:
            return set()
        kept = self._kept.setdefault(name, Kept())
        effect = Effect(_key(target, code, digest), ".".join(target.path))
        if effect not in kept.effects:
            kept.effects = (*kept.effects, effect)
        return {STATE_OF + name}

    def _tops(self) -> set[str]:
        return {name.partition(".")[0] for name in self._local()}

    def _examine_local(self) -> None:
        """Leave what came with a module's import and cannot be compared out of its state."""
        for module in self._local().keys() - self._examined:
            self._examined.add(module)
            for place, value in _globals(module):
                if self.refused(value):
                    self._skipped[place] = value

    # -- what a path stands for

    def _place(self, target: Target) -> Place | None:
        """The attribute of a module or library class that a target sets, or whose value it changes."""
        path = target.path[:-1] if target.act == "call" else target.path
        if len(path) < 2 or not self._explained.isdisjoint(path):
            return None
        owner = self._resolve(path[:-1])
        where = _owner(owner)
        if where is None or where[0].partition(".")[0] in SPECIAL or (where[0], path[-1]) in _KEPT_APART:
            return None
        place = (*where, path[-1])
        return place if target.act == "set" or type(_look(place)) in _CONTAINERS else None

    def _effect_on(self, target: Target) -> str:
        """The module that a call, or a store into an object of a module, may have set; "" for none."""
        path = target.path
        if (
            path[0] == SHELL
            or self._namespace.get(path[0]) is self._namespace.get("get_ipython", _no_shell)()
        ):
            return _effect_on_shell(target)
        if not self._explained.isdisjoint(path) or (target.act == "set" and len(path) < 3):
            return ""
        if target.act == "change" and path[-2:] == ("sys", "modules") and target.word:
            return target.word.partition(".")[0]
        top = self._home(path)
        if top in _EVERYWHERE:
            return "builtins" if target.discarded or self._sets(target) else ""
        if not top or top in SPECIAL or top in self._tops() or not _STREAMS.isdisjoint(path):
            return ""
        if target.act != "call":
            return top
        return top if self._sets(target) else ""

    def _home(self, path: tuple[str, ...]) -> str:
        """Top-level module that a path leads into, "" where it starts at a value of the notebook."""
        root: Any = self._namespace.get(path[0])
        if issubclass(type(root), types.ModuleType):
            return str(root.__name__).partition(".")[0]
        if not issubclass(type(root), (type, types.FunctionType)) or not isinstance(root.__module__, str):
            return ""
        top = root.__module__.partition(".")[0]
        return "" if top in ("builtins", "__main__") else top

    def _sets(self, target: Target) -> bool:
        """Whether a call looks as if it were made for what it sets."""
        owner = self._resolve(target.path[:-1]) if len(target.path) > 1 else None
        instance = owner is not None and _owner(owner) is None and not issubclass(type(owner), _IMMUTABLE)
        if instance and len(target.path) > 2 and target.discarded:
            return True
        return _SETTING.match(target.path[-1]) is not None

    def _resolve(self, path: tuple[str, ...]) -> Any:
        found = self._namespace.get(path[0])
        if not self._home(path):
            return None  # an object of the notebook: asking it for attributes would run its code
        for part in path[1:]:
            found = _attribute(found, part)
        return found


def _no_shell() -> object:
    return ABSENT


def _attribute(owner: Any, name: str) -> Any:
    try:
        return getattr(owner, name, None)
    except Exception:  # noqa: BLE001 - properties of libraries may raise anything
        return None


def _effect_on_shell(target: Target) -> str:
    if target.path[1:2] in (("run_line_magic",), ("run_cell_magic",)):
        return SHELL_STATE[len(STATE_OF) :] if target.word in _UNSEEN_MAGICS else ""
    if not target.discarded:
        return ""
    if not _DISPLAYING.isdisjoint(target.path):
        return DISPLAY_STATE[len(STATE_OF) :]
    return SHELL_STATE[len(STATE_OF) :] if _SETTING.match(target.path[-1]) else ""


def _owner(value: Any) -> tuple[str, str] | None:
    """Module and qualified name of a module or of a class of a library."""
    if issubclass(type(value), types.ModuleType):
        return value.__name__, ""
    if issubclass(type(value), type) and (name := importable(value)):
        module, _, qualname = name.partition(":")
        return module, qualname
    return None


def _look(place: Place) -> Any:
    module, owner, attribute = place
    holder = find(module, owner) if owner else sys.modules.get(module)
    return getattr(holder, "__dict__", {}).get(attribute, ABSENT)


def _put(place: Place, value: Any) -> Any:
    """Set an attribute, or delete it; returns what it was."""
    module, owner, attribute = place
    holder = importlib.import_module(module)
    holder = find(module, owner) if owner else holder
    before = vars(holder).get(attribute, ABSENT)
    if before is not value and value is ABSENT:
        delattr(holder, attribute)
    elif before is not value:
        setattr(holder, attribute, value)
    return before


def _globals(name: str) -> Iterable[tuple[Place, Any]]:
    """Data of a module beside the notebook: what it defines itself goes by its source."""
    module = sys.modules.get(name)
    for attribute, value in list(getattr(module, "__dict__", {}).items()):
        if _is_dunder(attribute):
            continue
        if isinstance(value, types.ModuleType) and value.__name__ == f"{name}.{attribute}":
            continue
        if isinstance(value, (type, types.FunctionType)) and importable(value) == f"{name}:{attribute}":
            if isinstance(value, type) and not issubclass(value, enum.Enum):
                yield from _class_data(name, value)
            continue
        yield (name, "", attribute), value


def _class_data(module: str, kind: type) -> Iterable[tuple[Place, Any]]:
    for attribute, value in list(vars(kind).items()):
        if _is_dunder(attribute) or attribute == "_abc_impl":
            continue
        written = getattr(value, "__func__", getattr(value, "fget", value))
        if isinstance(written, types.FunctionType):
            if written.__module__ == module:
                continue
        elif type(value).__module__ == "builtins" and hasattr(type(value), "__set__"):
            continue
        yield (module, kind.__qualname__, attribute), value


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _key(target: Target, code: CellCode, digest: Callable[[str], Digest | None]) -> Digest:
    """What a call was given: its statement, and the variables in it; those that its own cell binds, by the cell."""
    own = target.names & code.names.stores
    parts = [target.statement, *(f"{name} {digest(name)}" for name in sorted(target.names - own))]
    return digest_bytes("\n".join([*parts, code.digest if own else ""]).encode())
