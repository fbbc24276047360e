"""Where the programs that stand in for others ask what to do: a socket, and a thread for each that asks."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

Request = dict[str, Any]
Answer = dict[str, Any]
"""What to ``do``, with what that needs; parts that JSON does not take are not sent."""


class Desk:
    """Answers questions until it is closed.

    Parameters
    ----------
    address
        A path for the socket, in a private folder.
    ask
        Answers a question.
    left
        Told the last answer to whoever was told to stay, when that one is gone.
    """

    def __init__(
        self, address: str, ask: Callable[[Request], Answer], left: Callable[[Answer], None]
    ) -> None:
        self.address, self._ask, self._left = address, ask, left
        self._pid = os.getpid()
        self._open: set[socket.socket] = set()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(address)
        self._listener.listen()
        threading.Thread(target=self._accept, name="nbrewind-desk", daemon=True).start()

    def close(self) -> None:
        """Whoever stayed may go."""
        if os.getpid() != self._pid:
            return
        for each in (self._listener, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                visitor, _ = self._listener.accept()
            except OSError:
                return
            self._open.add(visitor)
            threading.Thread(target=self._serve, args=(visitor,), name="nbrewind-desk", daemon=True).start()

    def _serve(self, visitor: socket.socket) -> None:
        answer: Answer = {}
        try:
            with visitor, visitor.makefile("rb") as lines:
                for line in lines:
                    answer = self._ask(json.loads(line))
                    plain = {name: value for name, value in answer.items() if isinstance(value, str)}
                    visitor.sendall(json.dumps(plain).encode() + b"\n")
        except (OSError, ValueError):
            return
        finally:
            self._open.discard(visitor)
            self._left(answer)
