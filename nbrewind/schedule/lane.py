"""The lane itself: what a forked process does, from its first moment to its last."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Sequence
from typing import NoReturn, Protocol

from attrs import frozen

from nbrewind.errors import NbrewindError
from nbrewind.schedule.descriptors import Tripwires, let_go
from nbrewind.schedule.gate import Gate
from nbrewind.schedule.messages import Began, Channel, Done, Refused
from nbrewind.schedule.tokens import Slots, Token

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


class RefusedError(NbrewindError):
    """A cell cannot be run in a lane after all."""


@frozen
class Errand:
    """A cell that a lane may run: its number, the cells that must have run before it, and the right to run it."""

    number: int
    after: frozenset[int]
    token: Token


class Work(Protocol):
    """How cells are run in a lane (`nbrewind.kernels.lanework`)."""

    def begin(self, gate: Gate) -> None:
        """The lane begins: silence what belongs to the spine."""

    def restored(self, number: int) -> bool:
        """Take over what is recorded of a cell, if that holds here."""

    def run(self, number: int) -> int:
        """Run a cell; returns the descriptor of its parcel.

        Raises
        ------
        NbrewindError
            It cannot travel, or must run on the spine.
        """


def live(
    work: Work, errands: Sequence[Errand], channel: Channel, slots: Slots, gate: Gate, parent: int
) -> NoReturn:
    """Be a lane. Called in the child right after the fork; never returns."""
    try:
        wires = _set_up(errands, channel, slots, parent)
        work.begin(gate)
        sys.addaudithook(gate.hook)
        _run_all(work, errands, channel, slots, gate, wires)
    except BaseException as error:  # noqa: BLE001 - nothing may go on from here as if it were the spine
        with contextlib.suppress(BaseException):
            channel.send(Refused(-1, f"{type(error).__name__}: {error}"))
    finally:
        os._exit(0)


def _set_up(errands: Sequence[Errand], channel: Channel, slots: Slots, parent: int) -> Tripwires:
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the spine ends its lanes when it is interrupted
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    keep = {channel.fileno(), *slots.descriptors}
    keep.update(descriptor for errand in errands for descriptor in errand.token.descriptors)
    return let_go(keep)


def _run_all(
    work: Work,
    errands: Sequence[Errand],
    channel: Channel,
    slots: Slots,
    gate: Gate,
    wires: Tripwires,
) -> None:
    done: set[int] = set()
    for errand in errands:
        if not errand.after <= done:
            continue
        if work.restored(errand.number):
            done.add(errand.number)
            continue
        slots.take()
        if not errand.token.take():
            slots.give()
            continue
        channel.send(Began(errand.number))
        started = time.perf_counter()
        gate.begin(errand.number)
        try:
            parcel = work.run(errand.number)
            if path := wires.touched():
                raise RefusedError(f"it writes to {path}, which an earlier cell opened")
        except NbrewindError as error:
            channel.send(Refused(errand.number, str(error)))
            return
        channel.send(Done(errand.number, time.perf_counter() - started), parcel)
        os.close(parcel)
        slots.give()
        done.add(errand.number)
