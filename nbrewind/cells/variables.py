"""What is known of each of the notebook's variables: its version, and whether its value is at hand.

A variable is *live* when its value is in the namespace, and *lazy* when a restored cell left it and nothing has needed
the value yet. Versions are digests, so decisions need no values.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from types import FunctionType
from typing import Any, Protocol

from attrs import evolve, frozen

from nbrewind.cells.code import is_history
from nbrewind.record.model import Covariable, Digest
from nbrewind.state import STATE_OF

_FIRST_WORD = re.compile(r"\s*([^\W\d]\w*)")
_DEFINITIONS = (type, FunctionType)


class AnalyserLike(Protocol):
    """Digests live values (`nbrewind.state.Analyser`)."""

    def covariables(self, names: Iterable[str]) -> list[Covariable]:
        """Partition names by what they share, and digest each part."""

    def references(self, *names: str) -> frozenset[str]:
        """Other variables that functions and classes in the values of these refer to."""


class LoaderLike(Protocol):
    """Brings saved values back (`nbrewind.state.Loader`)."""

    def can_load(self, covariable: Covariable) -> bool:
        """Whether its content is saved, and fit for this interpreter."""

    def load(self, covariable: Covariable) -> dict[str, Any]:
        """Values of all its names."""


class StatesLike(Protocol):
    """State that no variable holds (`nbrewind.cells.states.States`)."""

    def names(self) -> set[str]:
        """Names of all that there is."""

    def loaded(self, name: str) -> bool:
        """Whether what holds it is there."""

    def value(self, name: str) -> Any:
        """It, as a value."""

    def apply(self, name: str, value: Any) -> None:
        """Put it in place."""

    def forget(self) -> None:
        """Put it back to what it was at first, and know nothing."""


class _NoStates:
    def names(self) -> set[str]:
        return set()

    def loaded(self, name: str) -> bool:
        return False

    def value(self, name: str) -> Any:
        raise KeyError(name)

    def apply(self, name: str, value: Any) -> None:
        raise KeyError(name)

    def forget(self) -> None: ...


@frozen
class Change:
    """What a cell did to the variables.

    `written` are new versions; those with `opaque` set still lack digests. `touched_before` are the earlier versions
    that the new ones depend on, because the cell changed them in place or bound new names to parts of them.
    """

    written: tuple[Covariable, ...]
    deleted: tuple[str, ...]
    touched_before: tuple[Covariable, ...]

    @property
    def carried(self) -> tuple[str, ...]:
        """Variables among these that shared objects with no other."""
        return tuple(sorted(made.names[0] for made in self.touched_before if len(made.names) == 1))


@frozen
class Versions:
    """All variables at one moment of a session."""

    current: Mapping[str, Covariable]
    saved_as: Mapping[str, Covariable]


@lru_cache(maxsize=1 << 16)
def _is_machinery(name: str) -> bool:
    """Whether a name is the interpreter's or holds earlier input or output; a session has two more after each cell."""
    return (name.startswith("__") and name.endswith("__")) or is_history(name)


