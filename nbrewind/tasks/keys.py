"""The key of a task: a digest of all that can change its result, and nothing else.

The key is the digest of its *ingredients*, a flat mapping of short texts. They are kept in the record, so
that two keys can be compared part by part: ``function``, ``arg0``, ``input:data.csv``, ``env:MODE``,
``lib:numpy``, ….
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Protocol

from attrs import frozen

from nbrewind.errors import Undigestible
from nbrewind.record.digests import digest_bytes
from nbrewind.record.model import Digest
from nbrewind.record.redaction import REDACTOR, env_digest
from nbrewind.tasks.content import Contents
from nbrewind.tasks.spec import Input, Spec

SHORT = 200
_FORMAT = "1"


class Identity(Protocol):
    """Digests of the notebook's values and functions; each raises `Undigestible` where there is none."""

    def value(self, value: Any, where: str) -> Digest:
        """Return the canonical digest of a value; `where` names it in errors."""
        ...

    def function(self, function: Any) -> Mapping[str, str]:
        """Return what identifies a function: ``function``, and ``lib:NAME`` for what it uses."""
        ...


@frozen
class Key:
    """The identity of a task, with the parts that it is made of."""

    digest: Digest
    ingredients: Mapping[str, str]


@frozen
class Unkeyed:
    """Why a task has no key and always runs.

    Parameters
    ----------
    part
        The ingredient that has no digest, such as ``arg1`` or ``input:model``.
    why
        One sentence for the user, with the remedy where there is one; empty: nothing that the user need know.
    """

    part: str
    why: str = ""


@frozen
class Draft:
    """A key of which some inputs are not there yet, because tasks that still run make them."""

    parts: Mapping[str, str]
    late: tuple[Input, ...] = ()

    def finish(self, contents: Contents) -> Key | Unkeyed:
        """Complete the key once the late inputs exist."""
        parts = dict(self.parts)
        for source in self.late:
            text = input_text(source, contents)
            if isinstance(text, Unkeyed):
                return text
            made = source.late() if source.late else ""
            if not made or text.removesuffix("+x") != made:
                return Unkeyed(f"input:{source.remote}")
            parts[f"input:{source.remote}"] = text
        return Key(combine(parts), parts)


def draft_key(spec: Spec, identity: Identity, contents: Contents) -> Draft | Unkeyed:
    """Work out the key of a task as it is submitted.

    Parameters
    ----------
    spec
        The task as its author described it.
    identity
        Digests of values and functions.
    contents
        Digests of local files.
    """
    if spec.strange:
        return Unkeyed("task", spec.strange)
    parts: dict[str, str] = {"kind": spec.kind}
    if spec.command:
        parts["command"] = shorten(REDACTOR.text(spec.command, tied=True))
    if spec.call is not None:
        failure = _call_parts(spec, identity, parts)
        if failure is not None:
            return failure
    for source in spec.inputs:
        if source.late:
            continue
        text = input_text(source, contents)
        if isinstance(text, Unkeyed):
            return text
        parts[f"input:{source.remote}"] = text
    for number, package in enumerate(spec.environments):
        text = input_text(package, contents)
        if isinstance(text, Unkeyed):
            return text
        parts[f"environment:{number}"] = text
    for output in spec.outputs:
        when = "" if output.when == "always" else f" on {output.when}"
        parts[f"output:{output.remote}"] = output.kind + when
    for name, value in spec.env.items():
        parts[f"env:{name}"] = env_digest(name, value) or "unset"
    parts.update(spec.library)
    for name, value in spec.flags.items():
        parts[f"flag:{name}"] = value
    return Draft(parts, tuple(source for source in spec.inputs if source.late))


def unchanged(spec: Spec, key: Key, contents: Contents) -> bool:
    """Tell whether the local files that a task took are still those that its key names."""
    return all(
        key.ingredients.get(f"input:{source.remote}") == input_text(source, contents)
        for source in spec.inputs
        if source.kind == "file"
    )


def combine(parts: Mapping[str, str]) -> Digest:
    """Digest a mapping of texts, whatever its order.

    >>> combine({"a": "1", "b": "2"}) == combine({"b": "2", "a": "1"})
    True
    """
    encoded = [f"nbrewind task {_FORMAT}".encode()]
    for name in sorted(parts):
        for text in (name, parts[name]):
            data = text.encode("utf-8", "surrogateescape")
            encoded.append(b"%d:%s" % (len(data), data))
    return digest_bytes(b"\n".join(encoded))


def shorten(text: str) -> str:
    """Keep a text readable and bounded; what is cut is replaced by a digest of the whole."""
    if len(text) <= SHORT:
        return text
    return f"{text[:SHORT]}… {digest_bytes(os.fsencode(text))}"


def _call_parts(spec: Spec, identity: Identity, parts: dict[str, str]) -> Unkeyed | None:
    call = spec.call
    assert call is not None
    arguments = [(f"arg{number}", value) for number, value in enumerate(call.args)]
    arguments += [(f"arg:{name}", value) for name, value in call.kwargs.items()]
    part = "function"
    try:
        if call.function is not None:
            parts.update(identity.function(call.function))
        for number, helper in enumerate(call.helpers):
            found = identity.function(helper)
            parts.update({f"helper{number}:{name}": text for name, text in found.items()})
        for part, value in arguments:
            parts[part] = identity.value(value, part)
    except Undigestible as error:
        return Unkeyed(
            part,
            f"{spec.name} always runs, because {part} cannot be compared: {error}. "
            f"Give {error.kind} a method __nbrewind_digest__(self) that returns what identifies it, or, if it is not "
            f"yours, say so with nbrewind.state.register_reducer({error.kind}, digest=...).",
        )
    return None


def input_text(source: Input, contents: Contents) -> str | Unkeyed:
    """Return what identifies the content of an input."""
    part = f"input:{source.remote}"
    if source.kind == "file":
        try:
            return contents.identity(source.source)
        except OSError:
            return Unkeyed(part)  # the engine says which input is missing
    if source.kind == "buffer":
        return digest_bytes(source.source() if callable(source.source) else source.source)
    if source.kind == "content":
        return str(source.source)
    if source.kind == "unknown":
        return Unkeyed(part, source.source)
    return f"{source.kind} {shorten(source.source)}"
