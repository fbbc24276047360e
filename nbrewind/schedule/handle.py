"""The spine's end of its lanes: starting them, what they tell, and ending them."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from nbrewind.schedule.gate import Gate
from nbrewind.schedule.lane import Errand, Work, live
from nbrewind.schedule.messages import Began, Channel, Done, Go, Kept, Refused, Waits, channel_pair
from nbrewind.schedule.parcel import Parcel
from nbrewind.schedule.pulse import Pulse
from nbrewind.schedule.tokens import Slots


@frozen
class Arrived:
    """A cell has run in a lane."""

    parcel: Parcel
    seconds: float


@frozen
class Turned:
    """A cell must run on the spine, because the lane would not; `wasted` is how long it had run."""

    why: str
    wasted: float = 0.0


@frozen
class Died:
    """The lane's process ended while the cell ran.

    Parameters
    ----------
    signal
        That ended it, 0 if it ended by itself.
    status
        Its exit status.
    memory
        Most that it had in memory, in bytes.
    """

    signal: int
    status: int
    memory: int
    wasted: float = 0.0


Result = Arrived | Turned | Died


@define
class Lane:
    """A lane as the spine sees it.

    Attributes
    ----------
    running
        The cell that it runs, ``None`` between cells.
    waits
        The path that the cell waits for its turn to write; empty: it does not wait.
    """

    pid: int
    end: int
    channel: Channel
    errands: Sequence[Errand]
    running: int | None = None
    since: float = 0.0
    waits: str = ""
    holds: bool = False
    numbers: set[int] = field(factory=set)
    pulse: Pulse = field(factory=Pulse)


class Lanes:
    """All lanes of one spine.

    Parameters
    ----------
    slots
        Places at the processor.
    is_data
        Whether a path is the notebook's data.
    """

    def __init__(self, slots: Slots, is_data: Callable[[str], bool]) -> None:
        self._slots, self._is_data = slots, is_data
        self._lanes: list[Lane] = []
        self._kept: dict[int, list[tuple[Kept, int]]] = {}
        self.results: dict[int, Result] = {}
        self.fork_seconds = 0.02

    @property
    def number(self) -> int:
        """How many there are."""
        return len(self._lanes)

    def start(self, work: Work, errands: Sequence[Errand]) -> None:
        """Fork a lane for these errands."""
        ours, theirs = channel_pair()
        parent = os.getpid()
        started = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # threads there are; none of them is needed in the child
            pid = os.fork()
        if pid == 0:
            live(work, errands, theirs, self._slots, Gate(theirs, self._slots, self._is_data), parent)
        self.fork_seconds = time.perf_counter() - started
        theirs.close()
        self._lanes.append(Lane(pid, os.pidfd_open(pid), ours, errands))

    def runner(self, number: int) -> Lane | None:
        """The lane that runs a cell now."""
        return next((lane for lane in self._lanes if lane.running == number), None)

    def claimed(self) -> set[int]:
        """Cells that lanes have errands for."""
        return {errand.number for lane in self._lanes for errand in lane.errands}

    def listen(self, seconds: float, *more: Any) -> None:
        """Take down what lanes tell; returns when one has told something, one of `more` is readable, or time is up."""
        waiting = [*(lane.channel for lane in self._lanes), *(lane.end for lane in self._lanes), *more]
        ready = select.select(waiting, [], [], seconds)[0] if waiting else []
        for lane in list(self._lanes):
            if lane.channel in ready:
                self._hear(lane)
            elif lane.end in ready:
                self._bury(lane)

    def _hear(self, lane: Lane) -> None:
        message, descriptor = lane.channel.receive_with()
        if message is None:
            self._bury(lane)
        elif isinstance(message, Began):
            lane.running, lane.since, lane.waits, lane.holds = message.number, time.perf_counter(), "", True
            lane.numbers.add(message.number)
        elif isinstance(message, Waits):
            lane.waits, lane.holds = message.path, False
        elif isinstance(message, Kept):
            self._kept.setdefault(message.number, []).append((message, descriptor))
        elif isinstance(message, Refused):
            number = message.number if message.number >= 0 else lane.running
            if number is not None:
                self.results[number] = Turned(message.why, time.perf_counter() - lane.since)
            lane.running = None
        elif isinstance(message, Done):
            self.results[message.number] = Arrived(Parcel(descriptor), message.seconds)
            lane.running, lane.waits, lane.holds = None, "", False

    def let(self, lane: Lane) -> None:
        """Tell a lane that waits that its cell's turn has come."""
        lane.waits, lane.holds = "", True
        lane.channel.send(Go())

    def _bury(self, lane: Lane) -> None:
        """A lane has ended."""
        status, memory = _reap(lane.pid)
        if lane.running is not None:
            number = -status if status < 0 else 0
            wasted = time.perf_counter() - lane.since
            self.results[lane.running] = Died(number, max(status, 0), memory, wasted)
        if lane.holds:
            self._slots.give()
        lane.channel.close()
        os.close(lane.end)
        self._lanes.remove(lane)

    def end_stuck(self, lane: Lane) -> None:
        """End a lane that does nothing and waits for what will not come: a lock that the fork left taken, say."""
        still = lane.pulse.still(lane.pid)
        if still:
            number, since = lane.running, lane.since
            self.stop(lane)
            if number is not None:
                why = f"it stood still for {still:.0f} s beside the others"
                self.results[number] = Turned(why, time.perf_counter() - since)

    def stop(self, lane: Lane) -> None:
        """End a lane at once."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(lane.end, signal.SIGKILL)
        lane.running = None
        self._bury(lane)

    def stop_all(self) -> None:
        """End all lanes at once, and forget what they brought."""
        for lane in list(self._lanes):
            self.stop(lane)
        for number in list(self._kept):
            self.undo(number)
        self.results.clear()

    def stop_tainted(self, number: int) -> None:
        """End the lane that ran a cell which turned out wrong: what follows in it is wrong as well."""
        for lane in list(self._lanes):
            if number in lane.numbers:
                self.stop(lane)

    # Files that a cell wrote when its turn had come.

    def undo(self, number: int) -> None:
        """Put back what a cell wrote over, because it has to run again."""
        for kept, content in reversed(self._kept.pop(number, [])):
            path = Path(kept.path)
            if kept.mode is None:
                _remove(path)
            else:
                _put_back(path, content, kept.mode)

    def settle(self, number: int) -> None:
        """What a cell wrote stays."""
        for _, content in self._kept.pop(number, []):
            if content >= 0:
                os.close(content)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()


def _put_back(path: Path, content: int, mode: int) -> None:
    try:
        os.lseek(content, 0, os.SEEK_SET)
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(content, "rb") as source, path.open("wb") as target:
            while part := source.read(1 << 20):
                target.write(part)
        path.chmod(mode)
    except OSError as error:
        raise OSError(error.errno, f"{path} could not be put back: {error.strerror}") from error


def _reap(pid: int) -> tuple[int, int]:
    """Exit status (negative: the signal), and most memory in bytes; somebody else may have reaped it."""
    try:
        _, status, usage = os.wait4(pid, 0)
    except ChildProcessError:
        return 0, 0
    return os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024
