"""The nouns of the record: frozen values, without behaviour beyond what they derive from themselves.

Paths in here are *symbolic*: ``./data.csv`` lies beside or below the notebook, ``~/x`` below the home folder,
``$SCRATCH/x`` in scratch, anything else is absolute. Times are seconds since the epoch, durations are seconds, sizes
are bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from attrs import field, frozen

Digest = str
"""``algorithm:hexadecimal``; ``b3`` is BLAKE3, ``b2`` BLAKE2b, both cut to 160 bits."""

Action = Literal["executed", "restored", "rebuilt", "failed", "skipped"]
Kind = Literal[
    "variable", "covariable", "file", "exists", "listing", "ambient", "env", "module", "made", "place"
]


@frozen
class Reason:
    """One reason for a decision, fit for a person and for a program.

    Parameters
    ----------
    kind
        ``new``, ``code``, ``variable``, ``covariable``, ``file``, ``exists``, ``listing``, ``ambient``, ``env``,
        ``module``, ``place``, ``failed``, ``tasks-failed``, ``volatile``, ``open``, ``live``, ``fresh``, ``asked``,
        ``audit``, ``unsaved``, ``upstream``, ``needed``, ``silent``, ``script``, ``verify``,
        ``untrusted``.
    name
        What it is about: a variable, a path, a module.
    before, after
        Short descriptions of the old and the new value, where they are known.
    run
        The run in which the old one was last seen.
    """

    kind: str
    name: str = ""
    before: str = ""
    after: str = ""
    run: str = ""


@frozen
class Evidence:
    """Something that a cell run saw, and the digest it had.

    ``variable``: one name (``None``: it was looked up and absent). ``covariable``: several names, joined by spaces,
    seen together with what they share. ``file``: content (``None``: absent). ``listing``: the names in a folder.
    ``exists``: whether a path is a file or a folder (``None``: neither). ``ambient``: a provider's state. ``env``: one
    environment variable (``None``: unset). ``module``: a distribution's version, or the source of a local module.
    ``place``: the absolute path of the notebook's folder (``.``), the home folder (``~``) or another that paths are
    symbolic to.
    ``made``: what a task that left a file on its worker had met when it ran (of tasks alone).
    """

    kind: Kind
    name: str
    digest: Digest | None


@frozen
class Covariable:
    """The smallest set of names that share mutable objects.

    Parameters
    ----------
    names
        Sorted.
    digests
        Digest of each name's value by itself.
    digest
        Digest of all of them together, with what they share.
    needs
        Other variables of the notebook that its functions and classes refer to by name, sorted.
    opaque
        Why it cannot be saved (empty: it can). Its digests then say how it was derived, not what it contains.
    kin
        Variables of other co-variables that share objects with it by way of something that cannot be saved: each is
        compared and saved by itself, but a change of one may be seen in the other. Sorted.
    places
        Signs of the places (see `Evidence`) whose absolute path occurs in its values.
    """

    names: tuple[str, ...]
    digests: Mapping[str, Digest]
    digest: Digest
    needs: tuple[str, ...] = ()
    opaque: str = ""
    kin: tuple[str, ...] = ()
    places: tuple[str, ...] = ()


@frozen
class FileWrite:
    """A file that a cell or task left: content (``None``: it removed the file) and permission bits."""

    path: str
    digest: Digest | None
    mode: int = 0o644


@frozen
class AmbientWrite:
    """State of the interpreter that a cell left; `blob` restores it."""

    name: str
    digest: Digest
    blob: Digest


@frozen
class TaskCount:
    """How many tasks a cell or a run was served from the record, sent out, and lost."""

    reused: int = 0
    submitted: int = 0
    failed: int = 0


@frozen
class TaskCause:
    """Why tasks of a cell went to workers, and how many.

    Parameters
    ----------
    count
        Tasks that it affects; one task may have several causes.
    kind
        The ingredient of the key (``arg``, ``global``, ``input``, ``lib``, …), or ``seen`` for a file that a task
        opened, ``worker`` for software of the workers, ``new``, ``late``, ``lost``, ``unkeyed``, ``fresh``.
    name
        In words: ``argument 2 of 5``, ``helper h in cell 4``.
    before, after
        Old and new value in a few words.
    uniform
        Whether these are the values of all.
    """

    count: int
    kind: str
    name: str = ""
    before: str = ""
    after: str = ""
    uniform: bool = True


@frozen
class Foresight:
    """What was expected of a cell that could run beside others, and what came of it.

    Parameters
    ----------
    level
        ``recorded``: as its code was last seen to run; ``predicted``: as it looked.
    reads, writes
        Variables, files and ambient states that it was expected to read and write.
    ran
        ``lane``: beside others; ``spine``: at its turn; ``again``: beside others, and once more at its turn.
    why
        Why it did not run beside others, or why that did not count.
    refused
        Whether that was for something that it does, so that it will be so again.
    wasted
        How long it ran for nothing.
    """

    level: str = ""
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    ran: Literal["lane", "spine", "again"] = "spine"
    why: str = ""
    refused: bool = False
    wasted: float = 0.0


@frozen
class CellRun:
    """One execution, restoration or failure of one cell.

    `key` names the trace: code and everything read. `source` is the code as typed. `outputs` is the blob of a JSON list
    of output messages in nbformat 4 form. `open` says why the reads could not be bounded (the cell then never hits).
    A restored run has `origin`, the ``run/seq`` whose effects it took over. `previews` are values in a few words: under
    ``name`` of a variable that it read, under ``=name`` of one that it left; `types` are the types of the latter.
    `task_causes` say why its tasks were submitted. `launches` are the commands by which it started workers. `redacted`
    says which secrets were left out, and where. `carried` are variables that shared objects with no other when it
    changed them in place, or bound new names to parts of them. `foresight` is there where cells may run beside others.
    """

    run: str
    seq: int
    cell_id: str
    code: Digest
    source: str
    started: float
    seconds: float
    action: Action
    status: Literal["ok", "error", "aborted"] = "ok"
    index: int | None = None
    key: Digest = ""
    because: tuple[Reason, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    covariables: tuple[Covariable, ...] = ()
    deleted: tuple[str, ...] = ()
    files: tuple[FileWrite, ...] = ()
    ambient: tuple[AmbientWrite, ...] = ()
    outputs: Digest = ""
    execution_count: int | None = None
    tasks: TaskCount = TaskCount()
    open: str = ""
    volatile: bool = False
    origin: str = ""
    previews: Mapping[str, str] = field(factory=dict)
    types: Mapping[str, str] = field(factory=dict)
    task_causes: tuple[TaskCause, ...] = ()
    launches: tuple[str, ...] = ()
    redacted: tuple[str, ...] = ()
    carried: tuple[str, ...] = ()
    foresight: Foresight | None = None


@frozen
class TaskRun:
    """One task that ran, as an engine reported it.

    `ingredients` are the parts of the key, short enough to keep, for explanations; `previews` are the values of some of
    them in a few words. `output` is the blob of a Python
    task's pickled result. `files` are its output files by remote name. `status` is ``done`` (may be reused), ``failed``
    or ``cancelled``.
    """

    key: Digest
    run: str
    cell_id: str
    engine: str
    kind: str
    name: str
    status: Literal["done", "failed", "cancelled"]
    exit_code: int | None = None
    result: str = ""
    ingredients: Mapping[str, str] = field(factory=dict)
    output: Digest = ""
    stdout: Digest = ""
    files: tuple[FileWrite, ...] = ()
    inputs: tuple[Evidence, ...] = ()
    resources: Mapping[str, float] = field(factory=dict)
    host: str = ""
    environment: Digest = ""
    submitted: float = 0.0
    finished: float = 0.0
    seconds: float = 0.0
    attempts: int = 1
    previews: Mapping[str, str] = field(factory=dict)


@frozen
class Run:
    """One run of a notebook (or script) from a kernel's start to its end."""

    id: str
    kind: Literal["audit", "repeat", "script"]
    notebook: str
    started: float
    host: str = ""
    user: str = ""
    python: str = ""
    version: str = ""
    site: str = ""
    environment: Digest = ""
    ended: float | None = None
    status: str = "running"


@frozen
class Location:
    """Where saved content lies: a checkpoint file of the record, and the entry in it.

    `needs` are the digests of other saved content that it cannot be restored without: shared buffers, the base of a
    delta. Garbage collection keeps those as long as this is kept.
    """

    file: str
    entry: str
    size: int = 0
    needs: tuple[Digest, ...] = ()
