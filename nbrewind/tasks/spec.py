"""A task as its author described it, whatever the engine: the pure input of its key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from attrs import field, frozen

from nbrewind.record.model import Digest

InputKind = Literal["file", "buffer", "content", "url", "temp", "made", "unknown"]
OutputKind = Literal["file", "buffer", "temp"]


@frozen
class Input:
    """One input of a task, under the name that the task sees.

    Parameters
    ----------
    kind
        What `source` is: a local path, bytes or a function that returns them, the digest of the content, a URL
        with what its server calls this version, the identity of the task
        that makes a temporary file (``key:output``), the identity of what a mini task makes, or the reason
        why nothing can be said.
    late
        For what a task that runs still makes: a function that tells the digest once it is made, and nothing
        before.
    """

    remote: str
    kind: InputKind
    source: Any
    late: Callable[[], Digest] | None = None


@frozen
class Output:
    """One declared output. `path`, where a file goes at the manager, is no part of the task's identity."""

    remote: str
    kind: OutputKind
    path: str = ""
    when: Literal["always", "success", "failure"] = "always"


@frozen
class Call:
    """The function of a Python task with its arguments, as they are at submission.

    `helpers` are functions among the arguments whose software counts as well.
    """

    function: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    helpers: tuple[Any, ...] = ()


@frozen
class Spec:
    """All that can change a task's result.

    `kind` is the kind of work and not the engine's class: ``command``, ``python`` or ``call`` (of a
    library's function, named in `command`). `environments` are packages that the task runs in, outermost
    first. `flags` are switches that change what comes back, such as whether a Python result is serialised.
    `library` are the ingredients of the library that is
    called. `makers` are the files that live on workers alone, by their identity: a function that tells the stamp of
    the run that made it, and nothing before it has come back. `strange` says why the task cannot be described in full,
    and must run.
    """

    kind: Literal["command", "python", "call"]
    name: str
    command: str = ""
    call: Call | None = None
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    env: Mapping[str, str | None] = field(factory=dict)
    environments: tuple[Input, ...] = ()
    flags: Mapping[str, str] = field(factory=dict)
    library: Mapping[str, str] = field(factory=dict)
    makers: Mapping[str, Callable[[], Digest]] = field(factory=dict)
    strange: str = ""