class Variables:
    """The variables of a session.

    Parameters
    ----------
    namespace
        The notebook's variables, IPython's own among them.
    hidden
        IPython's own: not the notebook's as long as they are these very objects.
    analyser, loader
        Digest live values; bring saved ones back.
    states
        State outside the namespace that goes by names of its own.
    """

    def __init__(
        self,
        namespace: dict[str, Any],
        hidden: Mapping[str, Any],
        analyser: AnalyserLike,
        loader: LoaderLike,
        states: StatesLike | None = None,
    ) -> None:
        self._states: StatesLike = states or _NoStates()
        self.namespace = namespace
        self._hidden = hidden
        self._analyser = analyser
        self._loader = loader
        self._current: dict[str, Covariable] = {}
        self._saved_as: dict[str, Covariable] = {}
        self._lazy: set[str] = set()
        self._before: dict[str, Any] = {}
        self._known: dict[str, Any] = self._own_values()

    @contextmanager
    def seeming_present(self, source: str) -> Iterator[None]:
        """IPython takes the first word of a line for a magic unless there is a variable of that name; a lazy one is."""
        first = _FIRST_WORD.match(source)
        name = first[1] if first else ""
        stands_in = name in self._lazy and name not in self.namespace
        if stands_in:
            self.namespace[name] = None
        try:
            yield
        finally:
            if stands_in:
                del self.namespace[name]

    # -- versions

    def version(self, name: str) -> Covariable | None:
        """The co-variable that holds a name, ``None`` if there is no such variable."""
        return self._current.get(name)

    def digest(self, name: str) -> Digest | None:
        """Digest of one variable's value."""
        held = self._current.get(name)
        return held.digests[name] if held else None

    def names(self) -> frozenset[str]:
        """All variables of the notebook, live or lazy."""
        return frozenset(self._current)

    def is_live_opaque(self, name: str) -> bool:
        """Whether a variable holds, here and now, something that cannot be saved."""
        held = self._current.get(name)
        return held is not None and bool(held.opaque) and name not in self._lazy

    def lazy(self) -> frozenset[str]:
        """Variables whose values are not at hand."""
        return frozenset(self._lazy)

    def saved_version(self, name: str) -> Covariable:
        """The version under which the value of a variable is saved, with all names that it was saved with."""
        return self._saved_as[name]

    def is_saved(self, name: str) -> bool:
        """Whether the value of a variable can be loaded here."""
        return self.can_load(self._saved_as[name])

    def can_load(self, saved: Covariable) -> bool:
        """Whether a version can be loaded here."""
        return not saved.opaque and self._loader.can_load(saved)

    def is_own(self, name: str) -> bool:
        """Whether a name in the namespace is the notebook's rather than IPython's."""
        if _is_machinery(name):
            return False
        return name not in self._hidden or self.namespace.get(name) is not self._hidden[name]

    def closure(self, names: Iterable[str]) -> set[str]:
        """These names and all variables that their functions and classes refer to, transitively."""
        found: set[str] = set()
        pending = set(names)
        while pending:
            found |= pending
            known = {name for name in pending if name in self._current}
            new = [name for name in sorted(pending - known) if name in self.namespace and self.is_own(name)]
            needs = {need for name in known for need in self._current[name].needs}
            pending = (needs | self._analyser.references(*new)) - found
        return found

    def dependents(self, names: Iterable[str]) -> set[str]:
        """Variables that refer to these by name: an instance keeps its class when the name is bound to another."""
        wanted = set(names)
        return {name for name, held in self._current.items() if wanted and not wanted.isdisjoint(held.needs)}

    # -- between cells

    def _own_values(self) -> dict[str, Any]:
        return {name: value for name, value in self.namespace.items() if self.is_own(name)}

    def drifted(self, *, stirred: bool = False) -> Change | None:
        """What changed since the last cell ended: by a widget's callback, a thread, a debugger.

        Parameters
        ----------
        stirred
            Whether code of the notebook ran in between, which may have changed any value in place.
        """
        now = self._own_values()
        bound = now.keys() != self._known.keys() or any(now[name] is not self._known[name] for name in now)
        if not bound and not stirred:
            return None
        self._before, self._known = self._known, now
        change = self.settle(self.comparable() if stirred else (), ())
        return change if bound or change.written else None

    def begin_anew(self) -> None:
        """Count what is bound already as bound since the last cell, where watching begins in the middle."""
        self._known = {}

    def comparable(self) -> set[str]:
        """Variables whose values are at hand and have digests: whether they changed can be found out."""
        return {name for name, held in self._current.items() if not held.opaque} - self._lazy

    # -- around a cell that runs

    def begin(self) -> None:
        """A cell is about to run."""
        self._before = self._own_values()

    def settle(self, read: Iterable[str], stored: Iterable[str]) -> Change:
        """A cell has run: find what it bound, deleted, or changed in place.

        Parameters
        ----------
        read
            Variables that it could reach.
        stored
            Names that its code binds, also where the value is the same object as before.
        """
        namespace, before = self.namespace, self._before
        own = {name for name in namespace if self.is_own(name)}
        now = own | self._states.names()
        rebound = {n for n in own if n not in before or before[n] is not namespace[n]} | (set(stored) & own)
        deleted = tuple(sorted(n for n in self._current if n not in now and n not in self._lazy))
        for name in rebound:
            self._lazy.discard(name)
        redefined = {
            name for name in rebound | set(deleted) if issubclass(type(before.get(name)), _DEFINITIONS)
        }
        touched = set(read) | rebound | set(deleted) | self.dependents(redefined)
        candidates = self._reachable(touched) & (now - (self._lazy - own))
        fresh = self._analyser.covariables(candidates)
        touched = set(read) | rebound
        written = [new for new in fresh if self._differs(new, rebound, touched)]
        written += self._carried_along(written, rebound)
        parents = self._parents(written, rebound)
        self._before = {}
        self._release(set(deleted), self._current)
        return Change(tuple(written), deleted, tuple(parents))

    def adopt(self, written: Iterable[Covariable], deleted: Iterable[str] = ()) -> None:
        """Take these as the current versions of live variables."""
        for covariable in written:
            self._release(set(covariable.names), self._current, keep=covariable)
            for name in covariable.names:
                self._current[name] = self._saved_as[name] = covariable
                if name in self.namespace or _is_state(name):
                    self._lazy.discard(name)
                else:
                    self._lazy.add(name)
        self._release(set(deleted), self._current)
        self._known = self._own_values()

    def _carried_along(self, written: list[Covariable], rebound: set[str]) -> list[Covariable]:
        """Versions without canonical form that share objects with what changed in place: they changed with it."""
        done = {name for new in written for name in new.names}
        carried: dict[tuple[str, ...], Covariable] = {}
        for new in written:
            for name in new.names:
                old = self._current.get(name)
                if old is None or name in rebound:
                    continue
                for partner in old.kin:
                    held = self._current.get(partner)
                    if held is not None and held.opaque and partner not in done and name in held.kin:
                        carried[held.names] = held
        return list(carried.values())

    def _reachable(self, names: set[str]) -> set[str]:
        """With all that shares objects with them, and all that their functions refer to."""
        found: set[str] = set()
        pending = names
        while pending:
            found |= pending
            more = self.closure(pending)
            for name in pending:
                held = self._current.get(name)
                more |= {*held.names, *held.kin} if held else set()
            pending = more - found
        return found

    def _differs(self, new: Covariable, rebound: set[str], touched: set[str]) -> bool:
        old = self._current.get(new.names[0])
        if new.opaque:
            return bool(touched & set(new.names)) or old is None or old.names != new.names
        if old is None or rebound & set(new.names):
            return True
        if old.names == new.names:
            return old.digest != new.digest
        lost_only = len(new.names) == 1 and old.digests[new.names[0]] == new.digest
        if lost_only:  # the others of its co-variable were bound anew; its own value is as it was
            self._narrow(old, set(new.names))
        return not lost_only

    def _parents(self, written: list[Covariable], rebound: set[str]) -> list[Covariable]:
        found: dict[tuple[str, ...], Covariable] = {}
        for new in written:
            for name in new.names:
                old = self._current.get(name)
                if old is not None and name not in rebound:
                    found[old.names] = old
        return list(found.values())

    def _release(
        self, names: set[str], current: dict[str, Covariable], keep: Covariable | None = None
    ) -> None:
        """Take names out of the co-variables that hold them; what stays in these keeps its version."""
        for old in {id(current[n]): current[n] for n in names if n in current}.values():
            if keep is None or old.names != keep.names:
                self._narrow(old, set(old.names) - names)
        for name in names:
            current.pop(name, None)
            self._saved_as.pop(name, None)
            self._lazy.discard(name)

    def _narrow(self, old: Covariable, left: set[str]) -> None:
        """The rest of a co-variable that lost names. Its saved form still holds them all."""
        if not left:
            return
        names = tuple(sorted(left))
        digest = old.digests[names[0]] if len(names) == 1 else old.digest + "-" + "-".join(names)
        rest = evolve(old, names=names, digests={n: old.digests[n] for n in names}, digest=digest)
        for name in names:
            self._current[name] = rest

    # -- restoring

    def assume(self, written: Iterable[Covariable], deleted: Iterable[str]) -> None:
        """A restored cell left these versions; their values stay where they are saved until something needs them."""
        for covariable in written:
            if all(self._current.get(name) == covariable for name in covariable.names):
                continue
            self._release(set(covariable.names), self._current, keep=covariable)
            for name in covariable.names:
                self.namespace.pop(name, None)
                self._current[name] = self._saved_as[name] = covariable
                self._lazy.add(name)
        for name in deleted:
            self.namespace.pop(name, None)
        self._release(set(deleted), self._current)
        self._known = self._own_values()

    def materialise(self, names: Iterable[str]) -> list[Covariable]:
        """Put the values of these variables, and of all that they refer to, into the namespace.

        Returns
        -------
        list of Covariable
            Versions whose values are not saved or cannot be loaded here: their cells must run again.
        """
        missing: dict[Digest, Covariable] = {}
        for name in sorted((self.closure(names) | self._at_hand()) & self._lazy):
            if name not in self._lazy:
                continue
            saved = self._saved_as[name]
            if saved.opaque or not self._loader.can_load(saved):
                missing[saved.digest] = saved
                continue
            try:
                self.provide(saved, self._loader.load(saved))
            except Exception:  # noqa: BLE001 - whatever is wrong with a saved value, its cell can make it again
                missing[saved.digest] = saved
        return list(missing.values())

    def _at_hand(self) -> set[str]:
        """States of modules that are imported: any code that runs may come to see them."""
        return {
            name
            for name in self._lazy
            if _is_state(name) and self._states.loaded(name) and self._loader.can_load(self._saved_as[name])
        }

    def replace(self, names: Iterable[str], values: Mapping[str, Any]) -> None:
        """Put other objects with the same content in place, so that they share what rebuilt ones share with them."""
        for name in names:
            if name in values and name in self._current and not _is_state(name):
                self.namespace[name] = self._known[name] = values[name]
                self._lazy.discard(name)

    def provide(self, saved: Covariable, values: Mapping[str, Any]) -> None:
        """These are the values of a saved version; names that have moved on since are left alone."""
        for name in saved.names:
            if self._saved_as.get(name) != saved or name not in values:
                continue
            if _is_state(name):
                self._states.apply(name, values[name])
                self._lazy.discard(name)
            else:
                self.namespace[name] = self._known[name] = values[name]
                self._lazy.discard(name)

    # -- going elsewhere for good

    def go_to(self, versions: Versions, *, keep: bool) -> None:
        """Take on all versions of another moment; values stay where they are saved until something needs them.

        Parameters
        ----------
        versions
            Of that moment.
        keep
            Leave values in place that have the same version there: nothing has changed them since they got it.
        """
        same = {
            name
            for name, held in versions.current.items()
            if keep
            and self._current.get(name) == held
            and self._saved_as.get(name) == versions.saved_as.get(name)
        }
        for name in [name for name in self.namespace if name not in same and self.is_own(name)]:
            del self.namespace[name]
        self._current, self._saved_as = dict(versions.current), dict(versions.saved_as)
        self._lazy = (self._lazy & same) | (self._current.keys() - same)
        self._known = self._own_values()

    # -- going back for a while

    def versions(self) -> Versions:
        """All versions now, as values that later cells do not change."""
        return Versions(dict(self._current), dict(self._saved_as))

    def visit(self, versions: Versions, changing: frozenset[str] = frozenset()) -> Elsewhen:
        """Go to an earlier moment; returns what `leave` needs to come back.

        Parameters
        ----------
        versions
            All variables then.
        changing
            Variables that will be changed there. Others that are now as they were then stay in place, so that what is
            made there refers to the very objects that are here.
        """
        same = self._same(versions, changing)
        own = {name for name in self._current if name in self.namespace}
        live = {name: self.namespace.pop(name) for name in own - same}
        live |= {name: self._states.value(name) for name in self._states.names() - self._lazy}
        here = Elsewhen(self.versions(), live, set(self._lazy), same)
        self._states.forget()
        self._current, self._saved_as = dict(versions.current), dict(versions.saved_as)
        self._lazy = set(self._current) - (own & same)
        return here

    def _same(self, versions: Versions, changing: frozenset[str]) -> set[str]:
        """Variables that are what they were, and refer to nothing else by name."""
        same = {name for name in self._current if self._is_same(name, versions)}
        same = {name for name in same if changing.isdisjoint(self._current[name].names)}
        then = versions.current.keys()
        while True:
            led_astray = {
                name
                for name in same
                if any(n in then and n not in same and not _is_state(n) for n in self._current[name].needs)
            }
            if not led_astray:
                return same
            same -= {other for name in led_astray for other in self._current[name].names}

    def _is_same(self, name: str, versions: Versions) -> bool:
        """Whether a version that has content, and shares nothing out of sight, is the one from another moment."""
        held = self._current[name]
        same = versions.current.get(name) == held and versions.saved_as.get(name) == self._saved_as.get(name)
        return same and not held.opaque and not held.kin and not any(map(_is_state, held.names))

    def leave(self, here: Elsewhen) -> dict[str, Any]:
        """Come back from an earlier moment; returns the values that were made there."""
        made = {name: value for name, value in self._own_values().items() if name not in self._lazy}
        made |= {name: self._states.value(name) for name in self._states.names()}
        for name in self._own_values().keys() - here.same:
            del self.namespace[name]
        self._current, self._saved_as = dict(here.versions.current), dict(here.versions.saved_as)
        self._lazy = {name for name in here.lazy if name not in self.namespace}
        self._states.forget()
        for name, value in here.live.items():
            if _is_state(name):
                self._states.apply(name, value)
            else:
                self.namespace[name] = value
        self._known = self._own_values()
        return made


@frozen
class Elsewhen:
    """What `Variables.visit` leaves behind: versions, values, and names without values; `same` stayed in place."""

    versions: Versions
    live: Mapping[str, Any]
    lazy: set[str]
    same: set[str]


def _is_state(name: str) -> bool:
    return name.startswith(STATE_OF)
