"""Whether what ran again gave the same: identical, close within a tolerance, or different; with where and how much.

Nothing of the user's is called: values are compared by their parts.
"""

from __future__ import annotations

import base64
import io
import math
import re
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from attrs import frozen

from nbrewind.state import describe

Verdict = Literal["identical", "close", "different"]
_RANK: dict[Verdict, int] = {"identical": 0, "close": 1, "different": 2}
SMALLEST = 1e-12
"""Absolute difference of two numbers below which they are close whatever their size."""
_DEPTH = 50
_COMPARABLE = frozenset(
    {"datetime", "decimal", "_decimal", "fractions", "pathlib", "pathlib._local", "uuid", "zoneinfo"}
)
_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?)")
_CHANCE = re.compile(
    r"0x[0-9a-fA-F]{6,}|\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d+)?|\b\d{1,2}:\d\d:\d\d(?:[.,]\d+)?"
    r"|\d+(?:\.\d+)?\s?(?:ns|µs|us|ms|s|sec|secs|seconds?|min|minutes?)\b|pid[= ]\d+"
)
"""Addresses, moments, durations, numbers of processes."""
_PICTURES = ("image/png", "image/jpeg")
_LEVELS = 3 / 255
_STRAY = 0.001


@frozen
class Alike:
    """How two values compare; for those that are not identical, where they first differ most, and the two values."""

    verdict: Verdict
    where: str = ""
    before: str = ""
    after: str = ""


SAME = Alike("identical")


def worst(found: Iterable[Alike]) -> Alike:
    """The first of those that differ most."""
    result = SAME
    for one in found:
        if _RANK[one.verdict] > _RANK[result.verdict]:
            result = one
        if result.verdict == "different":
            break
    return result


def values(old: Any, new: Any, tolerance: float, where: str = "", depth: int = 0) -> Alike:
    """Compare two values.

    Parameters
    ----------
    old, new
        Anything.
    tolerance
        Relative difference of two floating-point numbers up to which they are close.
    where
        What they are, as ``x[3]``.
    """
    different = Alike("different", where, describe(old), describe(new))
    if old is new:
        return SAME
    if type(old) is not type(new) and _name(old) != _name(new):
        return Alike("different", where, type(old).__name__, type(new).__name__)
    if depth > _DEPTH:
        return different
    kind = type(new)
    if kind in (float, complex):
        return _numbers(old, new, tolerance, where)
    if kind is str:
        return texts(old, new, tolerance, where)
    if kind in (type(None), bool, int, bytes, bytearray, range, slice, type(...)):
        return SAME if old == new else different
    if kind in (list, tuple):
        if len(old) != len(new):
            return different
        pairs = zip(old, new, strict=True)
        return worst(values(a, b, tolerance, f"{where}[{n}]", depth + 1) for n, (a, b) in enumerate(pairs))
    if kind is dict:
        return _mappings(old, new, tolerance, where, depth)
    if kind in (set, frozenset):
        return _sets(old, new, different)
    if kind is types.FunctionType:
        same = _code(old) == _code(new)
        return values(_captured(old), _captured(new), tolerance, where, depth + 1) if same else different
    if kind.__module__ in _COMPARABLE:
        return SAME if old == new else different
    return (
        _library(old, new, tolerance, where, depth)
        or _instances(old, new, tolerance, where, depth)
        or different
    )


def _name(value: Any) -> tuple[str, str]:
    """A class of the notebook is another object after each run of its cell."""
    kind = type(value)
    return kind.__module__, kind.__qualname__


def _code(function: types.FunctionType) -> tuple[Any, ...]:
    code = function.__code__
    return function.__qualname__, code.co_code, code.co_consts, code.co_names


def _captured(function: types.FunctionType) -> list[Any]:
    """What a function holds beside its code."""
    cells = [cell.cell_contents for cell in function.__closure__ or () if cell != types.CellType()]
    return [function.__defaults__, function.__kwdefaults__, cells]


def _numbers(old: Any, new: Any, tolerance: float, where: str) -> Alike:
    if old == new or (old != old and new != new):
        return SAME
    size = max(abs(old), abs(new))
    near = math.isfinite(size) and abs(old - new) <= max(tolerance * size, SMALLEST)
    return Alike("close" if near else "different", where, repr(old), repr(new))


def _mappings(
    old: Mapping[Any, Any], new: Mapping[Any, Any], tolerance: float, where: str, depth: int
) -> Alike:
    names = {describe(key): key for key in old}
    others = {describe(key): key for key in new}
    if names.keys() != others.keys() or len(names) != len(old) or len(others) != len(new):
        return Alike("different", where, describe(old), describe(new))
    return worst(
        values(old[key], new[others[name]], tolerance, f"{where}[{name}]", depth + 1)
        for name, key in names.items()
    )


def _sets(old: Iterable[Any], new: Iterable[Any], different: Alike) -> Alike:
    return SAME if sorted(map(describe, old)) == sorted(map(describe, new)) else different


def _instances(old: Any, new: Any, tolerance: float, where: str, depth: int) -> Alike | None:
    """Instances by their attributes; those without any cannot be told apart from here."""
    try:
        before, after = object.__getattribute__(old, "__dict__"), object.__getattribute__(new, "__dict__")
    except AttributeError:
        return None
    return _mappings(before, after, tolerance, where, depth) if type(before) is dict and before else None


# -- arrays and frames


