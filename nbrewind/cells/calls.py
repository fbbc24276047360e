"""Library functions whose calls tell of files that no audit event shows: opened in C, or only asked for.

The interpreter's monitoring reports each start of these functions, with their arguments; nothing is patched.
"""

from __future__ import annotations

from types import FrameType
from typing import Any, Literal

from attrs import frozen

Use = Literal["read", "write", "update", "exists"]


@frozen
class WatchedCall:
    """One function: which argument is a path, and what the call does with the file.

    `mode` names the argument that holds an opening mode; with it, `use` follows from the mode.
    """

    path: str
    use: Use = "read"
    mode: str = ""

    def seen(self, frame: FrameType) -> tuple[Any, Use]:
        """The path that this call is about, and the use."""
        variables = frame.f_locals
        if not self.mode:
            return variables.get(self.path), self.use
        mode = variables.get(self.mode)
        if not isinstance(mode, str) or mode == "r":
            return variables.get(self.path), "read"
        return variables.get(self.path), "write" if mode.startswith(("w", "x")) else "update"


WATCHED: dict[tuple[str, str], WatchedCall] = {
    ("genericpath", "exists"): WatchedCall("path", "exists"),
    ("genericpath", "lexists"): WatchedCall("path", "exists"),
    ("genericpath", "isfile"): WatchedCall("path", "exists"),
    ("genericpath", "isdir"): WatchedCall("s", "exists"),
    ("genericpath", "getsize"): WatchedCall("filename"),
    ("genericpath", "getmtime"): WatchedCall("filename"),
    ("pathlib", "Path.stat"): WatchedCall("self"),
    ("pathlib", "Path.exists"): WatchedCall("self", "exists"),
    ("pathlib._local", "Path.stat"): WatchedCall("self"),
    ("pathlib._local", "Path.exists"): WatchedCall("self", "exists"),
    ("h5py._hl.files", "File.__init__"): WatchedCall("name", mode="mode"),
    ("pandas.io.parquet", "read_parquet"): WatchedCall("path"),
    ("pandas.io.feather_format", "read_feather"): WatchedCall("path"),
    ("pandas.io.orc", "read_orc"): WatchedCall("path"),
    ("pandas.io.pytables", "read_hdf"): WatchedCall("path_or_buf"),
    ("pyarrow.parquet.core", "read_table"): WatchedCall("source"),
    ("pyarrow.parquet.core", "ParquetFile.__init__"): WatchedCall("source"),
    ("pyarrow.parquet.core", "write_table"): WatchedCall("where", "write"),
    ("pyarrow.feather", "read_table"): WatchedCall("source"),
    ("pyarrow.dataset", "dataset"): WatchedCall("source"),
    ("xarray.backends.api", "open_dataset"): WatchedCall("filename_or_obj"),
    ("xarray.backends.api", "load_dataset"): WatchedCall("filename_or_obj"),
    ("tables.file", "open_file"): WatchedCall("filename", mode="mode"),
    ("imageio.v3", "imread"): WatchedCall("uri"),
}
NAMES = frozenset(qualname.rpartition(".")[2] for _, qualname in WATCHED)


def watched(module: Any, qualname: str) -> WatchedCall | None:
    """What is known of a function, by its module's name and its qualified name."""
    return WATCHED.get((module, qualname))
