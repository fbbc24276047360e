"""What goes by name: library functions and classes by the module that holds them, the notebook's own by their
variable.
"""

from __future__ import annotations

import builtins
import sys
import types
from collections.abc import Mapping
from typing import Any

NOTEBOOK = "__main__"
HEAP = 1 << 9
"""`Py_TPFLAGS_HEAPTYPE`: set on classes written in Python, and on some written in C."""


def importable(value: Any) -> str | None:
    """``module:qualified.name`` under which another process finds this very function or class.

    Examples
    --------
    >>> import json
    >>> importable(json.JSONDecoder.decode)
    'json.decoder:JSONDecoder.decode'
    >>> importable(lambda: 0) is None
    True
    """
    if isinstance(value, types.MethodType | types.BuiltinFunctionType):
        return _of_singleton(value)
    module = getattr(value, "__module__", None)
    qualified = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    if (
        not isinstance(module, str)
        or not isinstance(qualified, str)
        or module == NOTEBOOK
        or "<" in qualified
    ):
        return None
    if find(module, qualified) is value:
        return f"{module}:{qualified}"
    return (
        f"types:{_HIDDEN[value]}"
        if module == "builtins" and value.__class__ is type and value in _HIDDEN
        else None
    )


def _of_singleton(method: Any) -> str | None:
    """Name of a builtin function, or of a method that a module offers as its function, as `random.random`."""
    name, owner = method.__name__, method.__self__
    if owner is None or isinstance(owner, types.ModuleType):
        modules = [getattr(owner, "__name__", None) or method.__module__]
    else:
        top, *rest = (
            type(owner).__module__.split(".") if isinstance(type(owner).__module__, str) else [NOTEBOOK]
        )
        modules = [".".join([top, *rest[:depth]]) for depth in range(len(rest), -1, -1)]
    for module in modules:
        if module not in (None, NOTEBOOK, "builtins") and find(module, name) is method:
            return f"{module}:{name}"
    return f"builtins:{name}" if getattr(builtins, name, None) is method else None


_HIDDEN = {value: name for name, value in vars(types).items() if isinstance(value, type)}
"""Types that say they are in `builtins`, and are not."""


def find(module: str, qualified: str) -> Any:
    """The object of that name, ``None`` where there is none; modules are not imported for it."""
    found: Any = sys.modules.get(module)
    for part in qualified.split("."):
        try:
            found = getattr(found, part)
        except Exception:  # noqa: BLE001 - a lazy module may raise anything
            return None
    return found


def bound(value: Any, namespace: Mapping[str, Any]) -> str | None:
    """Qualified name under which the notebook itself holds this function or class, if it does.

    The first part is the variable: ``Model.fit`` is reached through ``Model``.
    """
    name = getattr(value, "__name__", None)
    if isinstance(name, str) and name.strip("_") and namespace.get(name) is value:
        return name  # underscores alone are IPython's, for the last results
    qualified = getattr(value, "__qualname__", None)
    if not isinstance(qualified, str) or "." not in qualified or "<" in qualified:
        return None
    head, *rest = qualified.split(".")
    found = namespace.get(head)
    for part in rest:
        if not isinstance(found, type) or part not in vars(found):
            return None
        found = vars(found)[part]
        if isinstance(found, (staticmethod, classmethod)):
            found = found.__func__
    return qualified if found is value else None


def could_be_variable(name: str, namespace: Mapping[str, Any]) -> bool:
    """Whether a global of this name is, or may become, a variable of the notebook."""
    return name in namespace or not hasattr(builtins, name)
