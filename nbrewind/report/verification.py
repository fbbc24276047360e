"""What verifying a record found, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.text import Text

from nbrewind.report.words import several

_STYLES = {"identical": "green", "close": "yellow", "different": "red"}


def verification(checks: Sequence[Mapping[str, Any]]) -> Iterator[Text]:
    """One line a cell that was verified, and below it what is not identical; a summary at the end."""
    counts = dict.fromkeys(_STYLES, 0)
    for check in checks:
        verdict = check["verdict"]
        counts[verdict] += 1
        yield Text.assemble(
            f"cell {check['index']} ({check['id']}) ",
            (verdict, _STYLES[verdict]),
            f", {check['compared']} compared",
        )
        for found in check["findings"]:
            values = f": {found['before']} → {found['after']}" if found["before"] or found["after"] else ""
            yield Text.assemble(
                f"  {found['kind']} {found['name']} ", (found["verdict"], _STYLES[found["verdict"]]), values
            )
    told = ", ".join(f"{number} {verdict}" for verdict, number in counts.items() if number)
    yield Text(
        f"verified {several(len(checks), 'cell')}"
        + (f": {told}" if told else ": none was recorded as it is now")
    )
