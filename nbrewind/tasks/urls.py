"""What identifies the content behind a URL, asked of its server when a task that takes it is submitted."""

from __future__ import annotations

import os
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Literal
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import Request, urlopen

from attrs import frozen

from nbrewind.record.digests import digest_bytes

SMALL = 1 << 20
"""Up to here the content itself is read, which says more than what its server says of it."""
TIMEOUT = 10
_SETTLED = 2
"""Seconds after which a time of modification in whole seconds names one content."""


@frozen
class Content:
    """What is known of the content behind a URL.

    Parameters
    ----------
    kind
        ``content``: `text` is its digest; ``url``: the address and what its server calls this version;
        ``file``: a path of this machine; ``unknown``: why nothing can be said.
    """

    kind: Literal["content", "url", "file", "unknown"]
    text: str


def look_at(url: str) -> Content:
    """Ask a server what lies behind a URL; other schemes than HTTP and files count by their address.

    Parameters
    ----------
    url
        As the notebook declared it.
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        path = unquote(parts.path)
        return Content("file", path) if os.path.exists(path) else Content("url", url)
    if parts.scheme not in ("http", "https"):
        return Content("url", url)
    try:
        return _ask(url)
    except (OSError, ValueError, URLError) as error:
        reason = getattr(error, "reason", None) or error
        return Content("unknown", f"{url} cannot be reached from here ({reason}), so tasks that take it run")


def _ask(url: str) -> Content:
    try:
        answer = _open(url, "HEAD")
    except HTTPError as error:
        if error.code not in (403, 405, 501):
            raise
        answer = _open(url, "GET")
    with answer:
        headers = answer.headers
    size = headers.get("Content-Length", "")
    if size.isdigit() and int(size) <= SMALL:
        with _open(url, "GET") as body:
            data = body.read(SMALL + 1)
        if len(data) == int(size):
            return Content("content", digest_bytes(data))
    version = _version(headers)
    if version:
        return Content("url", f"{url} {size} {version}")
    return Content("unknown", f"the server of {url} does not say when it changed, so tasks that take it run")


def _open(url: str, method: str) -> Any:
    return urlopen(Request(url, method=method, headers={"Accept-Encoding": "identity"}), timeout=TIMEOUT)


def _version(headers: Mapping[str, str]) -> str:
    """What a server calls this content, where that changes with it."""
    tag = headers.get("ETag")
    if tag:
        return tag
    try:
        modified = parsedate_to_datetime(headers["Last-Modified"])
        age = (parsedate_to_datetime(headers["Date"]) - modified).total_seconds()
    except (KeyError, TypeError, ValueError):
        return ""
    return modified.isoformat() if age > _SETTLED else ""
