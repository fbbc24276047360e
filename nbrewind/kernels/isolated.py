"""Cells without memory: every cell that runs has an interpreter of its own, and gets its state through the record.

A kernel that has run a cell is started anew before the next one. What the cells before left is taken over from their
recorded runs, lazily as in any repeat: without outputs, and without asking whether it holds, since it is what this very
run has found.
"""

from __future__ import annotations

from typing import Any

from attrs import frozen

from nbrewind.errors import CannotTravel
from nbrewind.kernels.headless import Client


@frozen
class Done:
    """A cell that this run has restored or executed, and where its effects are recorded."""

    source: str
    cell_id: str
    index: int
    tags: tuple[str, ...]
    place: str


class IsolatedClient(Client):
    """Runs a notebook in a series of kernels, each of which runs one cell at most."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._done: list[Done] = []
        self._used = False

    async def async_execute_cell(self, cell: Any, cell_index: int, *args: Any, **more: Any) -> Any:
        """Called for every cell, in order."""
        index = self.place_of(cell)
        if index is None or self.skips(cell):
            return await super().async_execute_cell(cell, cell_index, *args, **more)
        if self._used:
            await self._begin_anew()
        result = await super().async_execute_cell(cell, cell_index, *args, **more)
        told = self.reply
        if "run" in told:
            tags = tuple(cell.metadata.get("tags", []))
            self._done.append(Done(cell.source, cell.id, index, tags, f"{told['run']}/{told['seq']}"))
        self._used = told.get("action") != "restored"
        return result

    async def _begin_anew(self) -> None:
        """Start the kernel anew, and bring it to where the cells so far have led."""
        await self.flush()
        await self.km.restart_kernel()
        self.km.at_rest = False
        await self.kc.wait_for_ready(timeout=self.startup_timeout)
        for done in self._done:
            await self._take(done)

    async def _take(self, done: Done) -> None:
        own = {"index": done.index, "take": done.place}
        self.kc.session.metadata = {"cellId": done.cell_id, "tags": list(done.tags), "nbrewind": own}
        reply = await self.async_wait_for_reply(self.kc.execute(done.source)) or {}
        if reply.get("metadata", {}).get("nbrewind", {}).get("action") != "restored":
            content = reply.get("content", {})
            if content.get("ename") == CannotTravel.__name__:
                raise CannotTravel(content["evalue"])
            raise CannotTravel(
                f"what cell {done.index} left cannot be taken over by another interpreter "
                f"({content.get('evalue') or 'it is not in the record'}); repeat without --isolated"
            )
