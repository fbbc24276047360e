"""What came of verifying cells: one check a cell, and their sum."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from attrs import define, field

if TYPE_CHECKING:
    from nbrewind.plan.alike import Alike, Verdict

DIFFERED = "it ran to be verified, and differed"


@define
class Check:
    """What became of one cell that was verified; `findings` are what was not identical, by kind and name."""

    trace: str
    verdict: Verdict = "identical"
    compared: int = 0
    findings: list[dict[str, str]] = field(factory=list)

    def add(self, kind: str, name: str, found: Alike) -> None:
        """Note one comparison."""
        self.compared += 1
        if found.verdict == "identical":
            return
        self.findings.append(
            {
                "kind": kind,
                "name": found.where or name,
                "verdict": found.verdict,
                "before": found.before,
                "after": found.after,
            }
        )
        if found.verdict == "different" or self.verdict == "identical":
            self.verdict = found.verdict


def summed_up(checks: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """How many cells are identical, close and different."""
    counts = {"identical": 0, "close": 0, "different": 0}
    for check in checks:
        counts[check["verdict"]] += 1
    return counts
