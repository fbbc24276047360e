"""A file on the web, read by ranges: what is not asked for is not transferred."""

from __future__ import annotations

import io
import os
import re
from http.client import HTTPException
from importlib import import_module
from typing import Any, BinaryIO, cast
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from nbrewind import __version__
from nbrewind.errors import ContainerError

BLOCK = 256 << 10
"""Bytes of the least request: a zip's directory and the manifest come in few of them."""
FORWARD = 8 << 20
"""Bytes of a request while members are read one after the other."""
TIMEOUT = 60.0
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)\Z")


def open_address(url: str) -> BinaryIO:
    """Open a file by its address: http and https here, all else through fsspec where that is installed.

    Raises
    ------
    ContainerError
        It cannot be had, or only as a whole.
    """
    if url.startswith(("http://", "https://")):
        return cast("BinaryIO", io.BufferedReader(RangeFile(url), BLOCK))
    try:
        fsspec: Any = import_module("fsspec")
    except ImportError:
        raise ContainerError(
            f"{url}: only http and https are read without fsspec; pip install fsspec, or download the file first"
        ) from None
    try:
        return cast("BinaryIO", fsspec.open(url, "rb").open())
    except Exception as error:
        raise ContainerError(f"{url}: cannot be read ({error})") from error


class RangeFile(io.RawIOBase):
    """A seekable file behind a server that serves ranges (RFC 9110, section 14)."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url, self._at = url, 0
        self._start, self._data = 0, b""
        self._size, self._start, self._data = self._ask(f"bytes=-{BLOCK}")

    def _ask(self, wanted: str) -> tuple[int, int, bytes]:
        """Size of the whole, offset, and bytes of a range."""
        request = Request(self._url, headers={"Range": wanted, "User-Agent": f"nbrewind/{__version__}"})
        try:
            with urlopen(request, timeout=TIMEOUT) as answer:
                found = _RANGE.match(answer.headers.get("Content-Range", ""))
                if answer.status != 206 or found is None:
                    raise ContainerError(
                        f"{self._url}: its server does not serve parts of files; download it first"
                    )
                first, last, size = map(int, found.groups())
                data = answer.read(last - first + 1)
        except ContainerError:
            raise
        except HTTPError as error:
            raise ContainerError(f"{self._url}: {error.code} {error.reason}") from None
        except (URLError, HTTPException, OSError, ValueError) as error:
            raise ContainerError(f"{self._url}: cannot be had ({getattr(error, 'reason', error)})") from None
        return size, first, data

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move; nothing is asked yet."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(base + offset, 0)
        return self._at

    def tell(self) -> int:
        """Where the next byte comes from."""
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill from what is here, or else from the next range."""
        if self._at >= self._size:
            return 0
        if not self._start <= self._at < self._start + len(self._data):
            self._fetch()
        part = self._data[self._at - self._start :][: len(buffer)]
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)

    def _fetch(self) -> None:
        onward = self._at == self._start + len(self._data)
        end = min(self._at + (FORWARD if onward else BLOCK), self._size) - 1
        size, start, data = self._ask(f"bytes={self._at}-{end}")
        if (size, start) != (self._size, self._at) or not data:
            raise ContainerError(f"{self._url}: it changed while it was read")
        self._start, self._data = start, data
