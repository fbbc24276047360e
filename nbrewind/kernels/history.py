"""IPython's history of results: `_`, `__`, `_3`, `Out`.

A result is identified by the trace of the cell that showed it: same code and same reads, same result. One whose cell
was restored has no value at hand; it is made again if a cell asks for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import define

from nbrewind.record.digests import digest_bytes
from nbrewind.record.model import Digest, Evidence

_NEWEST = ("_", "__", "___")


@define
class ShownResult:
    """One result: the trace that made it, the session's step, its number, and whether its value is at hand."""

    key: Digest
    step: int
    number: int
    live: bool


class History:
    """The results that the cells of one session showed.

    Parameters
    ----------
    shell
        IPython's shell.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._results: list[ShownResult] = []

    def add(self, key: Digest, step: int, number: int, *, live: bool) -> None:
        """A cell showed a result."""
        self._results.append(ShownResult(key, step, number, live))

    def digest(self, name: str) -> Digest:
        """What a name of the history holds, by the cells that made it."""
        if name in _NEWEST:
            place = len(name)
            return self._results[-place].key if len(self._results) >= place else "none"
        return digest_bytes("\n".join([name, *(f"{r.number} {r.key}" for r in self._results)]).encode())

    def evidence(self, names: Iterable[str]) -> tuple[Evidence, ...]:
        """That a cell saw these names."""
        return tuple(Evidence("variable", name, self.digest(name)) for name in sorted(names))

    def wanted(self, names: frozenset[str]) -> list[ShownResult]:
        """Results without a value that a cell with these names may look at."""
        if not names:
            return []
        reach = max(map(len, names)) if names <= set(_NEWEST) else len(self._results)
        return [result for result in self._results[-reach:] if not result.live]

    def put(self, result: ShownResult, value: Any) -> None:
        """The value of a result is at hand now."""
        result.live = True
        variables = self._shell.user_ns
        variables["_oh"][result.number] = value
        variables[f"_{result.number}"] = value
        self.settle()

    def settle(self) -> None:
        """Bind the underscores to the newest results, as IPython would have."""
        variables, outputs = self._shell.user_ns, self._shell.user_ns["_oh"]
        for name, result in zip(_NEWEST, reversed(self._results), strict=False):
            if result.live and result.number in outputs:
                variables[name] = outputs[result.number]
                setattr(self._shell.displayhook, name, outputs[result.number])
