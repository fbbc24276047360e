"""The notebooks: a pinned list, fetched once and kept below the user's cache folder."""

from __future__ import annotations

import hashlib
import tarfile
import tomllib
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import nbformat
import platformdirs
from attrs import frozen

LIST = Path(__file__).with_name("corpus.toml")
SEEDS = ("seeds", "import random\nimport numpy\nrandom.seed(1)\nnumpy.random.seed(1)")
"""Runs before each notebook, so that draws which the notebook does not seed can be compared all the same."""

Cells = Sequence[tuple[str, str]]
"""Ids and codes of a notebook's code cells."""


@frozen
class Entry:
    """One notebook: what it is called here, and where it lies."""

    name: str
    path: Path

    def cells(self) -> Cells:
        """Its code cells that hold anything, after the one that seeds generators."""
        book = nbformat.read(self.path, as_version=4)
        codes = [cell.source for cell in book.cells if cell.cell_type == "code" and cell.source.strip()]
        return [SEEDS, *((f"cell-{number}", code) for number, code in enumerate(codes))]


def entries(words: Sequence[str] = ()) -> Iterator[Entry]:
    """The notebooks of the list whose names hold one of the words."""
    for source in tomllib.loads(LIST.read_text())["source"]:
        archive = source["url"].rpartition("/")[2]
        top = archive.removesuffix(".tar.gz")
        chosen = [path for path in source["notebooks"] if _chosen(f"{top}/{path}", words)]
        if chosen:
            folder = _fetched(source["url"], source["sha256"])
            yield from (Entry(f"{top}/{path}", folder / top / path) for path in chosen)


def _chosen(name: str, words: Sequence[str]) -> bool:
    return not words or any(word in name for word in words)


def _fetched(url: str, sha256: str) -> Path:
    """The folder with the unpacked archive.

    Raises
    ------
    ValueError
        What came is not what is pinned.
    """
    folder = platformdirs.user_cache_path("nbrewind") / "corpus"
    done = folder / sha256[:16]
    if not done.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(url, timeout=120) as answer:
            data = answer.read()
        if hashlib.sha256(data).hexdigest() != sha256:
            raise ValueError(f"{url} is not the archive that the list pins")
        unpacking = done.with_suffix(".part")
        archive = unpacking.with_suffix(".tar.gz")
        archive.write_bytes(data)
        with tarfile.open(archive) as opened:
            opened.extractall(unpacking, filter="data")
        archive.unlink()
        unpacking.rename(done)
    return done
