"""What people know a task by."""

from __future__ import annotations

from nbrewind.tasks.spec import Call

_LONGEST = 80


def call_name(call: Call) -> str:
    """Name what is called."""
    function = call.function
    while hasattr(function, "func") and not hasattr(function, "__qualname__"):
        function = function.func
    return str(getattr(function, "__qualname__", type(function).__qualname__))


def command_name(command: str) -> str:
    """Name a command by its beginning."""
    return " ".join(command.split())[:_LONGEST]
