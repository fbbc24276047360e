"""Containers as nobody packs them."""

from __future__ import annotations

import json
import stat
import zipfile
from pathlib import Path

from nbrewind.container.manifest import MANIFEST, digest_of


class Forged:
    """The members of a container, to be changed and written again."""

    def __init__(self, container: Path) -> None:
        with zipfile.ZipFile(container) as archive:
            self.members = {name: archive.read(name) for name in archive.namelist()}
        self.manifest = json.loads(self.members.pop(MANIFEST))
        self.entries: list[tuple[zipfile.ZipInfo, bytes]] = []

    def listed(self, path: str) -> dict:
        """What the manifest says of a member."""
        return next(member for member in self.manifest["members"] if member["path"] == path)

    def add(self, path: str, content: bytes = b"evil\n", role: str = "data") -> Forged:
        """A member more, of which the manifest tells the truth."""
        self.members[path] = content
        about = {"path": path, "size": len(content), "digest": digest_of(content), "role": role}
        self.manifest["members"].append({**about, "executable": False})
        return self

    def put(self, path: str, content: bytes) -> Forged:
        """Other content, of which the manifest tells the truth."""
        self.members[path] = content
        self.listed(path).update(size=len(content), digest=digest_of(content))
        return self

    def entry(self, path: str, content: bytes = b"evil\n", **fields) -> Forged:
        """A zip entry more, with odd fields."""
        info = zipfile.ZipInfo(path)
        info.external_attr = 0o100644 << 16
        for name, value in fields.items():
            setattr(info, name, value)
        self.entries.append((info, content))
        return self

    def zip(self, place: Path, compression: int = zipfile.ZIP_STORED, manifest: bytes | None = None) -> Path:
        raw = json.dumps(self.manifest).encode() if manifest is None else manifest
        with zipfile.ZipFile(place, "w", compression) as archive:
            for path, content in {**self.members, MANIFEST: raw}.items():
                archive.writestr(path, content)
            for info, content in self.entries:
                archive.writestr(info, content)
        return place

    def folder(self, place: Path) -> Path:
        for path, content in {**self.members, MANIFEST: json.dumps(self.manifest).encode()}.items():
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_bytes(content)
        return place


LINK, DEVICE, PIPE = (kind | 0o644 for kind in (stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO))
