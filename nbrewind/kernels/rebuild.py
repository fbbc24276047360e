"""Making again what could not be saved, by running its cells again where nobody sees it.

The session goes back to the versions from before the cell, runs it with its outputs held back and its files put back
afterwards, takes the values that were asked for, and returns. Its tasks come from the record.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

from nbrewind.errors import RebuildError
from nbrewind.kernels.session import Session, Step
from nbrewind.record.model import Covariable, Digest

RunCode = Callable[[str, bool], Awaitable[tuple[BaseException | None, Any]]]


class Rebuilder:
    """Rebuilds values for one session.

    Parameters
    ----------
    session
        Whose steps are run again.
    run
        Runs code in the notebook's namespace with outputs held back, its last value evaluated or not; returns the
        exception that it raised, if any, and that value.
    """

    def __init__(self, session: Session, run: RunCode) -> None:
        self._session = session
        self._run = run
        self._under_way: list[Digest] = []
        self.done: list[tuple[str, float]] = []

    async def provide(self, wanted: list[Covariable]) -> None:
        """Bring these versions into the namespace.

        Raises
        ------
        RebuildError
            A cell is not of this session, or failed.
        """
        variables = self._session.variables
        while wanted:
            target = wanted[0]
            step = self.maker(target)
            made, _ = await self._run_again(step)
            for covariable in step.run.covariables:
                if any(name in variables.lazy() for name in covariable.names):
                    variables.provide(covariable, made)
            self._keep_company(step, made)
            variables.replace(self._kin_of(target, step), made)
            if any(name in variables.lazy() and variables.version(name) == target for name in target.names):
                raise RebuildError(
                    self._failure(step, f"it did not make {', '.join(target.names)} this time")
                )
            wanted = [covariable for covariable in wanted[1:] if set(covariable.names) & variables.lazy()]

    def _keep_company(self, step: Step, made: dict[str, object]) -> None:
        """Keep what else was made on the way and cannot be saved, as far as it still is what it was then.

        A manager and its factory may know of each other by a number alone: made by two runs of their cell, they would
        not belong together.
        """
        variables = self._session.variables
        for covariable in step.before.current.values():
            wanted = covariable.opaque and set(covariable.names) <= variables.lazy() & made.keys()
            if wanted and all(variables.version(name) == covariable for name in covariable.names):
                variables.provide(covariable, made)

    def _kin_of(self, target: Covariable, step: Step) -> list[str]:
        """Variables that share objects with a rebuilt one, as far as they still are what the step left."""
        variables = self._session.variables
        left = {name: made for made in step.run.covariables for name in made.names}
        same: list[str] = []
        for name in target.kin:
            then = left.get(name) or step.before.current.get(name)
            if then is not None and variables.version(name) == then:
                same += then.names
        return same

    def maker(self, target: Covariable) -> Step:
        """The step that made a version: of this session, or of the earlier run that it went back to.

        Raises
        ------
        RebuildError
            There is none.
        """
        for step in reversed([*self._session.past, *self._session.steps]):
            if step.remakes and any(
                made.digest == target.digest and made.names == target.names for made in step.run.covariables
            ):
                return step
        raise RebuildError(
            f"{', '.join(target.names)} cannot be restored, and no cell of this session made it; "
            "run the notebook from the top with --fresh"
        )

    async def launch(self, steps: Iterable[Step]) -> None:
        """Run restored cells again that started workers by a command: one that drives tasks is about to need them.

        Raises
        ------
        RebuildError
            One failed.
        """
        variables = self._session.variables
        for step in steps:
            made, _ = await self._run_again(step)
            for covariable in step.run.covariables:
                if any(name in variables.lazy() for name in covariable.names):
                    variables.provide(covariable, made)

    async def provide_results(self, names: frozenset[str]) -> None:
        """Bring in the earlier results that a cell with these names of IPython's history may look at."""
        session = self._session
        for shown in session.history.wanted(names):
            step = session.steps[shown.step]
            made, value = await self._run_again(step, shows=True)
            session.history.put(shown, self._own_object(step, made, value))

    def _own_object(self, step: Step, made: dict[str, object], value: object) -> object:
        """The variable that the result is, if it is one that still is what the step left."""
        variables = self._session.variables
        left = {name: one for one in step.run.covariables for name in one.names}
        for name, candidate in made.items():
            then = left.get(name) or step.before.current.get(name)
            if candidate is value and then is not None and variables.version(name) == then:
                if name in variables.lazy():
                    variables.provide(then, made)
                return variables.namespace.get(name, value)
        return value

    async def _run_again(self, step: Step, *, shows: bool = False) -> tuple[dict[str, object], object]:
        session, key = self._session, step.run.key
        if key in self._under_way:
            raise RebuildError(self._failure(step, "it needs its own result"))
        self._under_way.append(key)
        ambient = session.observer.ambient
        here = ambient.visit(step.ambient_before)
        token = session.variables.visit(step.before, step.changed_before)
        started = time.perf_counter()
        try:
            missing = session.missing(step.code, step.changed_before)
            if missing:
                await self.provide(missing)
            ambient.settle()
            keep = self._files_now(step)
            cell = session.journal.enter(step.cell.id, step.cell.source)
            nested, session.rebuilding = session.rebuilding, True
            session.observer.begin_unseen(step.code)
            try:
                error, value = await self._run(step.cell.source, shows)
            finally:
                session.rebuilding = nested
                session.observer.end_unseen(step.code)
                session.journal.enter(*cell)
                self._put_back(keep)
        finally:
            made = session.variables.leave(token)
            ambient.leave(here)
            self._under_way.pop()
        if error is not None:
            raise RebuildError(self._failure(step, f"{type(error).__name__}: {error}")) from error
        session.launched.add(key)
        self.done.append((step.cell.id, time.perf_counter() - started))
        return made, value

    def _files_now(self, step: Step) -> dict[Path, bytes | None]:
        """Contents of the files that the cell is known to write, so that running it again leaves them as they are."""
        found: dict[Path, bytes | None] = {}
        for written in step.run.files:
            path = Path(self._session.observer.paths.real(written.path))
            try:
                found[path] = path.read_bytes()
            except OSError:
                found[path] = None
        return found

    def _put_back(self, files: dict[Path, bytes | None]) -> None:
        for path, content in files.items():
            if content is None:
                path.unlink(missing_ok=True)
            elif not path.exists() or path.read_bytes() != content:
                path.write_bytes(content)

    def _failure(self, step: Step, why: str) -> str:
        place = f"cell {step.cell.index}" if step.cell.index is not None else "an earlier cell"
        return f"{place} had to run again to rebuild what cannot be saved, and failed: {why}"
