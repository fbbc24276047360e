"""The one line under a cell that says what nbrewind did with it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from nbrewind.plan.sentences import sentences, task_sentences
from nbrewind.record.model import Reason, TaskCause, TaskCount

STYLE = "color:var(--jp-ui-font-color2,#777);font-size:85%;font-family:var(--jp-ui-font-family,sans-serif)"


def duration(seconds: float) -> str:
    """Seconds as a person reads them: ``7 ms``, ``0.4 s``, ``12 s``, ``3 min 5 s``, ``2 h 10 min``."""
    if seconds < 0.1:
        return f"{max(1, round(seconds * 1000))} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def restored_line(saved_seconds: float, tasks: TaskCount) -> str:
    """For a cell whose recorded outputs are shown."""
    total = tasks.reused + tasks.submitted
    with_tasks = f" and {total} task{'s' * (total != 1)}" if total else ""
    return f"restored from the record: saved {duration(saved_seconds)}{with_tasks}"


def executed_line(because: Sequence[Reason], tasks: TaskCount, causes: Sequence[TaskCause] = ()) -> str:
    """For a cell that ran; `causes` say why tasks were submitted."""
    text = f"executed: {sentences(because)}"
    if tasks.reused or tasks.submitted:
        text += f" — tasks: {tasks.reused} reused, {tasks.submitted} submitted"
        text += f" ({why})" if (why := task_sentences(causes)) else ""
    return text


def display_message(text: str, action: str) -> dict[str, Any]:
    """The line as content of a ``display_data`` message, marked so that programs can leave it out."""
    return {
        "data": {
            "text/plain": f"[nbrewind] {text}",
            "text/html": f'<div style="{STYLE}">↺ {html.escape(text)}</div>',
        },
        "metadata": {"nbrewind": {"action": action}},
        "transient": {},
    }
