"""A kernel that only its user can talk to: over Unix sockets in a folder of mode 0700.

On a shared login node, an open TCP port would let others try.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

from nbrewind.errors import UsageError
from nbrewind.kernels import specs
from nbrewind.kernels.settings import Settings

_LONGEST = 60  # of a Unix socket's path, 107 bytes are allowed; what is put below the folder needs some


class PrivateManager(AsyncKernelManager):
    """Interrupts no kernel that has nothing to do: at shutdown it would only complain."""

    at_rest = False
    shutdown_wait_time = 30.0

    async def _async_interrupt_kernel(self) -> None:
        if not self.at_rest:
            await super()._async_interrupt_kernel()


@contextlib.contextmanager
def private_manager(settings: Settings) -> Iterator[Any]:
    """A manager of a kernel of the kind that `settings` names.

    Raises
    ------
    UsageError
        No folder takes the sockets.
    """
    with _socket_folder() as folder:
        manager = PrivateManager(
            transport="ipc",
            ip=str(folder / "k"),
            connection_file=str(folder / "kernel.json"),
        )
        name = f"nbrewind-{settings.kind}"
        manager._kernel_spec = KernelSpec(**specs.spec(name, sys.executable), name=name)
        yield manager


@contextlib.contextmanager
def _socket_folder() -> Iterator[Path]:
    """A folder for sockets; one with a short name, because the system cuts the paths of sockets short."""
    wanted = os.environ.get("TMPDIR") or tempfile.gettempdir()
    tried = [wanted, os.environ.get("XDG_RUNTIME_DIR", ""), "/tmp", "/dev/shm"]
    for parent in tried:
        if not parent or len(os.fsencode(parent)) > _LONGEST:
            continue
        try:
            made = tempfile.TemporaryDirectory(prefix="nbrewind-", dir=parent, ignore_cleanup_errors=True)
        except OSError:
            continue
        with made as folder:
            yield Path(folder)
        return
    raise UsageError(
        f"no folder takes the kernel's sockets (tried {', '.join(filter(None, tried))}): "
        "set TMPDIR to a writable folder with a short path"
    )
