"""Content by digest, wherever in the record it lies."""

from __future__ import annotations

import os
from pathlib import Path

from nbrewind.errors import RecordBroken
from nbrewind.record import log as logs
from nbrewind.record.catalog import Catalog
from nbrewind.record.digests import digest_bytes
from nbrewind.record.index import Row
from nbrewind.record.model import Digest
from nbrewind.record.objects import Objects, restore_file, restore_tree
from nbrewind.record.trees import parse

_KINDS = b"".join(logs.CONTENT)


class Content:
    """Reads what `RunWriter.put` stored: small content from the logs, big from its own files."""

    def __init__(self, folder: Path, catalog: Catalog, objects: Objects) -> None:
        self._folder, self._catalog, self._objects = folder, catalog, objects

    def has(self, digest: Digest) -> bool:
        """Whether it is here."""
        return bool(self._rows(digest)) or self._objects.has(digest)

    def _rows(self, digest: Digest) -> list[Row]:
        return self._catalog.ask(lambda index: index.blobs(digest))

    def get(self, digest: Digest) -> bytes:
        """All of it, verified; see `Record.blob`."""
        rows = self._rows(digest)
        for row in rows:
            payload = self._catalog.read(row[1], row[2], _KINDS)
            if payload is not None and digest_bytes(content := payload[logs.DIGEST_SIZE :]) == digest:
                return content
        if rows and self._still_there(digest) and not self._objects.has(digest):
            raise RecordBroken(
                f"the content {digest} in {self._folder} is damaged; what needs it must run again"
            )
        return self._objects.read(digest)

    def _still_there(self, digest: Digest) -> bool:
        """Whether the index goes on to name what could not be read, and not because it went; forgets it."""
        rows = self._rows(digest)
        self._catalog.ask(lambda index: index.forget_blob(digest))
        return bool(rows)

    def to_file(self, digest: Digest, target: Path, mode: int) -> None:
        """Put it at a path; see `Record.blob_to_file`."""
        rows = self._rows(digest)
        if rows and rows[0][4]:
            restore_tree(target, parse(self.get(digest)), self._fill)
        else:
            restore_file(target, mode, lambda file: self._fill(digest, file))

    def _fill(self, digest: Digest, file: int) -> None:
        if self._objects.has(digest):
            self._objects.copy(digest, file)
            return
        view = memoryview(self.get(digest))
        while view:
            view = view[os.write(file, view) :]
