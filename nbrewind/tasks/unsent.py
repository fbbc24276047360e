"""What of a call cannot be sent to workers, found out when sending it has failed."""

from __future__ import annotations

from collections.abc import Iterator
from types import FunctionType
from typing import Any

import cloudpickle

from nbrewind.state.functions import nested
from nbrewind.tasks.spec import Call


def unsent(call: Call) -> list[str]:
    """Name the parts of a call that cannot be pickled, each with the reason.

    >>> import threading
    >>> unsent(Call(len, (threading.Lock(),), {}))
    ["argument 1 (cannot pickle '_thread.lock' object)"]
    """
    found = []
    for name, value in _parts(call):
        try:
            cloudpickle.dumps(value)
        except Exception as error:  # noqa: BLE001 - whatever stands in the way is what is asked for
            found.append(f"{name} ({error})")
    return found


def _parts(call: Call) -> Iterator[tuple[str, Any]]:
    """Arguments, and what the function captured or refers to by name."""
    yield from ((f"argument {number}", value) for number, value in enumerate(call.args, 1))
    yield from ((f"argument {name}", value) for name, value in call.kwargs.items())
    function = call.function
    if not isinstance(function, FunctionType):
        yield "the function", function
        return
    captured = zip(function.__code__.co_freevars, function.__closure__ or (), strict=False)
    for name, cell in captured:
        try:
            yield name, cell.cell_contents
        except ValueError:
            continue
    used = {name for code in nested(function.__code__) for name in code.co_names}
    yield from ((name, function.__globals__[name]) for name in sorted(used & function.__globals__.keys()))
