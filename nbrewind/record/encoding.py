"""Between the model and JSON. cattrs is imported when first needed: a kernel's start does not wait for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_origin

import attrs

from nbrewind.errors import RecordBroken
from nbrewind.record.model import CellRun, Digest, Location, Run, TaskRun

if TYPE_CHECKING:
    from cattrs import Converter

T = TypeVar("T")

_PREFIXES = {"b3": b"\x03", "b2": b"\x02"}
_NAMES = {3: "b3", 2: "b2"}


def _is_literal(type_: Any) -> bool:
    return get_origin(type_) is Literal


@cache
def converter() -> Converter:
    """The one converter; fields it does not know are ignored, and defaults are left out."""
    from cattrs import Converter

    conv = Converter(omit_if_default=True, detailed_validation=False)
    # A newer minor version may know more words; a reader compares them and needs no list.
    conv.register_structure_hook_func(_is_literal, lambda value, _: value)
    for model in (TaskRun, CellRun, Run, Location):
        conv.get_structure_hook(model)
        conv.get_unstructure_hook(model)
    return conv


def to_dict(value: Any) -> dict[str, Any]:
    """Plain form of a model object, without fields that have their default."""
    if isinstance(value, Run):  # flat, and needed before cattrs is worth importing
        return attrs.asdict(value, recurse=False)
    plain: dict[str, Any] = converter().unstructure(value)
    return plain


def to_json(plain: Mapping[str, Any]) -> bytes:
    """Compact UTF-8; lone surrogates (odd file names, odd source) survive."""
    return json.dumps(plain, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def from_json(data: bytes) -> dict[str, Any]:
    """The inverse of `to_json`."""
    plain = json.loads(data)
    if not isinstance(plain, dict):
        raise RecordBroken(f"an entry of the record is no JSON object: {data[:60]!r}")
    return plain


def decode(model: type[T], data: bytes) -> T:
    """A model object from JSON.

    Raises
    ------
    RecordBroken
        The JSON does not describe such an object.
    """
    try:
        return converter().structure(from_json(data), model)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordBroken(f"an entry of the record is no {model.__name__}: {error!r}") from error


def pack_digest(digest: Digest) -> bytes | str:
    """21 bytes for the usual digests; anything else stays as it is."""
    prefix = _PREFIXES.get(digest[:2])
    if prefix is None or len(digest) != 43 or digest[2] != ":":
        return digest
    try:
        packed = prefix + bytes.fromhex(digest[3:])
    except ValueError:
        return digest
    return packed if unpack_digest(packed) == digest else digest


def unpack_digest(packed: bytes | str) -> Digest:
    """The inverse of `pack_digest`."""
    return packed if isinstance(packed, str) else f"{_NAMES[packed[0]]}:{packed[1:].hex()}"
