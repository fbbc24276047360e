"""The manifest of a container: every member with its size and digest, and what the container is of.

It is the one file that a signature covers, and all that `inspect` reads. Format 1; the JSON Schema
``schemas/manifest.schema.json`` is what other programs may rely on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, TypeVar, get_origin

from attrs import asdict, frozen
from blake3 import blake3
from cattrs import ClassValidationError, Converter, IterableValidationError, transform_error

from nbrewind.container.names import check_distinct, check_name
from nbrewind.errors import ContainerError, ContainerTooNew

FORMAT = 1
MANIFEST = "nbrewind-container.json"
SIGNATURE = "nbrewind-container.json.sig"
LARGEST = 64 << 20
"""Bytes of a manifest that are read; more is refused."""

LAST_MOMENT = 253402300800.0
"""Seconds since the epoch at the end of the year 9999, in which calendars end."""

Role = Literal["notebook", "record", "data", "code", "about"]
ROLES = ("notebook", "record", "data", "code", "about")
_DIGEST = re.compile(r"blake3:[0-9a-f]{64}\Z")
T = TypeVar("T")


@frozen
class Member:
    """A file in the container: its path there, bytes, BLAKE3, and whether it may be executed."""

    path: str
    size: int
    digest: str
    role: Role
    executable: bool = False


@frozen
class Reference:
    """A file that a run read and the container does not carry.

    Parameters
    ----------
    path
        Symbolic, as in the record: ``./x`` beside the notebook, ``~/x``, or absolute.
    digest
        As in the record: ``b3:`` and 40 digits.
    size
        Bytes; ``None``: nobody knows.
    url
        Where it can be had, as fsspec writes it; empty: not known.
    why
        Why it was left out, in a few words.
    """

    path: str
    digest: str
    size: int | None = None
    url: str = ""
    why: str = ""


@frozen
class RunSummary:
    """One run in few words, for `inspect`: who did it where, and what came of it."""

    id: str
    kind: str
    started: float
    ended: float | None
    status: str
    user: str
    host: str
    site: str
    python: str
    cells: Mapping[str, int]
    tasks: Mapping[str, int]


@frozen
class Base:
    """What a container goes on from: it holds only what came after a run, and needs these members from elsewhere."""

    run: str
    members: tuple[Member, ...]


@frozen
class Manifest:
    """All of it; paths of `notebook` and `record` are members' (the record's is a folder)."""

    nbrewind: str
    notebook: str
    record: str
    members: tuple[Member, ...]
    runs: tuple[RunSummary, ...] = ()
    references: tuple[Reference, ...] = ()
    base: Base | None = None
    format: int = FORMAT

    @property
    def size(self) -> int:
        """Bytes of all members."""
        return sum(member.size for member in self.members)

    def everything(self) -> tuple[Member, ...]:
        """Members here and in the base."""
        return self.members + (self.base.members if self.base else ())

    def encode(self) -> bytes:
        """Canonical JSON: the same manifest is always the same bytes."""
        plain = asdict(self)
        if plain["base"] is None:
            del plain["base"]
        ordered = {"format": plain.pop("format"), **plain}
        return json.dumps(ordered, indent=1, ensure_ascii=False).encode() + b"\n"

    @property
    def digest(self) -> str:
        """Names this container: the digest of its manifest."""
        return digest_of(self.encode())


def digest_of(data: bytes) -> str:
    """``blake3:`` and 64 hexadecimal digits; the first 40 are those of the record's ``b3:``."""
    return "blake3:" + blake3(data).hexdigest()


def _is_literal(kind: Any) -> bool:
    return get_origin(kind) is Literal


def _structure_literal(value: Any, kind: Any) -> Any:
    if value not in kind.__args__:
        raise ValueError(f"{value!r} is none of {', '.join(kind.__args__)}")
    return value


