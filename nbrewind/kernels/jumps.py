"""A cell that takes the notebook to the state after another cell run: what the record says that it left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from graphlib import TopologicalSorter

from attrs import evolve, frozen

from nbrewind.cells.ambient import Ambient
from nbrewind.cells.variables import Versions
from nbrewind.record.model import AmbientWrite, CellRun, Covariable, Digest

LISTS = "what is recorded"
WENT_ELSEWHERE = "it goes to the state after another cell run"


@frozen
class Jump:
    """Where a cell was when it began, before it went elsewhere.

    Parameters
    ----------
    before, ambient_before
        Versions and state of the interpreter.
    count
        How often it went elsewhere.
    leading
        Whether it did nothing before that. Such a cell can run again from where it went, to make its values again.
    """

    before: Versions
    ambient_before: Mapping[str, Digest]
    count: int = 0
    leading: bool = True

    def once_more(self, *, leading: bool) -> Jump:
        """It goes elsewhere again."""
        return evolve(self, count=self.count + 1, leading=self.leading and leading)

    def whole(
        self, run: CellRun, after: Versions, ambient: Ambient, put: Callable[[bytes], Digest]
    ) -> CellRun:
        """The cell run with all that differs from before, also what it did not make itself.

        Whoever follows the record from cell to cell arrives at the same versions. Such a cell run is never reused.

        Parameters
        ----------
        run
            As observed from the jump on.
        after
            Versions at its end.
        ambient
            State of the interpreter at its end.
        put
            Stores bytes.
        """
        changed = {name for name, held in after.current.items() if self.before.current.get(name) != held}
        written = _in_order(changed, after)
        named = {name for made in written for name in made.names}
        gone = (named | self.before.current.keys()) - after.current.keys()
        return evolve(
            run,
            covariables=written,
            deleted=tuple(sorted(gone)),
            ambient=self._ambient(run, ambient, put),
            open=WENT_ELSEWHERE,
        )

    def _ambient(
        self, run: CellRun, ambient: Ambient, put: Callable[[bytes], Digest]
    ) -> tuple[AmbientWrite, ...]:
        found = {state.name: state for state in run.ambient}
        for name in self.ambient_before.keys() | ambient.digests.keys():
            digest, state = ambient.digest(name), ambient.state(name)
            if name not in found and state is not None and self.ambient_before.get(name) != digest:
                found[name] = AmbientWrite(name, digest, put(state))
        return tuple(found.values())


def _in_order(names: set[str], after: Versions) -> tuple[Covariable, ...]:
    """The saved versions of these variables, so ordered that taking them on one by one leads to `after`.

    A version may be saved together with names that moved on since: what holds these now comes later.
    """
    found: dict[Digest, Covariable] = {}
    waiting = sorted(names)
    while waiting:
        saved = after.saved_as[waiting.pop()]
        if saved.digest not in found:
            found[saved.digest] = saved
            waiting += [name for name in saved.names if name in after.saved_as]
    sorter: TopologicalSorter[Digest] = TopologicalSorter(dict.fromkeys(found, ()))
    for digest, saved in found.items():
        for name in saved.names:
            if name in after.saved_as and after.saved_as[name].digest != digest:
                sorter.add(after.saved_as[name].digest, digest)
    return tuple(found[digest] for digest in sorter.static_order())
