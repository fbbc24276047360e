"""What functions under `functools.lru_cache` remember: calls, results, and how often they were asked.

The cache is in C and shows nothing of itself but its size; the garbage collector is told what it holds.
"""

from __future__ import annotations

import functools
import gc
from typing import Any

from nbrewind.state.guard import HookError

Call = tuple[tuple[Any, ...], dict[str, Any], Any]
"""Arguments, keyword arguments, result."""

MOST_HITS = 100_000
"""A cache that was asked more often is made again by its cells rather than asked as often once more."""


def remembered(function: Any) -> list[Call]:
    """The calls whose results a function remembers, the one used last at the end.

    Raises
    ------
    HookError
        They cannot be told from what the cache holds.
    """
    size = function.cache_info().currsize
    if not size:
        return []
    if function.cache_parameters()["typed"]:
        raise HookError("it remembers results by the types of their arguments")
    held = gc.get_referents(function)
    mark = next((each for each in held if type(each) is object), None)
    results = _pairs(held, size, bounded=function.cache_parameters()["maxsize"] is not None)
    return [(*_arguments(key, mark), result) for key, result in results]


def _pairs(held: list[Any], size: int, *, bounded: bool) -> list[tuple[Any, Any]]:
    table = next((each for each in held if type(each) is dict and len(each) == size), None)
    if table is None:
        raise HookError("what it remembers cannot be seen")
    if not bounded:
        return list(table.items())
    place = next(at for at, each in enumerate(held) if each is table)
    keys, results = held[place - 3 * size : place : 3], held[place - 3 * size + 1 : place : 3]
    if len(keys) != size or any(key not in table for key in keys):
        raise HookError("what it remembers cannot be seen")
    return list(zip(keys, results, strict=True))


def _arguments(key: Any, mark: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments of a call, from the key that the cache makes of them."""
    if type(key) is not tuple:
        return (key,), {}
    split = next((at for at, each in enumerate(key) if each is mark), len(key))
    rest = key[split + 1 :]
    return key[:split], dict(zip(rest[::2], rest[1::2], strict=True))


def contents(function: Any) -> tuple[Any, ...]:
    """What tells two caches of one function apart; nothing for one that was never asked."""
    info = function.cache_info()
    return (info.hits, info.misses, remembered(function)) if info.hits or info.misses else ()


def reduce_cache(function: Any) -> tuple[Any, ...]:
    """The arguments for `nbrewind.state.rebuild.lru_cache`.

    Raises
    ------
    HookError
        It has forgotten results, or was asked too often to be asked as often again.
    """
    info = function.cache_info()
    calls = remembered(function)
    if info.misses != len(calls) or info.hits > MOST_HITS:
        raise HookError("it has forgotten some results, or was asked very often")
    made = (function.__wrapped__, function.cache_parameters())
    return (*made, calls, info.hits) if info.misses else made


def primed(function: Any, parameters: dict[str, Any], calls: list[Call], hits: int) -> Any:
    """A function under `functools.lru_cache` that remembers these calls and was asked so often."""
    known: list[Any] = []

    def call(*args: Any, **kwargs: Any) -> Any:
        return known.pop() if known else function(*args, **kwargs)

    cached = functools.update_wrapper(functools.lru_cache(**parameters)(call), function)
    for args, kwargs, result in calls:
        known.append(result)
        cached(*args, **kwargs)
    for _ in range(hits if calls else 0):
        cached(*calls[-1][0], **calls[-1][1])
    return cached
