"""What goes into a task in a few words, for explanations: a key's digests say only that something changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nbrewind.record.redaction import REDACTOR
from nbrewind.state import describe
from nbrewind.tasks.keys import Draft, Unkeyed
from nbrewind.tasks.spec import Spec

MOST = 600
"""Characters that the values of one task may take; the record of many tasks stays small."""


def previews(spec: Spec, draft: Draft | Unkeyed, namespace: Mapping[str, Any]) -> dict[str, str]:
    """Describe arguments, and the notebook's variables that a function uses, under the names of their ingredients.

    Parameters
    ----------
    spec
        The task.
    draft
        Its key, as far as it is known.
    namespace
        The notebook's variables.
    """
    found: dict[str, str] = {}
    room = MOST
    for name, value in _values(spec, draft, namespace):
        text = REDACTOR.text(describe(value))
        room -= len(name) + len(text)
        if room < 0:
            break
        found[name] = text
    return found


def _values(spec: Spec, draft: Draft | Unkeyed, namespace: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    if spec.call is not None:
        yield from ((f"arg{number}", value) for number, value in enumerate(spec.call.args))
        yield from ((f"arg:{name}", value) for name, value in spec.call.kwargs.items())
    if isinstance(draft, Draft):
        for name in draft.parts:
            kind, _, variable = name.partition(":")
            if kind == "global" and variable in namespace:
                yield name, namespace[variable]
