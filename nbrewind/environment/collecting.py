"""Looking at the environment of this process, layer by layer.

A stamp says whether anything can have changed since the last look: looking at some hundred packages takes a while, and
mostly nothing has.
"""

from __future__ import annotations

import json
import locale
import os
import platform
import sys
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from nbrewind.cells.distributions import header
from nbrewind.record.digests import digest_bytes, digest_text
from nbrewind.record.model import Digest
from nbrewind.record.redaction import Redactor

SCHEMA = 1
THREADS = (
    "OMP_NUM_THREADS OMP_PROC_BIND OMP_PLACES MKL_NUM_THREADS OPENBLAS_NUM_THREADS NUMEXPR_NUM_THREADS "
    "BLIS_NUM_THREADS VECLIB_MAXIMUM_THREADS NUMBA_NUM_THREADS"
).split()
LOCALE = (
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_CTYPE",
    "LC_NUMERIC",
    "LC_COLLATE",
    "LC_TIME",
    "TZ",
    "PYTHONHASHSEED",
)
_SITES = ("site-packages", "dist-packages")


def collect() -> dict[str, Any]:
    """All layers, as plain data fit for JSON; equal environments give equal data."""
    return {
        "schema": SCHEMA,
        "stamp": stamp(),
        "python": {
            "version": platform.python_version(),
            "implementation": sys.implementation.name,
            "build": " ".join(platform.python_build()),
            "compiler": platform.python_compiler(),
        },
        "packages": packages(),
        "conda": conda(),
        "modules": [name for name in os.environ.get("LOADEDMODULES", "").split(":") if name],
        **_quick(),
    }


def collect_once() -> bytes:
    """What `as_bytes` makes of `collect`, looked up where this user's processes have looked before."""
    from platformdirs import user_cache_path

    now = stamp()
    kept = user_cache_path("nbrewind") / "environments" / f"{now.partition(':')[2]}.json"
    with suppress(OSError, ValueError):
        data = kept.read_bytes()
        if json.loads(data)["stamp"] == now:
            return data
    data = as_bytes(collect())
    with suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        own = kept.with_suffix(f".{os.getpid()}")
        own.write_bytes(data)
        own.replace(kept)
    return data


def as_bytes(environment: dict[str, Any]) -> bytes:
    """The form in which the record keeps it."""
    return json.dumps(environment, sort_keys=True, ensure_ascii=False).encode()


def stamp() -> Digest:
    """Changes whenever `collect` could find something else: packages by the times of the folders they lie in."""
    folders = [Path(path) for path in sys.path if Path(path).name in _SITES]
    folders.append(Path(sys.prefix) / "conda-meta")
    times = [[str(path), _time(path)] for path in folders]
    seen = [SCHEMA, sys.version, times, os.environ.get("LOADEDMODULES", ""), _quick()]
    return digest_bytes(json.dumps(seen, sort_keys=True).encode())


def _time(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _quick() -> dict[str, Any]:
    """The layers that cost nothing."""
    uname = os.uname()
    model, flags = _processor()
    return {
        "system": {
            "system": uname.sysname,
            "release": uname.release,
            "libc": " ".join(platform.libc_ver()).strip(),
            "machine": uname.machine,
        },
        "cpu": {"model": model, "features": flags, "cores": os.cpu_count() or 0},
        "threads": {name: os.environ[name] for name in THREADS if name in os.environ},
        "locale": {
            **{name: os.environ[name] for name in LOCALE if name in os.environ},
            "encoding": locale.getencoding(),
        },
    }


def _processor() -> tuple[str, list[str]]:
    model, flags = platform.machine(), ""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                name, _, value = line.partition(":")
                if name.strip() == "model name":
                    model = value.strip()
                elif name.strip() in ("flags", "Features"):
                    flags = value
                    break
    except OSError:
        pass
    return model, sorted(flags.split())


def packages() -> dict[str, dict[str, Any]]:
    """Installed distributions by name: version, digest of the list of their files, and where they came from."""
    found: dict[str, dict[str, Any]] = {}
    for one in metadata.distributions():
        about = one.read_text("METADATA") or one.read_text("PKG-INFO") or ""
        name = header(about, "Name")
        if not name or name in found:
            continue
        entry: dict[str, Any] = {"version": header(about, "Version")}
        files = one.read_text("RECORD")
        if files:
            entry["files"] = digest_text(files)
        origin = _origin(one.read_text("direct_url.json"))
        if origin:
            entry["origin"] = origin
        installer = (one.read_text("INSTALLER") or "").strip()
        if installer:
            entry["installer"] = installer
        found[name] = entry
    return dict(sorted(found.items()))


def _origin(text: str | None) -> dict[str, Any]:
    """Where a distribution came from, as PEP 610 tells; without the password that may be in the address."""
    try:
        origin = json.loads(text) if text else {}
    except ValueError:
        return {}
    if isinstance(origin, dict) and isinstance(origin.get("url"), str):
        return {**origin, "url": Redactor().text(origin["url"])}
    return {}


def conda() -> list[dict[str, str]]:
    """Packages that conda installed, as in its explicit lists: address, version, build and checksum."""
    found = []
    for path in sorted((Path(sys.prefix) / "conda-meta").glob("*.json")):
        try:
            about = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if not isinstance(about, dict):
            continue
        kept = {
            name: str(about[name]) for name in ("name", "version", "build", "md5", "sha256") if name in about
        }
        found.append({**kept, "url": Redactor().text(str(about.get("url", "")))})
    return found
