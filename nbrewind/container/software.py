"""``environment.yml`` and ``requirements.txt``: what Binder, conda and pip need to make the notebook run."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nbrewind.container.deeds import Deeds

_NAME, _VERSION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"), re.compile(r"[A-Za-z0-9.!+_-]+")


def files(deeds: Deeds) -> dict[str, bytes]:
    """Their content, by name: what the notebook's cells were seen to use, in the versions that they used."""
    wanted = sorted(_wanted(deeds))
    text = "".join(f"{line}\n" for line in wanted)
    return {"environment.yml": _environment(deeds, wanted).encode(), "requirements.txt": text.encode()}


def _wanted(deeds: Deeds) -> Iterator[str]:
    for name, version in deeds.software.items():
        if name != "python" and _NAME.fullmatch(name) and _VERSION.fullmatch(version):
            yield f"{name}=={version}"
    if deeds.engines and "cloudpickle" not in deeds.software:
        yield "cloudpickle"


def _environment(deeds: Deeds, wanted: list[str]) -> str:
    python = deeds.software.get("python") or ".".join(deeds.run.python.split(".")[:2])
    exact = f"={python}" if _VERSION.fullmatch(python) else ""
    lines = [
        "channels:",
        "- conda-forge",
        "- nodefaults",
        "dependencies:",
        f"- python{exact}",
        "- ipykernel",
        "- pip",
    ]
    if deeds.engines:
        lines.append("- ndcctools")  # not on PyPI
    if wanted:
        lines += ["- pip:", *(f"  - {line}" for line in wanted)]
    return "\n".join(lines) + "\n"
