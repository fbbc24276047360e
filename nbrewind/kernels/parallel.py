"""Runs cells of further down beside the one whose turn it is, and hands each over at its turn, if it still holds."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Any

from attrs import evolve, frozen

from nbrewind.errors import NbrewindError
from nbrewind.kernels.ahead import Ahead
from nbrewind.kernels.cells import Cell
from nbrewind.kernels.lanework import LaneWork
from nbrewind.kernels.session import Session
from nbrewind.plan.decide import compare
from nbrewind.plan.sentences import sentence
from nbrewind.record.model import CellRun, Foresight
from nbrewind.schedule.handle import Arrived, Died, Lanes
from nbrewind.schedule.lane import Errand
from nbrewind.schedule.outlook import Prospect
from nbrewind.schedule.parcel import Finished, Packer, disturbed
from nbrewind.schedule.tokens import Slots, Token
from nbrewind.state.guard import HookError

_LOOK = 0.2  # seconds between two looks at lanes that have nothing to tell
_WORTH = 5.0  # a lane must be expected to save this many times what a fork takes
_UNKNOWN = 0.5  # seconds that a cell is expected to take of which nothing is known


@frozen
class HandedOver:
    """What a lane brought of a cell whose turn has come: checked, and its values are in the namespace."""

    finished: Finished
    values: dict[str, Any]
    seconds: float


class Parallel:
    """Decides which cells run in lanes.

    Parameters
    ----------
    session
        The spine's.
    make_work
        Makes what a lane forked now would do.
    jobs
        How many cells may run at the same time.
    notify
        Shows one line to the user.
    """

    def __init__(
        self,
        session: Session,
        make_work: Callable[..., LaneWork],
        jobs: int,
        notify: Callable[[str], None],
    ) -> None:
        self._session, self._make_work, self.jobs, self._notify = session, make_work, jobs, notify
        self._slots = Slots(jobs)
        self._lanes = Lanes(self._slots, session.observer.paths.is_data)
        self._packer = Packer(session.analyser)
        self._ahead = Ahead(session)
        self._tokens: dict[int, Token] = {}
        self._running = False
        self._seen: list[float] = []
        self._wrong: tuple[str, bool, float] | None = None
        self.foresight: Foresight | None = None

    # -- called by the kernel

    def expect(self, cells: Sequence[Cell]) -> None:
        """These cells will be asked for, in this order."""
        self.cancel()
        self._ahead.expect(cells)

    def turn(self, cell: Cell) -> HandedOver | None:
        """A cell's turn has come, and it must run: what a lane brought of it, ``None`` if it runs on the spine now.

        Raises
        ------
        KeyboardInterrupt
            The user would not wait; all lanes have ended.
        """
        number = self._ahead.arrive(cell)
        self._wrong = self.foresight = None
        if number is None:
            self.cancel()
            return None
        try:
            handed = self._turn(number)
            self.foresight = self._foreseen(number, handed)
            return handed
        except KeyboardInterrupt:
            self.cancel()
            raise

    def _foreseen(self, number: int, handed: HandedOver | None) -> Foresight:
        access = self._ahead.expected(number)
        told = (
            [" ".join(place) for place in sorted(access.reads)],
            [" ".join(p) for p in sorted(access.writes)],
        )
        known = Foresight(access.level, tuple(told[0]), tuple(told[1]))
        if handed is not None:
            return evolve(known, ran="lane")
        if self._wrong is not None:
            why, refused, wasted = self._wrong
            return evolve(known, ran="again", why=why, refused=refused, wasted=wasted)
        return evolve(known, why=access.aside or access.opens)

    def _turn(self, number: int) -> HandedOver | None:
        self._lanes.listen(0)
        token = self._tokens.pop(number, None)
        free = token is None or token.take()
        if token is not None and free:
            token.close()
        result: HandedOver | None = None
        if not free:
            result = self._await(number)
        if result is None:
            self._launch(number, mine=True)
            self._take_slot()
        return result

    def passed(self, cell: Cell) -> None:
        """A cell's turn has come, and it is restored."""
        number = self._ahead.arrive(cell)
        self.foresight = None
        if number is None:
            self.cancel()
            return
        token = self._tokens.pop(number, None)
        if token is not None:
            token.take()
            token.close()
        runner = self._lanes.runner(number)
        if runner is not None:
            self._lanes.stop(runner)
        self._lanes.results.pop(number, None)

    def ran(self, run: CellRun | None, *, ok: bool) -> None:
        """The cell that ran on the spine has ended."""
        if self._running:
            self._running = False
            self._slots.give()
        if run is not None:
            self._ahead.took_place(run)
            self._seen.append(run.seconds)
        if not ok:
            self.cancel()

    def cancel(self) -> None:
        """End all lanes; nothing that they did counts."""
        self._lanes.stop_all()
        for token in self._tokens.values():
            token.close()
        self._tokens.clear()
        if not self._running:
            self._slots.reset()

    # -- waiting

    def _take_slot(self) -> None:
        self._slots.want(True)
        try:
            while not self._slots.try_take():
                self._lanes.listen(_LOOK, self._slots)
                if not self._lanes.number:
                    self._slots.reset()
        finally:
            self._slots.want(False)
        self._running = True

    def _await(self, number: int) -> HandedOver | None:
        """Wait for a cell that a lane has taken, and check what it brings."""
        lanes = self._lanes
        while number not in lanes.results:
            runner = lanes.runner(number)
            if runner is not None and runner.waits:
                lanes.let(runner)
            if not lanes.number:
                return None
            self._launch(number, mine=False)
            lanes.listen(_LOOK)
            if runner is not None and lanes.runner(number) is runner:
                lanes.end_stuck(runner)
        result = lanes.results.pop(number)
        if isinstance(result, Arrived):
            return self._checked(number, result)
        self._lanes.undo(number)
        if isinstance(result, Died):
            why = _death(result)
            self._notify(f"cell {number} was running beside others when {why}; it runs again in order")
            self._wrong = why, True, result.wasted
        else:
            self._wrong = result.why, True, result.wasted
        return None

    def _checked(self, number: int, result: Arrived) -> HandedOver | None:
        """Compare what a cell read with what is there now."""
        finished = result.parcel.finished
        problem = self._problem(finished)
        if not problem:
            try:
                values = result.parcel.values(self._session.variables.namespace)
            except (HookError, NbrewindError) as error:
                problem = f"what it left does not load here: {error}"
        if problem:
            self._wrong = problem, False, result.seconds
            self._lanes.undo(number)
            self._lanes.stop_tainted(number)
            return None
        self._lanes.settle(number)
        self._ahead.took_place(finished.run)
        self._seen.append(finished.run.seconds)
        return HandedOver(finished, values, result.seconds)

    def _problem(self, finished: Finished) -> str:
        run = evolve(finished.run, volatile=False)
        if finished.settled:  # it saw files as they were at its turn, and has changed some since
            kept = tuple(seen for seen in run.evidence if seen.kind not in ("file", "exists", "listing"))
            run = evolve(run, evidence=kept)
        reasons = compare(run, self._session.now)
        if reasons:
            return sentence(reasons[0])
        if path := disturbed(finished.looked):
            return f"the file {path} changed while it ran"
        return ""

    # -- starting

    def _launch(self, number: int, *, mine: bool) -> None:
        """Start lanes while there is room and something to do; `mine`: the spine itself will run this cell now."""
        room = self.jobs - self._lanes.number - int(mine)
        while room > 0:
            ready = self._worth(number)
            if not ready:
                return
            self._start(number, ready)
            room -= 1

    def _worth(self, number: int) -> list[Prospect]:
        """Cells that a lane forked now could run, if that is worth a fork."""
        prospects = self._ahead.prospects(number)
        served = self._lanes.claimed()
        possible: list[Prospect] = []
        reach: set[int] = set()
        gain = 0.0
        for prospect in prospects:
            taken = prospect.number == number or prospect.number in self._lanes.results
            taken = taken or self._lanes.runner(prospect.number) is not None
            if prospect.access.aside or prospect.access.opens or not prospect.after <= reach or taken:
                continue
            possible.append(prospect)
            reach.add(prospect.number)
            if prospect.ready and prospect.number not in served:
                gain += self._expected(prospect)
        return possible if gain > _WORTH * self._lanes.fork_seconds else []

    def _expected(self, prospect: Prospect) -> float:
        if prospect.access.seconds is not None:
            return prospect.access.seconds
        return median(self._seen[-20:]) if len(self._seen) >= 5 else _UNKNOWN

    def _start(self, number: int, prospects: Iterable[Prospect]) -> None:
        errands = []
        for prospect in prospects:
            token = self._tokens.get(prospect.number)
            if token is None:
                token = self._tokens[prospect.number] = Token()
            errands.append(Errand(prospect.number, prospect.after, token))
        work = self._make_work(self._ahead.cells, number, self._packer)
        self._lanes.start(work, errands)


def _death(died: Died) -> str:
    """How a lane's process ended, in words."""
    if not died.signal:
        return f"its process ended by itself with status {died.status}"
    name = signal.Signals(died.signal).name if died.signal in set(signal.Signals) else str(died.signal)
    return f"its process was ended by {name}, with up to {died.memory / 1e6:,.0f} MB in memory"
