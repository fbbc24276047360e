"""What must be alike for a pickle to be loaded: the minor version of Python, the major versions of its libraries.

A pickle names classes and hands them what their own code of that time wrote down. Another minor version of Python, or
another major version of the library, may read something else into that, without an error. So a saved value is tied to
both, in one short text such as ``3.13+pandas=2``; values of slowly changing types alone are tied to nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import cache
from importlib import metadata

from nbrewind.state.registry import home

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"


def maker(types: Iterable[type]) -> str:
    """What values with these types are tied to."""
    tops = {home(kind).partition(".")[0] for kind in types} - {"", "__main__", "nbrewind"}
    libraries = sorted(top for top in tops - sys.stdlib_module_names if major(top))
    return "+".join([PYTHON, *(f"{top}={major(top)}" for top in libraries)])


def misfit(made_by: str) -> str:
    """Why what is tied to this cannot be loaded here, as ``Python 3.12, this is 3.13``; empty: it can."""
    if not made_by:
        return ""
    python, *libraries = made_by.split("+")
    if python != PYTHON:
        return f"Python {python}, this is {PYTHON}"
    for library in libraries:
        name, _, version = library.partition("=")
        if version != major(name):
            return f"{name} {version}, this is {major(name) or 'none'}"
    return ""


@cache
def major(module: str) -> str:
    """Major version of the distribution that holds a module; empty where that cannot be told."""
    version = _version(module) or next(filter(None, map(_version, _distributions().get(module, ()))), "")
    first = version.partition(".")[0]
    return first if first.isdigit() else ""


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


@cache
def _distributions() -> dict[str, list[str]]:
    return dict(metadata.packages_distributions())
