"""Amounts of memory and time as people write them: ``"4 GB"``, ``"2:30:00"``, ``"1-12:00:00"``, ``"90 min"``."""

from __future__ import annotations

import re
from typing import NewType

Megabytes = NewType("Megabytes", int)
"""An amount of memory or disk; batch systems and the engines count in these, of 2**20 bytes."""

Seconds = NewType("Seconds", int)
"""A length of time."""

_MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt])i?b?", re.IGNORECASE)
_TIME = re.compile(r"(?:(\d+)-)?(\d+):(\d\d)(?::(\d\d))?")
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(d|h|m|s)[a-z]*", re.IGNORECASE)
_PER_UNIT = {"k": 1 / 1024, "m": 1.0, "g": 1024.0, "t": 1024.0**2}
_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}

MEMORY_PATTERN = r"^\s*\d+(\.\d+)?\s*[kKmMgGtT][iI]?[bB]?\s*$"
TIME_PATTERN = r"^\s*((\d+-)?\d+:\d\d(:\d\d)?|\d+(\.\d+)?\s*[dhmsDHMS][a-zA-Z]*)\s*$"


def megabytes(text: object) -> Megabytes:
    """Read an amount of memory.

    Raises
    ------
    ValueError
        It is none, or less than a megabyte.

    Examples
    --------
    >>> megabytes("4 GB"), megabytes("512MiB")
    (4096, 512)
    """
    match = _MEMORY.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f'{text!r} is no amount of memory: write a number and a unit, as in "4 GB"')
    amount = int(float(match[1]) * _PER_UNIT[match[2].lower()])
    if amount < 1:
        raise ValueError(f"{text!r} is less than a megabyte")
    return Megabytes(amount)


def seconds(text: object) -> Seconds:
    """Read a length of time, as schedulers or as people write it.

    Raises
    ------
    ValueError
        It is none, or no time at all.

    Examples
    --------
    >>> seconds("2:30:00"), seconds("1-12:00:00"), seconds("90 min"), seconds("1:30")
    (9000, 129600, 5400, 5400)
    """
    amount = _amount(text.strip()) if isinstance(text, str) else None
    if amount is None:
        raise ValueError(f'{text!r} is no length of time: write "H:MM:SS", "D-HH:MM:SS" or "90 min"')
    if amount < 1:
        raise ValueError(f"{text!r} is no time at all")
    return Seconds(amount)


def _amount(text: str) -> int | None:
    if match := _TIME.fullmatch(text):
        days, hours, minutes, rest = (int(part or 0) for part in match.groups())
        return ((days * 24 + hours) * 60 + minutes) * 60 + rest
    if match := _SPAN.fullmatch(text):
        return int(float(match[1]) * _SECONDS[match[2].lower()])
    return None


def clock(amount: int) -> str:
    """Write seconds as all schedulers read them.

    Examples
    --------
    >>> clock(129600)
    '36:00:00'
    """
    return f"{amount // 3600}:{amount // 60 % 60:02d}:{amount % 60:02d}"


def memory_text(amount: int) -> str:
    """Write megabytes as a person would, exactly.

    Examples
    --------
    >>> memory_text(4096), memory_text(1500)
    ('4 GB', '1500 MB')
    """
    return f"{amount // 1024} GB" if amount % 1024 == 0 else f"{amount} MB"
