"""logging: loggers by name, the usual handlers by what they write to."""

from __future__ import annotations

import logging
from typing import Any

from nbrewind.state.guard import HookError
from nbrewind.state.registry import register_reducer


def reduce_logger(logger: logging.Logger) -> tuple[Any, ...]:
    """A logger, by name; its configuration is ambient state."""
    if logging.getLogger(logger.name) is not logger:
        raise HookError("it is not the logger that logging knows under its name")
    return get_logger, (logger.name,)


def get_logger(name: str) -> logging.Logger:
    """The logger of that name; the root's is ``root``."""
    return logging.getLogger(None if name == "root" else name)


def digest_logger(logger: logging.Logger) -> tuple[Any, ...]:
    """Its name."""
    arguments: tuple[Any, ...] = reduce_logger(logger)[1]
    return arguments


def reduce_handler(handler: logging.Handler) -> tuple[Any, ...]:
    """A handler as its class and attributes, without its lock."""
    kind = type(handler)
    kept = {name: value for name, value in vars(handler).items() if name not in ("lock", "_name")}
    if isinstance(handler, logging.FileHandler):
        kept["stream"] = None
    return make_handler, (kind, handler.name), kept, None, None, set_handler


def make_handler(kind: type[logging.Handler], name: str | None) -> logging.Handler:
    """A handler without attributes."""
    handler = kind.__new__(kind)
    logging.Handler.__init__(handler)
    handler.name = name
    return handler


def set_handler(handler: logging.Handler, state: dict[str, Any]) -> None:
    """Its attributes; a file is opened again when it is written."""
    vars(handler).update(state)
    if isinstance(handler, logging.FileHandler):
        handler.mode = "a"


def digest_handler(handler: logging.Handler) -> tuple[Any, ...]:
    """What it writes to and how."""
    _, arguments, state, *_ = reduce_handler(handler)
    return (*arguments, [(name, state[name]) for name in sorted(state) if name != "mode"])


register_reducer("logging.Logger", reduce_logger, digest=digest_logger)
register_reducer("logging.Handler", reduce_handler, digest=digest_handler)
