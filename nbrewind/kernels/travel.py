"""What a cell in an interpreter of its own can have of the cells before it: what the record holds, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from nbrewind.cells.code import CellCode
from nbrewind.errors import CannotTravel
from nbrewind.record.model import Covariable

if TYPE_CHECKING:
    from nbrewind.kernels.session import Session


def check(session: Session, code: CellCode, missing: Iterable[Covariable]) -> None:
    """Let a cell run only if all that it may touch of earlier cells came out of the record.

    Parameters
    ----------
    session
        In which nothing but restoring has happened.
    code
        The cell's.
    missing
        Versions that could not be loaded.

    Raises
    ------
    CannotTravel
        It needs more.
    """
    for wanted in missing:
        why = wanted.opaque or "what is saved of it cannot be loaded here"
        raise CannotTravel(
            f"{', '.join(wanted.names)} cannot travel to another interpreter ({why}){_maker(session, wanted)}; "
            "make it in the cell that uses it, or repeat without --isolated"
        )
    for shown in session.history.wanted(code.history):
        raise CannotTravel(
            f"Out[{shown.number}], the result of an earlier cell, cannot travel to another interpreter; "
            "give it a name, or repeat without --isolated"
        )


def _maker(session: Session, wanted: Covariable) -> str:
    for step in reversed(session.steps):
        if step.cell.index is not None and any(
            made.digest == wanted.digest and made.names == wanted.names for made in step.run.covariables
        ):
            return f", and cell {step.cell.index} made it"
    return ""
