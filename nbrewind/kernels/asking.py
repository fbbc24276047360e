"""What a headless run asks its kernel between cells, and how the answers travel: as text in an execute reply."""

from __future__ import annotations

import ast
import json
from typing import Any

from nbrewind.errors import RecordBusy, RecordError

FLUSH = "get_ipython().kernel.nbrewind_flush()"
REFUSAL = "get_ipython().kernel.nbrewind_refusal()"


def refusal(error: Exception) -> str:
    """What a kernel answers about an error with its record.

    A record that is newer, broken or in use stops a headless run. A disk that takes no data does not: the notebook
    goes on, unsaved.
    """
    if isinstance(error, (RecordError, RecordBusy)):
        return json.dumps([str(error), error.exit_code])
    return ""


def check_refusal(answer: str) -> None:
    """Raise what the kernel answered."""
    if answer:
        message, exit_code = json.loads(answer)
        raise RecordBusy(message) if exit_code == RecordBusy.exit_code else RecordError(message)


def answer_in(reply: Any) -> str:
    """The text that the expression ``answer`` of an execute request evaluated to; empty if it failed."""
    told = (reply or {}).get("content", {}).get("user_expressions", {}).get("answer", {})
    text = told.get("data", {}).get("text/plain", "''")
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return ""
    return value if isinstance(value, str) else ""
