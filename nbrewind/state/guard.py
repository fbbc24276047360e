"""Calling what the user's classes define: it may raise, warn, or never end, and none of that may reach their
cell.
"""

from __future__ import annotations

import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

from nbrewind.errors import NbrewindError

T = TypeVar("T")

SECONDS = 5.0
"""How long one hook of a class may take."""


class HookError(NbrewindError):
    """A hook of a value's class raised or took too long; the message says what it did."""


class _Late(BaseException):
    """Raised inside a hook that takes too long; no ``except Exception`` of the user's holds it up."""


class _Watch:
    """When the hook that runs now was called; 0 when none runs."""

    since = 0.0
    on = False


def attempt(hook: Callable[..., T], *args: Any) -> T:
    """Call a hook of a user's or a library's class.

    Raises
    ------
    HookError
        It raised anything at all, or (where `watching`) took longer than `SECONDS`.
    """
    outer, _Watch.since = _Watch.since, _Watch.since or time.monotonic()
    try:
        return hook(*args)
    except _Late:
        raise HookError(f"it took longer than {SECONDS:g} s") from None
    except RecursionError:
        raise HookError("it is nested too deeply") from None
    except (KeyboardInterrupt, HookError):
        raise
    except BaseException as error:
        raise HookError(sentence(error)) from error
    finally:
        _Watch.since = outer


def sentence(error: BaseException) -> str:
    """An exception in one line, whatever its own methods do."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - an exception of the user's whose own __str__ raises
        text = ""
    text = text.splitlines()[0][:200] if text else ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def type_name(kind: type) -> str:
    """``module.qualname`` of a class, whatever its own class does."""
    module = vars(type)["__module__"].__get__(kind)
    name: str = vars(type)["__qualname__"].__get__(kind)
    return f"{module if isinstance(module, str) else 'builtins'}.{name}"


@contextmanager
def watching() -> Iterator[None]:
    """Silence warnings in the block, and end hooks in it that take too long.

    The alarm needs the main thread, and is left to whoever else uses it.
    """
    mine = threading.current_thread() is threading.main_thread() and not _Watch.on
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not mine or signal.getitimer(signal.ITIMER_REAL)[0]:
            yield
            return
        before = signal.signal(signal.SIGALRM, _tick)
        signal.setitimer(signal.ITIMER_REAL, SECONDS / 5, SECONDS / 5)
        _Watch.on = True
        try:
            yield
        finally:
            _Watch.on = False
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before if before is not None else signal.SIG_DFL)


def _tick(number: int, frame: FrameType | None) -> None:
    if _Watch.since and time.monotonic() - _Watch.since > SECONDS and not _importing(frame):
        _Watch.since = 0.0
        raise _Late


def _importing(frame: FrameType | None) -> bool:
    """Whether a module is being imported: that may take long where the disk is slow, and must not be cut short."""
    while frame is not None:
        if frame.f_globals.get("__name__") == "importlib._bootstrap":
            return True
        frame = frame.f_back
    return False
