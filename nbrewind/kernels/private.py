"""A kernel that only its user can talk to: over Unix sockets in a folder of mode 0700.

On a shared login node, an open TCP port would let others try.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from traitlets import Type

from nbrewind.errors import UsageError
from nbrewind.kernels import specs
from nbrewind.kernels.settings import Settings

_LONGEST = 60  # of a Unix socket's path, 107 bytes are allowed; what is put below the folder needs some


class PrivateClient(AsyncKernelClient):
    """Is ready as soon as the kernel has answered on both channels.

    Jupyter's own waits until nothing has come for a while: others could talk to the kernel too. Here nobody can.
    """

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """Return when the kernel answers, and what it publishes arrives.

        Raises
        ------
        RuntimeError
            The kernel died, or did not answer within `timeout` seconds.
        """
        end = time.monotonic() + (float("inf") if timeout is None else timeout)
        while not (await self._answers() and await self._publishes()):
            if not await self._async_is_alive():
                raise RuntimeError("it died before it answered")
            if time.monotonic() > end:
                raise RuntimeError(f"it did not answer in {timeout:g} seconds")

    async def _answers(self) -> bool:
        self.kernel_info()
        try:
            reply = await self.get_shell_msg(timeout=1)
        except Empty:
            return False
        return bool(reply["msg_type"] == "kernel_info_reply")

    async def _publishes(self) -> bool:
        """Whether the answer's end was seen; what was published before this client listened is lost."""
        while True:
            try:
                message = await self.get_iopub_msg(timeout=0.2)
            except Empty:
                return False
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return True


class PrivateManager(AsyncKernelManager):
    """Interrupts no kernel that has nothing to do: at shutdown it would only complain."""

    at_rest = False
    shutdown_wait_time = 30.0
    client_factory = Type(PrivateClient, klass=AsyncKernelClient)

    async def _async_finish_shutdown(
        self, waittime: float | None = None, pollinterval: float = 0.01, restart: bool = False
    ) -> None:
        await super()._async_finish_shutdown(waittime, pollinterval, restart)

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