def _structure_exactly(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise ValueError(f"{value!r} is no {kind.__name__}")
    return value


def _structure_float(value: Any, _: type) -> float:
    if type(value) not in (int, float):
        raise ValueError(f"{value!r} is no number")
    return float(value)


def _converter() -> Converter:
    conv = Converter()
    for kind in (str, int, bool):
        conv.register_structure_hook(kind, _structure_exactly)
    conv.register_structure_hook(float, _structure_float)
    conv.register_structure_hook_func(_is_literal, _structure_literal)
    return conv


def decode(data: bytes, where: str) -> Manifest:
    """Read and check a manifest.

    Raises
    ------
    ContainerTooNew
        Its format is newer.
    ContainerError
        It is no manifest, or one that contradicts itself.
    """
    plain = _plain(data, where)
    version = plain.get("format")
    if type(version) is not int or version < 1:
        raise ContainerError(f"{where}: {MANIFEST} names no format; it is no container of nbrewind")
    if version > FORMAT:
        by = plain.get("nbrewind")
        wanted = by if isinstance(by, str) and len(by) < 40 else "a newer version"
        raise ContainerTooNew(
            f"{where}: container format {version}, written by nbrewind {wanted}; this one reads formats up to "
            f"{FORMAT}: install nbrewind {wanted} or later"
        )
    try:
        manifest = _converter().structure(plain, Manifest)
    except (ClassValidationError, IterableValidationError) as error:
        raise ContainerError(f"{where}: {MANIFEST} is wrong: {'; '.join(_mistakes(error))}") from None
    check(manifest, where)
    return manifest


def _plain(data: bytes, where: str) -> dict[str, Any]:
    try:
        plain = json.loads(data, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ContainerError(f"{where}: {MANIFEST} is no JSON: {str(error)[:200]}") from None
    if not isinstance(plain, dict):
        raise ContainerError(f"{where}: {MANIFEST} is no JSON object")
    return plain


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")


def _mistakes(error: Exception) -> Iterator[str]:
    for number, line in enumerate(transform_error(error)):
        if number == 5:
            yield "and more"
            return
        yield line[:200]


def check(manifest: Manifest, where: str) -> None:
    """Raise `ContainerError` where a manifest names what cannot be."""
    everything = manifest.everything()
    for member in everything:
        check_name(member.path, where)
        if member.size < 0 or not _DIGEST.match(member.digest):
            raise ContainerError(f"{where}: the member {member.path!r} has no sound size and digest")
    for run in manifest.runs:
        if not all(0 <= moment < LAST_MOMENT for moment in (run.started, run.ended or 0.0)):
            raise ContainerError(f"{where}: the run {run.id[:60]!r} has no sound time")
    check_distinct([*(member.path for member in everything), MANIFEST, SIGNATURE], where)
    check_name(manifest.notebook, where)
    check_name(manifest.record, where)
    if not any(each.path == manifest.notebook and each.role == "notebook" for each in manifest.members):
        raise ContainerError(f"{where}: the notebook {manifest.notebook!r} is no member of it")
    if "/" in manifest.notebook or not manifest.notebook.endswith(".ipynb"):
        raise ContainerError(f"{where}: {manifest.notebook!r} is no name of a notebook")
    if manifest.record != record_of(manifest.notebook):
        raise ContainerError(f"{where}: the record {manifest.record!r} is not that of {manifest.notebook!r}")
    _check_record(manifest.record, everything, where)


def record_of(notebook: str) -> str:
    """Where the record of a notebook lies in a container."""
    return notebook.removesuffix(".ipynb") + ".nbrewind"


_IN_RECORD = re.compile(
    r"record\.json|runs/[\w.-]+\.log|objects/[0-9a-f]{2}/[0-9a-f]{38}|checkpoints/[\w.-]+\.h5"
)


def _check_record(record: str, members: Sequence[Member], where: str) -> None:
    """What lies in the record's folder must be what records are made of, and nothing else may be called one."""
    for member in members:
        inside = member.path.startswith(record + "/")
        if inside != (member.role == "record"):
            raise ContainerError(f"{where}: the member {member.path!r} is not what its role says")
        if inside and not _IN_RECORD.fullmatch(member.path[len(record) + 1 :]):
            raise ContainerError(f"{where}: the member {member.path!r} is no part of a record")
        if not inside and ".nbrewind" in member.path.casefold():
            raise ContainerError(f"{where}: the member {member.path!r} would be taken for another record")
