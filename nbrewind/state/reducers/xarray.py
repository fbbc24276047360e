"""xarray: compared by what they hold; attributes that were never set are as good as empty ones."""

from __future__ import annotations

from typing import Any

from nbrewind.state.registry import register_reducer

_CACHES = ("__weakref__", "_cache")


def digest_slots(value: Any) -> list[tuple[str, Any]]:
    """What an object of xarray keeps in its slots."""
    found = []
    for base in type(value).__mro__:
        names = vars(base).get("__slots__", ())
        for name in (names,) if isinstance(names, str) else names:
            member = vars(base).get(name)
            if name in _CACHES or member is None:
                continue
            try:
                held = member.__get__(value)
            except AttributeError:
                continue
            found.append((name, (held or {}) if name in ("_attrs", "_encoding") else held))
    return found


for _name in ("core.variable.Variable", "core.dataset.Dataset", "core.dataarray.DataArray"):
    register_reducer(f"xarray.{_name}", digest=digest_slots)
