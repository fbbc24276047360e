"""A value in a few words, for explanations; nothing of the user's is called for it."""

from __future__ import annotations

import types
from typing import Any

_QUOTED = (str, bytes, bytearray)
_SIZED = (list, tuple, set, frozenset, dict)


def describe(value: Any, limit: int = 60) -> str:
    """Describe a value shortly.

    Parameters
    ----------
    value
        Anything.
    limit
        The most characters to return.

    Examples
    --------
    >>> describe(33)
    '33'
    >>> describe([1, 2, 3])
    'list of 3: [1, 2, 3]'
    >>> describe({"a": 1.5})
    "dict of 1: {'a': 1.5}"
    """
    try:
        text = _describe(value, limit)
    except Exception:  # noqa: BLE001 - a library's object in a broken state still has a type
        text = type(value).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"


def type_name(value: Any) -> str:
    """The type of a value, with the package that it comes from.

    >>> type_name(33), type_name(Ellipsis)
    ('int', 'ellipsis')
    """
    kind = type(value)
    name, home = (type.__getattribute__(kind, part) for part in ("__qualname__", "__module__"))
    top = home.partition(".")[0] if isinstance(home, str) else "__main__"
    return str(name) if top in ("builtins", "__main__") else f"{top}.{name}"


def _describe(value: Any, limit: int) -> str:
    kind = type(value)
    if kind in (type(None), bool, float, complex, type(...)):
        return repr(value)
    if kind is int:
        return repr(value) if value.bit_length() < 200 else f"int of {value.bit_length()} bits"
    if kind in _QUOTED:
        return repr(value[: limit + 1])
    if kind in _SIZED:
        inside = _inside(value, limit)
        return f"{kind.__name__} of {len(value)}" + (f": {inside}" if inside else "")
    if isinstance(value, types.FunctionType):
        return f"function {value.__qualname__}"
    if isinstance(value, type):
        return f"class {value.__qualname__}"
    if kind is types.ModuleType:
        return f"module {value.__name__}"
    return _library(value, kind) or kind.__qualname__


_SIMPLE = (type(None), bool, int, float, complex, str, bytes)


def _inside(value: Any, limit: int) -> str:
    if len(value) > limit:
        return ""
    items = value.items() if type(value) is dict else ((each, None) for each in value)
    if any(
        type(key) not in _SIMPLE or type(each) not in _SIMPLE or _long(key) or _long(each)
        for key, each in items
    ):
        return ""
    return repr(sorted(value, key=repr) if type(value) in (set, frozenset) else value)


def _long(value: Any) -> bool:
    return (type(value) in (str, bytes) and len(value) > 60) or (
        type(value) is int and value.bit_length() > 200
    )


def _library(value: Any, kind: type) -> str:
    top = str(getattr(kind, "__module__", "")).partition(".")[0]
    if top not in ("numpy", "pandas", "scipy", "torch", "datetime", "decimal", "pathlib", "fractions"):
        return ""
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and len(shape) == 2 and kind.__name__ == "DataFrame":
        return f"DataFrame {shape[0]}×{shape[1]}"
    if isinstance(shape, tuple) and shape:
        return f"{kind.__name__} {getattr(value, 'dtype', '')} {tuple(map(int, shape))}"
    return str(value) if top != "scipy" else kind.__name__
