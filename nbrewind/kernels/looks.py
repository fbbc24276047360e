"""What front ends ask of a kernel between cells: completion, inspection, the debugger's variables.

A restored variable has no value until something needs it. A front end that looks at one needs it.
"""

from __future__ import annotations

import contextlib
import re
from typing import Any

from ipykernel.ipkernel import IPythonKernel

_NAME = re.compile(r"[^\W\d]\w*")
_TYPED = re.compile(r"(?<![\w.])[^\W\d]\w*\Z")
_SHOWS_VARIABLES = frozenset({"inspectVariables", "richInspectVariables", "copyToGlobals", "evaluate"})


class LookedAtKernel(IPythonKernel):
    """ipykernel's, with restored variables put in place before a front end looks at them."""

    _nbrewind: Any = None

    def bring(self, names: set[str] | None) -> None:
        """Put values that are saved in place; `None` asks for all. What must be made again is left out."""
        session = self._nbrewind
        if session is None:
            return
        with contextlib.suppress(Exception):
            known = session.variables.names()
            session.variables.materialise(known if names is None else known & names)

    def bring_for(self, expressions: Any) -> None:
        """Put in place what the expressions of an execute request name."""
        if isinstance(expressions, dict) and expressions:
            self.bring(set(_NAME.findall(" ".join(map(str, expressions.values())))))

    def do_complete(self, code: str, cursor_pos: int | None) -> dict[str, Any]:
        """Complete names and attributes, those of restored variables among them."""
        typed = code[:cursor_pos]
        line = typed.rpartition("\n")[2]
        self.bring(set(_NAME.findall(line)))
        reply: dict[str, Any] = super().do_complete(code, cursor_pos)
        if self._nbrewind is not None and (begun := _TYPED.search(typed)):
            lazy = sorted(n for n in self._nbrewind.variables.lazy() if n.startswith(begun[0]))
            reply["matches"] = list(dict.fromkeys([*reply["matches"], *lazy]))
        return reply

    def do_inspect(self, code: str, cursor_pos: int, *args: Any, **more: Any) -> Any:
        """Describe what the cursor is on."""
        self.bring(set(_NAME.findall(code)))
        return super().do_inspect(code, cursor_pos, *args, **more)

    async def do_debug_request(self, msg: dict[str, Any]) -> Any:
        """Serve the debugger, whose list of variables is of all variables."""
        if msg.get("command") in _SHOWS_VARIABLES:
            self.bring(None)
        return await super().do_debug_request(msg)
