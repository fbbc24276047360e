"""sqlite3: connections to files by path, those in memory by content."""

from __future__ import annotations

import os
import sqlite3
from typing import Any

from nbrewind.state.guard import HookError
from nbrewind.state.held import READ_WHOLE, content, refuse_writer
from nbrewind.state.registry import register_opaque, register_reducer

_Settings = tuple[Any, Any, Any]


def reduce_connection(connection: sqlite3.Connection) -> tuple[Any, ...]:
    """A connection as what opens it again.

    Raises
    ------
    HookError
        It is in the middle of a transaction.
    """
    if connection.in_transaction:
        raise HookError("it is in the middle of a transaction: commit or roll back before the cell ends")
    settings = (connection.isolation_level, connection.row_factory, connection.text_factory)
    paths = {name: path for _, name, path in _databases(connection)}
    if set(paths) - {"main", "temp"}:
        raise HookError("other databases are attached to it")
    if paths.get("main"):
        return open_connection, (_portable(paths["main"]), settings)
    return open_memory, ("\n".join(connection.iterdump()), settings)


def _portable(path: str) -> str:
    """A path below the working folder as it is from there: the notebook's folder may lie elsewhere next time."""
    here = os.path.realpath(os.curdir) + os.sep
    return path[len(here) :] if path.startswith(here) else path


def _databases(connection: sqlite3.Connection) -> list[tuple[int, str, str]]:
    cursor = sqlite3.Cursor(connection)
    cursor.row_factory = None
    return cursor.execute("PRAGMA database_list").fetchall()


def digest_connection(connection: sqlite3.Connection) -> tuple[Any, ...]:
    """What tells two connections apart: the content of the database, in memory or in its file.

    Raises
    ------
    HookError
        Part of the content is in a log beside the file.
    """
    function, arguments = reduce_connection(connection)
    if function is not open_connection:
        return (function.__name__, *arguments)
    path, settings = arguments
    if os.path.exists(f"{path}-wal") or os.path.getsize(path) > READ_WHOLE:
        raise refuse_writer(path)
    return (function.__name__, path, settings, content(path))


def open_connection(path: str, settings: _Settings) -> sqlite3.Connection:
    """Connect to a file again."""
    return _with(sqlite3.connect(path), settings)


def open_memory(script: str, settings: _Settings) -> sqlite3.Connection:
    """A database in memory, made again by a script."""
    connection = sqlite3.connect(":memory:")
    connection.executescript(script)
    return _with(connection, settings)


def _with(connection: sqlite3.Connection, settings: _Settings) -> sqlite3.Connection:
    connection.isolation_level, connection.row_factory, connection.text_factory = settings
    return connection


register_reducer("sqlite3.Connection", reduce_connection, digest=digest_connection, subclasses=False)
register_opaque("sqlite3.Cursor", "it is a query in progress")
