"""How types that need it are digested, saved and restored; a user's own can be added.

Three ways to say it, the first that applies wins:

- methods of the class: ``__nbrewind_digest__(self)`` returns a value that stands for this one when it is
  compared;
  ``__nbrewind_reduce__(self)`` returns what ``__reduce__`` would;
- `register_reducer` and `register_opaque`, for classes of others, by type or by ``"module.qualname"``;
- a *policy* for a type: ``always`` saves it whatever it costs, ``never`` and ``rebuild`` run its cell again
  instead.

A module of `nbrewind.state.reducers` serves one library, and is imported once that library is.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any, Literal

from attrs import define, evolve, frozen

from nbrewind.errors import UsageError

Policy = Literal["auto", "always", "never", "rebuild"]
Reduce = Callable[[Any], "tuple[Any, ...] | str"]


@frozen
class Entry:
    """What is known about one type, or about it and its subclasses.

    Parameters
    ----------
    reduce
        Returns what ``__reduce__`` would; for pickling.
    digest
        Returns a value that stands for this one; it is digested in its place.
    opaque
        Why it can neither be compared nor saved.
    policy
        Whether it is saved.
    subclasses
        Whether this counts for subclasses too.
    """

    reduce: Reduce | None = None
    digest: Callable[[Any], Any] | None = None
    opaque: str = ""
    policy: Policy = "auto"
    subclasses: bool = True


@define
class Registry:
    """The entries by qualified name of their type."""

    entries: dict[str, Entry]
    lazy: dict[str, tuple[str, ...]]
    version: int = 0

    def of(self, kind: type) -> Entry | None:
        """The entry of a type, its own or the nearest of a base."""
        self._load(kind)
        for base in kind.__mro__:
            entry = self.entries.get(qualified(base))
            if entry is not None and (entry.subclasses or base is kind):
                return entry
        return None

    def add(self, kind: type | str, **changes: Any) -> None:
        """Change the entry of a type."""
        name = kind if isinstance(kind, str) else qualified(kind)
        self.entries[name] = evolve(self.entries.get(name, Entry()), **changes)
        self.version += 1

    def _load(self, kind: type) -> None:
        for base in kind.__mro__:
            top = home(base).partition(".")[0]
            for module in self.lazy.pop(top, ()):
                importlib.import_module(module)


def qualified(kind: type) -> str:
    """``module.qualname`` of a type."""
    return f"{home(kind)}.{kind.__qualname__}"


_REDUCERS = "nbrewind.state.reducers."
REGISTRY = Registry(
    {},
    {
        "_io": (_REDUCERS + "files",),
        "io": (_REDUCERS + "files",),
        "h5py": (_REDUCERS + "hdf5",),
        "sqlite3": (_REDUCERS + "sqlite",),
        "logging": (_REDUCERS + "logs",),
        "_thread": (_REDUCERS + "threads",),
        "threading": (_REDUCERS + "threads",),
        "concurrent": (_REDUCERS + "threads",),
        "matplotlib": (_REDUCERS + "figures",),
        "numpy": (_REDUCERS + "memmaps",),
        "scipy": (_REDUCERS + "scipy",),
        "xarray": (_REDUCERS + "xarray",),
    },
)


def register_reducer(
    kind: type | str,
    reduce: Reduce | None = None,
    *,
    digest: Callable[[Any], Any] | None = None,
    policy: Policy = "auto",
    subclasses: bool = True,
) -> None:
    """Say how values of a type are saved and compared.

    Parameters
    ----------
    kind
        The type, or ``"module.qualname"`` where importing it now would be a waste.
    reduce
        Takes a value and returns what ``__reduce__`` would.
    digest
        Takes a value and returns another that stands for it, made of types that have a canonical form.
        Without it, what `reduce` returns is compared.
    policy
        ``auto``, ``always``, ``never`` or ``rebuild``.

    Raises
    ------
    UsageError
        The policy is none of these.

    Examples
    --------
    >>> register_reducer("mylab.Spectrum", lambda s: (type(s), (s.wavelength, s.flux)))
    """
    if policy not in ("auto", "always", "never", "rebuild"):
        raise UsageError(f"policy {policy!r} is none of auto, always, never, rebuild")
    REGISTRY.add(kind, reduce=reduce, digest=digest, opaque="", policy=policy, subclasses=subclasses)


def register_opaque(kind: type | str, why: str, *, subclasses: bool = True) -> None:
    """Say that values of a type can neither be compared nor saved; the cells that make them run again.

    Examples
    --------
    >>> register_opaque("mylab.Instrument", "it is connected to a device")
    """
    REGISTRY.add(kind, opaque=why, reduce=None, digest=None, subclasses=subclasses)


def loaded(name: str) -> bool:
    """Whether a library has been imported; what follows from it need not be known before."""
    return name in sys.modules


for _name in ("generator", "coroutine", "async_generator", "frame", "traceback"):
    register_opaque(f"builtins.{_name}", "it is code in the middle of running")
for _name in (
    "socket.socket",
    "_socket.socket",
    "ssl.SSLSocket",
    "subprocess.Popen",
    "selectors.BaseSelector",
):
    register_opaque(_name, "it is a connection of this process")
for _name in (
    "asyncio.events.AbstractEventLoop",
    "asyncio.base_events.BaseEventLoop",
    "_asyncio.Task",
    "_asyncio.Future",
):
    register_opaque(_name, "it belongs to the running event loop")
register_opaque("weakref.ReferenceType", "it refers to an object without holding it")


def home(kind: type) -> str:
    """Module of a class, "" where it does not say; extension types may refuse to answer."""
    home = getattr(kind, "__module__", "")
    return home if isinstance(home, str) else ""
