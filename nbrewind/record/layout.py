"""What a record's folder looks like, and whether it is one that this version can read."""

from __future__ import annotations

import json
import os
import secrets
import time
from pathlib import Path

import nbrewind
from nbrewind.errors import RecordBroken, RecordError, RecordTooNew, UsageError
from nbrewind.record.disk import make_folder, write_atomically, writing

SCHEMA = 1
FOLDERS = ("runs", "objects", "checkpoints", "locks")
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_run_id(started: float) -> str:
    """A run's name: sorts by time (local, to the second), short to type, like ``20261121-091103-k3f9``."""
    word = "".join(secrets.choice(_ALPHABET) for _ in range(4))
    return time.strftime("%Y%m%d-%H%M%S-", time.localtime(started)) + word


def check_run_id(run_id: str) -> None:
    """Raise `UsageError` when a run's name is no name for a file."""
    if run_id[:1] in ".-" or not run_id.replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise UsageError(f"{run_id!r} is no name for a run: use letters, digits, '-', '_' and '.'")


def make_folders(path: Path) -> None:
    """Make the folders of a record, as far as they are missing."""
    with writing(path):
        for name in FOLDERS:
            make_folder(path / name)


def make(path: Path, *, create: bool) -> None:
    """Make a record; folders without ``record.json`` are taken for the beginnings of one.

    Raises
    ------
    RecordError
        There is none, or the folder holds something else.
    RecordUnwritable
        It cannot be made.
    """
    if not create:
        raise RecordError(f"there is no record at {path}: `nbrewind audit` makes one")
    with writing(path):
        make_folder(path)
        if any(
            name not in FOLDERS for name in os.listdir(path) if not name.startswith(("index.sqlite", "."))
        ):
            raise RecordError(
                f"{path} holds other files and is no record: choose another folder with --record DIR"
            )
        make_folders(path)
        write_atomically(path / "record.json", fresh_about())


def fresh_about() -> bytes:
    """``record.json`` of a record that is made now."""
    about = {"schema": SCHEMA, "created": time.time(), "nbrewind": nbrewind.__version__}
    return json.dumps(about, indent=1).encode() + b"\n"


def check(path: Path) -> None:
    """Read ``record.json``.

    Raises
    ------
    RecordTooNew
        A newer version made it.
    RecordBroken
        It is damaged.
    """
    about_path = path / "record.json"
    try:
        about = json.loads(about_path.read_bytes())
        schema, version = int(about["schema"]), str(about.get("nbrewind", ""))
    except OSError as error:
        raise RecordError(f"{about_path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordBroken(
            f"{about_path} is damaged: put it back from a copy, or move {path} away to record anew"
        ) from error
    if schema > SCHEMA:
        raise RecordTooNew(
            f"{path} has schema {schema}, written by nbrewind {version or '(unknown)'}; this is nbrewind "
            f"{nbrewind.__version__}, which reads up to schema {SCHEMA}: install nbrewind {version or 'newer'} or later"
        )
