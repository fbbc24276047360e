"""What a kind of ambient state is."""

from __future__ import annotations

import sys
from typing import Protocol


class Provider(Protocol):
    """One kind of ambient state.

    Attributes
    ----------
    name
        In records and messages.
    home
        Module whose import creates the state ("" for none).
    library
        Top-level module: a cell that touches anything of it may depend on the state ("" for none).
    modules
        Modules whose running means that a cell depends on the state.
    hints
        Names in code that mean the same, and that a cell may have set it, also to the value that it had.
    only_hinted
        Whether a change counts only with a hint: libraries change it by being imported.
    """

    name: str
    home: str
    library: str
    modules: frozenset[str]
    hints: frozenset[str]
    only_hinted: bool

    def ready(self) -> bool:
        """Whether the library that holds the state is loaded."""

    def capture(self) -> bytes:
        """The state, in a form that is equal when the state is."""

    def fits(self, state: bytes) -> bool:
        """Whether a captured state can be put back here."""

    def restore(self, state: bytes) -> None:
        """Put a captured state back."""


class BaseProvider:
    """Defaults: state of the interpreter itself, which any cell may set."""

    name = ""
    home = ""
    library = ""
    modules: frozenset[str] = frozenset()
    hints: frozenset[str] = frozenset()
    only_hinted = False

    def ready(self) -> bool:
        """Whether the module that creates the state is loaded."""
        return not self.home or self.home in sys.modules

    def fits(self, _state: bytes) -> bool:
        """Whether a captured state can be put back: it says all that it takes."""
        return True
