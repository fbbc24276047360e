"""Code of the notebook that goes on running when its cell has ended: threads, and tasks that nobody holds."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Mapping
from types import FrameType
from typing import Any

from nbrewind.state.plans import running_frames


def running(namespace: Mapping[str, Any]) -> str:
    """What of the notebook's code runs now beside the cells, in a few words; empty if nothing does.

    What such code changes, and when, cannot be known from the cells.
    """
    own = {threading.get_ident(), threading.main_thread().ident}
    frames = sys._current_frames()
    for thread in threading.enumerate():
        frame = frames.get(thread.ident or 0)
        if thread.ident not in own and frame is not None and _is_notebooks(frame, namespace):
            return "a thread that it started runs on"
    return "a task that it started runs on" if _tasks(namespace) else ""


def _is_notebooks(frame: FrameType, namespace: Mapping[str, Any]) -> bool:
    place: FrameType | None = frame
    while place is not None:
        if place.f_globals is namespace:
            return True
        place = place.f_back
    return False


def _tasks(namespace: Mapping[str, Any]) -> bool:
    """Whether the event loop has a task of the notebook's code that no variable holds."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return False
    held = {id(value) for value in namespace.values()}
    return any(
        id(task) not in held and any(frame.f_globals is namespace for frame in running_frames(task))
        for task in asyncio.all_tasks(loop)
        if task is not asyncio.current_task(loop)
    )