def _library(old: Any, new: Any, tolerance: float, where: str, depth: int) -> Alike | None:
    top = str(type(new).__module__).partition(".")[0]
    if top == "numpy":
        return _arrays(old, new, tolerance, where, depth)
    if top == "pandas" and hasattr(new, "to_numpy"):
        if hasattr(new, "columns"):
            parts = [(f"{where}.index", old.index, new.index), (f"{where}.columns", old.columns, new.columns)]
            if old.shape == new.shape:
                parts += [
                    (f"{where}[{name!r}]", old.iloc[:, n].array, new.iloc[:, n].array)
                    for n, name in enumerate(map(str, new.columns))
                ]
        elif hasattr(new, "index"):
            parts = [(f"{where}.index", old.index, new.index), (where, old.array, new.array)]
        else:
            parts = [(where, old, new)]
        return worst(_arrays(a.to_numpy(), b.to_numpy(), tolerance, name, depth) for name, a, b in parts)
    return None


def _arrays(old: Any, new: Any, tolerance: float, where: str, depth: int) -> Alike:
    import numpy as np

    old, new = np.asarray(old), np.asarray(new)
    if old.shape != new.shape or old.dtype != new.dtype:
        return Alike("different", where, f"{old.dtype} {old.shape}", f"{new.dtype} {new.shape}")
    if new.dtype.hasobject:
        pairs = zip(old.ravel().tolist(), new.ravel().tolist(), strict=True)
        return worst(values(a, b, tolerance, f"{where}[{n}]", depth + 1) for n, (a, b) in enumerate(pairs))
    if new.dtype.names:
        return worst(
            _arrays(old[name], new[name], tolerance, f"{where}[{name!r}]", depth) for name in new.dtype.names
        )
    number = new.dtype.kind in "fc"
    unequal = (old != new) & ~(np.isnan(old) & np.isnan(new)) if number else old != new
    count = int(np.count_nonzero(unequal))
    if not count:
        return SAME
    place = tuple(int(axis[0]) for axis in np.nonzero(unequal)) if new.ndim else ()
    if number:
        far = unequal & ~np.isclose(old, new, rtol=tolerance, atol=SMALLEST, equal_nan=True)
        if not far.any():
            return Alike(
                "close", f"{where}: {count} of {new.size} elements", str(old[place]), str(new[place])
            )
        count, place = (
            int(np.count_nonzero(far)),
            tuple(int(axis[0]) for axis in np.nonzero(far)) if new.ndim else (),
        )
    at = f"{list(place)}" if place else ""
    return Alike(
        "different", f"{where}{at}: {count} of {new.size} elements", str(old[place]), str(new[place])
    )


# -- what cells show


def texts(old: str, new: str, tolerance: float, where: str = "") -> Alike:
    """Compare texts; addresses, moments and durations are chance, and numbers in them count as numbers."""
    if old == new:
        return SAME
    for before, after in zip(_lines(old), _lines(new), strict=False):
        if before != after and not _near(before, after, tolerance):
            return Alike("different", where, before.strip()[:80], after.strip()[:80])
    if len(_lines(old)) != len(_lines(new)):
        return Alike("different", where, f"{len(_lines(old))} lines", f"{len(_lines(new))} lines")
    return Alike("close", where, "text but for numbers", "addresses and times")


def _lines(text: str) -> list[str]:
    return _CHANCE.sub("…", text).splitlines()


def _near(old: str, new: str, tolerance: float) -> bool:
    """Whether two lines are the same but for numbers with a point or an exponent that are close."""
    if _NUMBER.sub("#", old) != _NUMBER.sub("#", new):
        return False
    for a, b in zip(_NUMBER.findall(old), _NUMBER.findall(new), strict=True):
        whole = a.lstrip("+-").isdigit() and b.lstrip("+-").isdigit()
        if a != b and (whole or _numbers(float(a), float(b), tolerance, "").verdict == "different"):
            return False
    return True


def shown(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]], tolerance: float) -> Alike:
    """Compare what a cell showed, message by message."""
    before, after = list(_parts(old)), list(_parts(new))
    if [part[:2] for part in before] != [part[:2] for part in after]:
        return Alike("different", "output", _kinds(before), _kinds(after))
    return worst(
        _pictures(a[2], b[2]) if b[1] in _PICTURES else texts(a[2], b[2], tolerance, a[1] or a[0])
        for a, b in zip(before, after, strict=True)
    )


def _parts(messages: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str, str]]:
    for message in messages:
        content = message["content"]
        if message["type"] == "stream":
            yield "stream", content.get("name", ""), content.get("text", "")
        elif message["type"] == "error":
            yield "error", "", f"{content.get('ename')}: {content.get('evalue')}"
        elif message["type"] in ("display_data", "execute_result", "update_display_data"):
            for kind, value in sorted((content.get("data") or {}).items()):
                yield "display", kind, value if isinstance(value, str) else repr(value)


def _kinds(parts: Iterable[tuple[str, str, str]]) -> str:
    return ", ".join(kind or what for what, kind, _ in parts)[:80] or "nothing"


def _pictures(old: str, new: str) -> Alike:
    """Compare pictures by pixel; a few that differ much, or all that differ little, are close."""
    if "".join(old.split()) == "".join(new.split()):
        return SAME
    pixels = _reader()
    try:
        a, b = (pixels(base64.b64decode(data)) for data in (old, new))
    except Exception:  # noqa: BLE001 - no reader, or no picture
        return Alike("different", "picture", "other bytes", "no reader to compare pixels with")
    if a.shape != b.shape:
        return Alike("different", "picture", f"{a.shape}", f"{b.shape}")
    far = float(
        (abs(a.astype(float) - b.astype(float)) > _LEVELS * (1 if a.dtype.kind == "f" else 255)).mean()
    )
    verdict: Verdict = "close" if far <= _STRAY else "different"
    return Alike(verdict, "picture", "", f"{far:.2%} of its pixels are others")


def _reader() -> Callable[[bytes], Any]:
    from matplotlib import image

    return lambda data: image.imread(io.BytesIO(data))
