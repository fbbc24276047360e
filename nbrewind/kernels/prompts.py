"""What a person types at a cell's prompt is nowhere in the record, so such a cell asks again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

ASKS = "it depends on what is typed at its prompt"


def watch_prompts(shell: Any, note: Callable[[str], None]) -> None:
    """Call `note` whenever code asks the front end for input."""
    kernel: Any = getattr(shell, "kernel", None)
    ask = getattr(kernel, "_input_request", None)
    if ask is None:
        return

    def noted(*args: Any, **more: Any) -> Any:
        note(ASKS)
        return ask(*args, **more)

    kernel._input_request = noted
