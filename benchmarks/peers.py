"""Other ways to keep a notebook's state, in an environment of their own: installed by the first measurement."""

from __future__ import annotations

import json
import os
import subprocess
import venv
from collections.abc import Iterable
from pathlib import Path

from attrs import frozen

PACKAGES = (
    "kishu==0.3.4",
    "dill==0.4.1",
    "numpy==2.4.6",
    "pandas==3.1.1",
    "matplotlib",
    "ipykernel",
    "nbformat",
)
KERNEL = "nbrewind-bench-peers"


@frozen
class Peer:
    """One way.

    Parameters
    ----------
    name
        Its name.
    first
        A cell that goes before the notebook's, to record it.
    restore
        A cell that brings the state back in a new kernel.
    store
        Where it keeps what it records, below the notebook's folder.
    """

    name: str
    first: str
    restore: str
    store: str


_DILL = """
import dill
def _keep(result):
    dill.dump_session("session.pkl")
get_ipython().events.register("post_run_cell", _keep)
"""
_KISHU = """
import os
os.environ["ENV_KISHU_TEST_MODE"] = "1"
os.environ["KISHU_PATH_ROOT"] = os.getcwd()
import nbformat
if not os.path.exists("notebook.ipynb"):
    nbformat.write(nbformat.v4.new_notebook(), "notebook.ipynb")
from kishu import init_kishu
from kishu.jupyter.runtime import JupyterRuntimeEnv
JupyterRuntimeEnv.enclosing_kernel_id = staticmethod(lambda: "bench")
init_kishu("notebook.ipynb")
"""
_CHECKOUT = """
from kishu.storage.commit_graph import KishuCommitGraph
_all = KishuCommitGraph.new_var_graph(_kishu.database_path()).list_all_history()
_parents = {_one.parent_id for _one in _all}
_kishu.checkout([_one.commit_id for _one in _all if _one.commit_id not in _parents][-1], skip_notebook=True)
"""
PEERS = (
    Peer("dill after each cell", _DILL, "import dill\ndill.load_session('session.pkl')", "session.pkl"),
    Peer("Kishu", _KISHU, _KISHU + _CHECKOUT, "notebook.kishudb"),
)


def install() -> Path | None:
    """The folder with the peers' kernel (for `JUPYTER_PATH`), ``None`` where they cannot be installed here."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nbrewind" / "peers"
    python = cache / "bin" / "python"
    done = cache / "installed"
    if not done.is_file() or done.read_text() != "\n".join(PACKAGES):
        venv.create(cache, with_pip=True, clear=True)
        pip = [python, "-m", "pip", "install", "--quiet", *PACKAGES]
        if subprocess.run(pip, check=False).returncode:
            return None
        done.write_text("\n".join(PACKAGES))
    spec = cache / "share" / "jupyter" / "kernels" / KERNEL
    spec.mkdir(parents=True, exist_ok=True)
    command = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(
        json.dumps({"argv": command, "display_name": "peers", "language": "python"})
    )
    return spec.parents[1]


def bytes_below(paths: Iterable[Path]) -> int:
    """Bytes in files and folders."""
    return sum(
        file.stat().st_size
        for path in paths
        for file in ([path] if path.is_file() else path.rglob("*"))
        if file.is_file()
    )
