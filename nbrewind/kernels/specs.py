"""Kernelspecs: what Jupyter needs to know to offer the two kernels."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

NAMES = ("nbrewind-audit", "nbrewind-repeat")
_TITLES = {"nbrewind-audit": "NBRewind audit", "nbrewind-repeat": "NBRewind repeat"}


def spec(name: str, python: str = sys.executable) -> dict[str, Any]:
    """Content of ``kernel.json``.

    Parameters
    ----------
    name
        ``nbrewind-audit`` or ``nbrewind-repeat``.
    python
        The interpreter; plain ``python`` in the wheel, which Jupyter resolves to its own.
    """
    kind = name.removeprefix("nbrewind-")
    return {
        "argv": [python, "-m", "nbrewind.kernels.launch", kind, "-f", "{connection_file}"],
        "display_name": _TITLES[name],
        "language": "python",
        "interrupt_mode": "signal",
        "metadata": {"debugger": True, "nbrewind": {"kind": kind}},
    }


def install(*, user: bool = False, prefix: str | None = None) -> list[Path]:
    """Install both kernelspecs.

    Parameters
    ----------
    user
        Into the user's own Jupyter folder.
    prefix
        Into ``PREFIX/share/jupyter/kernels``.

    Returns
    -------
    list of Path
        The folders written.

    Raises
    ------
    OSError
        A folder cannot be written.
    """
    manager = KernelSpecManager()
    written = []
    for name in NAMES:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "kernel.json").write_text(json.dumps(spec(name), indent=1) + "\n")
            for logo in Path(__file__).with_name("logos").glob("*.svg"):
                Path(folder, logo.name).write_bytes(logo.read_bytes())
            written.append(Path(manager.install_kernel_spec(folder, name, user=user, prefix=prefix)))
    return written


def _manager(prefix: str | None) -> KernelSpecManager:
    """What finds kernelspecs: where Jupyter looks, or below one folder only."""
    if prefix is None:
        return KernelSpecManager()
    folder = str(Path(prefix, "share", "jupyter", "kernels"))
    return KernelSpecManager(kernel_dirs=[folder], ensure_native_kernel=False)


def installed(prefix: str | None = None) -> dict[str, Path]:
    """Where Jupyter finds each kernelspec, by name; those it does not find are left out."""
    manager = _manager(prefix)
    found = {}
    for name in NAMES:
        try:
            found[name] = Path(manager.get_kernel_spec(name).resource_dir)
        except NoSuchKernel:
            continue
    return found


def remove(prefix: str | None = None) -> list[str]:
    """Remove both kernelspecs; returns the names of those that were there."""
    manager = _manager(prefix)
    present = list(installed(prefix))
    for name in present:
        manager.remove_kernel_spec(name)
    return present
