"""What the index keeps of each kind of entry, and the payloads that are no model objects."""

from __future__ import annotations

from typing import Any

import xxhash

from nbrewind.record import log as logs
from nbrewind.record.encoding import from_json, pack_digest, to_dict, unpack_digest
from nbrewind.record.index import Row
from nbrewind.record.model import Digest, Location

USABLE = ("executed", "restored", "rebuilt")
"""Actions whose cell runs are evidence of what the code does."""


def log_number(name: str) -> int:
    """A log's number in the index: 47 bits of the hash of its name, the same in every process."""
    return int(xxhash.xxh3_64_intdigest(name.encode()) >> 17)


def cell_row(log: int, offset: int, cell: dict[str, Any]) -> Row:
    """Row of `cells`."""
    ok = cell.get("status", "ok") == "ok" and cell["action"] in USABLE
    return (log, offset, cell["run"], cell["seq"], pack_digest(cell["code"]), cell["started"], int(ok))


def task_row(log: int, offset: int, task: dict[str, Any]) -> Row:
    """Row of `tasks`."""
    at = task.get("finished") or task.get("submitted") or 0.0
    return (log, offset, pack_digest(task["key"]), task["status"], at, task["cell_id"])


def blob_row(log: int, offset: int, digest: Digest, size: int, *, tree: bool) -> Row:
    """Row of `blobs`."""
    return (pack_digest(digest), log, offset, size, int(tree))


def saved_row(log: int, offset: int, saved: dict[str, Any]) -> Row:
    """Row of `saved`."""
    return (pack_digest(saved["digest"]), log, offset, saved["file"])


def saved_entry(digest: Digest, location: Location) -> dict[str, Any]:
    """Payload of a `SAVED` entry."""
    return {"digest": digest, **to_dict(location)}


def blob_digest(payload: bytes) -> Digest:
    """Digest in front of content."""
    return unpack_digest(b"\x03" + payload[: logs.DIGEST_SIZE])


def raw_digest(digest: Digest) -> bytes:
    """What stands in front of content."""
    return bytes.fromhex(digest[3:])


def used_entry(keys: list[Digest]) -> bytes:
    """Payload of a `USED` entry: task keys that were served from the record, 21 bytes each."""
    return b"".join(packed for packed in map(pack_digest, keys) if isinstance(packed, bytes))


def used_keys(payload: bytes) -> list[Digest]:
    """The inverse of `used_entry`."""
    return [unpack_digest(payload[at : at + 21]) for at in range(0, len(payload), 21)]


def index_row(log: int, frame: logs.Frame) -> tuple[str, Row] | None:
    """Table and row for an entry that was read from a log; ``None``: the index does not need it."""
    if frame.kind in logs.CONTENT:
        digest, size = blob_digest(frame.payload), frame.size - logs.DIGEST_SIZE
        return "blobs", blob_row(log, frame.offset, digest, size, tree=frame.kind == logs.TREE)
    if frame.kind == logs.TASK:
        return "tasks", task_row(log, frame.offset, from_json(frame.payload))
    if frame.kind == logs.CELL:
        return "cells", cell_row(log, frame.offset, from_json(frame.payload))
    if frame.kind == logs.SAVED:
        return "saved", saved_row(log, frame.offset, from_json(frame.payload))
    return None
