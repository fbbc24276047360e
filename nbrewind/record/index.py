"""Where in the logs an entry lies: SQLite, derived from the logs and rebuilt from them whenever in doubt.

Two databases behind one connection. *main* is ``index.sqlite`` (``journal_mode`` TRUNCATE, never WAL: NFS,
Lustre), written rarely and in one transaction; *tail* is private and takes every new entry at once. Queries
see both. What was not yet moved to *main* when the process died is read from the logs again. A private index
(read-only folder, no locks, damaged while in use) has a temporary *main*.

Moving rows does not wait for the disk (``synchronous`` OFF), because a kernel would wait with it. Whoever moves rows
leaves the mark of its machine's boot, and takes it away when it closes and has synced: a mark of another boot means
that a machine may have stopped in between, and the file is made again. Should a stale page survive all that, it can
only name an entry that is not what was asked for, and readers look.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from nbrewind.record.encoding import pack_digest
from nbrewind.record.model import Digest

SCHEMA = 1
BUSY_SECONDS = 10.0
_PAGE = 1000
_REMEMBERED = 1 << 16

_TABLES = {
    "cells": ("log, offset, run, seq, code, at, ok", "log, offset"),
    "tasks": ("log, offset, key, status, at, cell", "log, offset"),
    "blobs": ("digest, log, offset, size, tree", "digest, log, offset"),
    "saved": ("digest, log, offset, file", "digest, log, offset"),
    "files": ("path, size, mtime, ctime, inode, taken, digest", "path"),
}
_INDEXES = {"cells_code": "cells (code)", "cells_run": "cells (run, seq)", "tasks_key": "tasks (key)"}
_BROKEN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}

Row = tuple[Any, ...]
Remedy = Literal["replace", "reopen", "avoid"]


class IndexFailedError(Exception):
    """The index cannot be used; `remedy` is to ``replace`` the file, to ``reopen`` it, or to ``avoid`` it."""

    def __init__(self, cause: sqlite3.Error) -> None:
        code = getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
        moved = code == sqlite3.SQLITE_READONLY
        self.remedy: Remedy = "replace" if code in _BROKEN else "reopen" if moved else "avoid"
        super().__init__(str(cause))


class Progress(NamedTuple):
    """How far a log is indexed: up to `offset`, with junk from there to `torn`; `run` is its newest JSON."""

    log: int
    name: str
    offset: int
    torn: int
    run: bytes


class Index:
    """The two databases; safe in several threads.

    Parameters
    ----------
    path
        ``index.sqlite``, or ``None`` for a private one.
    readonly
        Do not write the file.

    Attributes
    ----------
    pending
        Rows that are not in the file yet.
    unclean
        Whether a machine may have stopped while it wrote the file.

    Raises
    ------
    IndexFailedError
        The file cannot be used.
    """

    def __init__(self, path: Path | None, *, readonly: bool = False) -> None:
        self.path, self.readonly = path, readonly
        self._lock = threading.RLock()
        self.pending, self.unclean, self._marked = 0, False, False
        self._waiting: dict[str, list[Row]] = {}
        self._recent: set[Any] = set()
        try:
            self._db = self._connect()
        except sqlite3.Error as cause:
            raise IndexFailedError(cause) from cause

    def _connect(self) -> sqlite3.Connection:
        mode = "ro" if self.readonly else "rwc"
        uri = f"{self.path.absolute().as_uri()}?mode={mode}" if self.path else ""
        db = sqlite3.connect(
            uri, BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=bool(self.path)
        )
        try:
            self._prepare(db)
        except BaseException:
            db.close()
            raise
        return db

    def _prepare(self, db: sqlite3.Connection) -> None:
        db.execute("ATTACH '' AS tail")
        for pragma in ("tail.journal_mode=MEMORY", "tail.synchronous=OFF", "tail.cache_size=-16000"):
            db.execute("PRAGMA " + pragma)
        if not self.readonly:
            db.execute(f"PRAGMA main.journal_mode={'TRUNCATE' if self.path else 'MEMORY'}")
            db.execute("PRAGMA main.synchronous=OFF")
            self._make_main(db)
        self._make(db, "tail")
        self._verify(db)
        self._inode = self.path.stat().st_ino if self.path else 0

    def _make_main(self, db: sqlite3.Connection) -> None:
        if self._version(db):
            return
        db.execute("BEGIN IMMEDIATE")
        if not self._version(db):
            self._make(db, "main")
            columns = "log INTEGER PRIMARY KEY, name TEXT, offset INTEGER, torn INTEGER, run BLOB"
            db.execute(f"CREATE TABLE main.logs ({columns})")
            db.execute("CREATE TABLE main.marks (boot TEXT PRIMARY KEY)")
            db.execute(f"PRAGMA main.user_version={SCHEMA}")
        db.execute("COMMIT")

    @staticmethod
    def _version(db: sqlite3.Connection) -> int:
        return int(db.execute("PRAGMA main.user_version").fetchone()[0])

    @staticmethod
    def _make(db: sqlite3.Connection, schema: str) -> None:
        for table, (columns, key) in _TABLES.items():
            db.execute(f"CREATE TABLE {schema}.{table} ({columns}, PRIMARY KEY ({key})) WITHOUT ROWID")
        for name, over in _INDEXES.items():
            db.execute(f"CREATE INDEX {schema}.{name} ON {over}")

    def _verify(self, db: sqlite3.Connection) -> None:
        if self._version(db) != SCHEMA:
            raise sqlite3.DatabaseError("the index has another schema")
        for table in (*_TABLES, "logs"):
            db.execute(f"SELECT 1 FROM main.{table} LIMIT 1").fetchone()
        self.unclean = any(boot != _boot() for (boot,) in db.execute("SELECT boot FROM main.marks"))

    # -- writing -----------------------------------------------------------------------------------

    def add(self, table: str, *rows: Row) -> None:
        """Index entries, visible at once in this process: they are put in before the next question."""
        with self._lock:
            self._waiting.setdefault(table, []).extend(rows)
            if table == "blobs":
                self._remember(rows)
            self.pending += len(rows)
            if len(self._waiting[table]) >= _PAGE:
                self._settle()

    def _remember(self, rows: Iterable[Row]) -> None:
        if len(self._recent) >= _REMEMBERED:
            self._recent.clear()
        self._recent.update(row[0] for row in rows)

    def is_recent(self, digest: Digest) -> bool:
        """Whether content was added not long ago; asks nobody."""
        return pack_digest(digest) in self._recent

    def _settle(self) -> None:
        """Put in what was added since the last question, at a tenth of the price of doing so one by one."""
        while self._waiting:
            table, rows = self._waiting.popitem()
            insert = f"INSERT OR REPLACE INTO tail.{table} VALUES ({','.join('?' * len(rows[0]))})"
            with self._transaction("BEGIN"):
                self._db.executemany(insert, rows)

    @contextmanager
    def _transaction(self, begin: str = "BEGIN IMMEDIATE") -> Iterator[None]:
        with self._lock:
            self._settle()
            try:
                self._db.execute(begin)
                yield
                self._db.execute("COMMIT")
            except sqlite3.Error as cause:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise IndexFailedError(cause) from cause

    def flush(self, progress: Iterable[Progress]) -> bool:
        """Move the tail into the file; false when that is not possible now (nothing is lost then).

        Raises
        ------
        IndexFailedError
            The file was replaced meanwhile or is damaged.
        """
        if self.readonly:
            return False
        with self._lock:
            self._check_same_file()
            try:
                with self._transaction():
                    self._move(progress)
            except IndexFailedError as failure:
                if failure.remedy != "avoid":
                    raise
                return False
            self.pending = 0
            return True

    def _check_same_file(self) -> None:
        if self.path is None:
            return
        try:
            same = self.path.stat().st_ino == self._inode
        except OSError:
            same = False
        if not same:
            failure = IndexFailedError(sqlite3.DatabaseError("the index was replaced"))
            failure.remedy = "reopen"
            raise failure

    def _move(self, progress: Iterable[Progress]) -> None:
        self._db.execute("INSERT OR IGNORE INTO main.marks VALUES (?)", (_boot(),))
        self._marked = True
        for table in _TABLES:
            self._db.execute(f"INSERT OR REPLACE INTO main.{table} SELECT * FROM tail.{table}")
            self._db.execute(f"DELETE FROM tail.{table}")
        self._db.executemany(
            "INSERT INTO main.logs VALUES (?,?,?,?,?) ON CONFLICT (log) DO UPDATE SET "
            "run = CASE WHEN excluded.offset >= offset THEN excluded.run ELSE run END, "
            "torn = max(torn, excluded.torn), offset = max(offset, excluded.offset)",
            progress,
        )

    def forget(self, logs: Iterable[int]) -> None:
        """Drop all that was known of some logs."""
        numbers = [(log,) for log in logs]
        if not numbers:
            return
        self._recent.clear()
        with self._transaction():
            for schema in ("tail",) if self.readonly else ("tail", "main"):
                for table in ("cells", "tasks", "blobs", "saved"):
                    self._db.executemany(f"DELETE FROM {schema}.{table} WHERE log=?", numbers)
            if not self.readonly:
                self._db.executemany("DELETE FROM main.logs WHERE log=?", numbers)

    # -- reading -----------------------------------------------------------------------------------

    def progress(self) -> list[Progress]:
        """How far each log is indexed in the file."""
        return [Progress(*row) for row in self._run("SELECT * FROM main.logs")]

    def cells(
        self, *, code: Digest | None = None, run: str | None = None, seq: int | None = None
    ) -> list[Row]:
        """Rows of `cells` for a code digest, or for a run (and number)."""
        given = {"code": None if code is None else pack_digest(code), "run": run, "seq": seq}
        return self._both("cells", {name: value for name, value in given.items() if value is not None})

    def tasks(
        self, *, key: Digest | None = None, log: int | None = None, cell: str | None = None
    ) -> list[Row]:
        """Rows of `tasks` for a key, a log, a cell."""
        given = {"key": None if key is None else pack_digest(key), "log": log, "cell": cell}
        return self._both("tasks", {name: value for name, value in given.items() if value is not None})

    def task_page(self, log: int, after: int, cell: str | None) -> list[tuple[int, int]]:
        """Log and offset of the next tasks of a log, in order."""
        where = f"log=? AND offset>?{'' if cell is None else ' AND cell=?'}"
        query = " UNION ".join(
            f"SELECT log, offset FROM {schema}.tasks WHERE {where}" for schema in ("main", "tail")
        )
        values = (log, after) if cell is None else (log, after, cell)
        rows = self._run(f"{query} ORDER BY offset LIMIT {_PAGE}", values * 2)
        return [(int(row[0]), int(row[1])) for row in rows]

    def task_keys(self, log: int, cell: str, most: int) -> list[tuple[int, Any]]:
        """Offset and packed key of the last tasks of a cell in a log, newest first."""
        query = " UNION ".join(
            f"SELECT offset, key FROM {schema}.tasks WHERE log=? AND cell=?" for schema in ("main", "tail")
        )
        rows = self._run(f"{query} ORDER BY offset DESC LIMIT ?", (log, cell, log, cell, most))
        return [(int(row[0]), row[1]) for row in rows]

    def blobs(self, digest: Digest) -> list[Row]:
        """Rows of `blobs` for a digest."""
        return self._both("blobs", {"digest": pack_digest(digest)})

    def saved(self, digest: Digest) -> list[Row]:
        """Rows of `saved` for a digest."""
        return self._both("saved", {"digest": pack_digest(digest)})

    def file(self, path: str) -> Row | None:
        """The row of `files` for a path."""
        for schema in ("tail", "main"):
            for row in self._run(f"SELECT * FROM {schema}.files WHERE path=?", (path,)):
                return row
        return None

    def everything(self, table: str) -> list[Row]:
        """All rows of a table."""
        return self._both(table, {})

    def forget_blob(self, digest: Digest) -> None:
        """Drop a blob whose content turned out to be damaged."""
        self._recent.discard(pack_digest(digest))
        for schema in ("tail",) if self.readonly else ("tail", "main"):
            self._run(f"DELETE FROM {schema}.blobs WHERE digest=?", (pack_digest(digest),))

    def totals(self, columns: str, table: str) -> list[Row]:
        """Groups and counts of a table, tail and file together: ``columns`` names the groups and a sum."""
        only_new = (
            f"SELECT * FROM tail.{table} t WHERE NOT EXISTS "
            f"(SELECT 1 FROM main.{table} m WHERE m.log=t.log AND m.offset=t.offset)"
        )
        return self._run(
            f"SELECT {columns} FROM (SELECT * FROM main.{table} UNION ALL {only_new}) GROUP BY 1"
        )

    def _both(self, table: str, given: dict[str, Any]) -> list[Row]:
        where = " AND ".join(f"{name}=?" for name in given) or "1"
        query = " UNION ".join(f"SELECT * FROM {schema}.{table} WHERE {where}" for schema in ("main", "tail"))
        return self._run(query, tuple(given.values()) * 2)

    def _run(self, sql: str, values: Row = ()) -> list[Row]:
        with self._lock:
            self._settle()
            try:
                return self._db.execute(sql, values).fetchall()
            except sqlite3.Error as cause:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise IndexFailedError(cause) from cause

    def shrink(self) -> None:
        """Forget files that are gone, and give unused space back."""
        if self.readonly or self.path is None:
            return
        gone = [(path,) for (path,) in self._run("SELECT path FROM main.files") if not os.path.exists(path)]
        with self._transaction():
            self._db.executemany("DELETE FROM main.files WHERE path=?", gone)
        self._run("VACUUM main")

    def close(self) -> None:
        """Close the file, synced; what is still in the tail is read from the logs next time."""
        with self._lock:
            if self._marked and self.path is not None:
                with suppress(sqlite3.Error):
                    self._db.execute("PRAGMA main.synchronous=FULL")
                    self._db.execute("DELETE FROM main.marks WHERE boot=?", (_boot(),))
            self._db.close()


@cache
def _boot() -> str:
    """Name of this boot of this machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return socket.gethostname()
