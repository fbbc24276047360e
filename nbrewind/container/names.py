"""What a member of a container may be called, so that it lands inside the target on any file system."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from nbrewind.errors import ContainerError

LONGEST = 255
"""Bytes of one part of a path: what common file systems take."""
DEEPEST = 64
_RESERVED = {"con", "prn", "aux", "nul", *(f"{word}{n}" for word in ("com", "lpt") for n in range(1, 10))}


def check_name(name: str, where: str) -> str:
    """Return the name of a member, unless it could lead out of the target.

    Parameters
    ----------
    name
        A relative path with ``/`` between its parts.
    where
        The container, for the message.

    Raises
    ------
    ContainerError
        It is absolute, has ``..`` or ``.`` in it, or characters that some file systems read otherwise.
    """
    why = _what_is_wrong(name)
    if why:
        raise ContainerError(f"{where}: the member {_shown(name)} is refused: {why}")
    return name


def _what_is_wrong(name: str) -> str:
    if not isinstance(name, str) or not name:
        return "it has no name"
    if name.startswith("/") or name[1:2] == ":":
        return "its name is an absolute path"
    if "\\" in name:
        return "there is a backslash in its name"
    if any(unicodedata.category(char) in ("Cc", "Cs", "Cf") for char in name):
        return "there are control characters in its name"
    parts = name.split("/")
    if ".." in parts:
        return "its name leads out of the container"
    if "" in parts or "." in parts:
        return "its name has empty parts"
    if len(parts) > DEEPEST or any(len(part.encode()) > LONGEST for part in parts):
        return "its name is too long"
    if any(part != part.rstrip(" .") or part.split(".")[0].casefold() in _RESERVED for part in parts):
        return "its name means something else on other systems"
    return ""


def check_distinct(names: Iterable[str], where: str) -> None:
    """Raise `ContainerError` when two members would be one file somewhere, or one the folder of another."""
    seen: dict[str, str] = {}
    for name in names:
        folded = _folded(name)
        if folded in seen:
            same = seen[folded] == name
            why = "is there twice" if same else f"differs from {_shown(seen[folded])} only in case or accents"
            raise ContainerError(f"{where}: the member {_shown(name)} {why}")
        seen[folded] = name
    folders: dict[str, str] = {}
    for folded, name in seen.items():
        at = folded.find("/")
        while at >= 0:
            folder = folded[:at]
            if folder in seen:
                raise ContainerError(
                    f"{where}: the member {_shown(seen[folder])} is also the folder of {_shown(name)}"
                )
            spelt = folders.setdefault(folder, _head(name, folder.count("/")))
            if spelt != _head(name, folder.count("/")):
                raise ContainerError(
                    f"{where}: the folder of {_shown(name)} differs from {_shown(spelt)} only in case or accents"
                )
            at = folded.find("/", at + 1)


def _head(name: str, depth: int) -> str:
    return "/".join(name.split("/")[: depth + 1])


def _folded(name: str) -> str:
    """What case-blind and normalising file systems take a name for."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", name).casefold())


def _shown(name: str) -> str:
    text = repr(name)
    return text if len(text) <= 120 else text[:117] + "…"
