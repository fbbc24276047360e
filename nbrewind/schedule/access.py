"""What a cell is expected to read and write: as it was last seen to, or as its code looks."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Literal

from attrs import frozen

from nbrewind.cells.code import CellCode
from nbrewind.record.model import CellRun

Level = Literal["recorded", "predicted"]
Place = tuple[str, str]
"""Kind and name of something that cells read and write: a variable, a file, a folder's listing, ambient state."""

_DRAWS = {
    "random": frozenset(
        """random seed randint randrange choice choices sample shuffle uniform gauss normalvariate triangular
        betavariate expovariate gammavariate lognormvariate getrandbits randbytes setstate""".split()
    ),
    "numpy.random": frozenset(
        """seed rand randn randint random random_sample choice shuffle permutation normal uniform standard_normal
        poisson binomial exponential gamma beta multivariate_normal set_state lognormal""".split()
    ),
}
"""Functions that draw from the one generator of their module."""
_OWN_GENERATOR = frozenset({"default_rng", "RandomState", "Generator", "Random", "SeedSequence"})
_WRITERS = frozenset(
    """savefig to_csv to_parquet to_json to_excel to_pickle to_hdf to_feather to_netcdf to_zarr write_text write_bytes
    savez savez_compressed savetxt dump mkdir makedirs unlink rmdir rmtree rename replace copyfile copytree
    imwrite write_table write_image write_html""".split()
)
_ASIDE = {
    "input": "it asks for input",
    "getpass": "it asks for input",
    "breakpoint": "it starts the debugger",
    "getpid": "it asks for its process",
    "Popen": "it starts processes",
    "check_output": "it starts processes",
    "check_call": "it starts processes",
    "system": "it starts processes",
    "fork": "it starts processes",
    "ProcessPoolExecutor": "it starts processes",
    "multiprocessing": "it starts processes",
    "joblib": "it may start processes",
    "Parallel": "it may start processes",
    "asyncio": "it uses the kernel's event loop",
    "create_task": "it uses the kernel's event loop",
    "socket": "it uses the network",
    "urlopen": "it uses the network",
    "urlretrieve": "it uses the network",
    "requests": "it uses the network",
    "_exit": "it may end its process",
    "interact": "it shows controls",
    "widgets": "it shows controls",
    "ipywidgets": "it shows controls",
    "get_ipython": "it acts on IPython itself",
    "settrace": "it watches the interpreter",
    "setprofile": "it watches the interpreter",
}
"""Names in code that tell of effects which nobody can take back, and what they tell."""


@frozen
class Access:
    """What one cell is expected to read and write.

    Parameters
    ----------
    level
        ``recorded``: as this code was last seen to run; ``predicted``: as it looks.
    reads, writes
        Places.
    opens
        Why it may read and write anything (empty: it may not).
    aside
        Why it must run in the notebook's own process (empty: it need not).
    seconds
        How long it took when it last ran, ``None`` where nobody knows.
    saves
        Whether it writes files.
    """

    level: Level
    reads: frozenset[Place] = frozenset()
    writes: frozenset[Place] = frozenset()
    opens: str = ""
    aside: str = ""
    seconds: float | None = None
    saves: bool = False


def recorded_access(run: CellRun) -> Access:
    """As a recorded run of the same code had it."""
    reads: set[Place] = set()
    for seen in run.evidence:
        match seen.kind:
            case "variable" | "covariable":
                reads |= {("variable", name) for name in seen.name.split()}
            case "file" | "exists":
                reads.add(("file", seen.name))
            case "listing" | "ambient" | "env":
                reads.add((seen.kind, seen.name))
    writes: set[Place] = {("variable", name) for made in run.covariables for name in made.names}
    writes |= {("variable", name) for name in run.deleted}
    writes |= {("ambient", state.name) for state in run.ambient}
    writes |= set(_files_written(written.path for written in run.files))
    return Access("recorded", frozenset(reads), frozenset(writes), "", "", run.seconds, saves=bool(run.files))


def _files_written(paths: Iterable[str]) -> Iterable[Place]:
    for path in paths:
        yield ("file", path)
        yield ("listing", os.path.dirname(path) or ".")


def predicted_access(code: CellCode, changes: frozenset[str], reached: frozenset[str]) -> Access:
    """As the code looks.

    Parameters
    ----------
    code
        The cell.
    changes
        Names whose values its code plainly changes in place.
    reached
        Variables that it may read: those it names, and those that their functions refer to.
    """
    bound = code.names.stores | code.names.deletes
    changed = changes & (reached | bound)
    draws = {("ambient", name) for name in _DRAWS if _draws(name, code)}
    return Access(
        "predicted",
        frozenset({("variable", name) for name in (reached - code.bound_first) | changed} | draws),
        frozenset({("variable", name) for name in bound | changed} | draws),
        opens=code.opens or ("" if code.valid else "it has a syntax error"),
        aside=aside(code),
        saves=not _WRITERS.isdisjoint(code.words) or "open" in code.names.loads,
    )


def _draws(generator: str, code: CellCode) -> bool:
    words = code.words
    named = "random" in words or "np" in words or "numpy" in words
    if generator == "numpy.random" and not {"np", "numpy"} & words:
        return False
    calls = _DRAWS[generator] & words
    own = _OWN_GENERATOR & words
    return named and "random" in words and bool(calls - {"random"} or not own)


def aside(code: CellCode) -> str:
    """Why a cell must run in the notebook's own process, as far as its code tells."""
    if code.history:
        return "it uses IPython's history"
    for word in sorted(code.words & _ASIDE.keys()):
        if word != "get_ipython" or not _only_times(code):
            return _ASIDE[word]
    return ""


def _only_times(code: CellCode) -> bool:
    """Whether IPython is only asked how long something takes."""
    magics = {
        target.word for target in code.targets if target.path[-1] in ("run_line_magic", "run_cell_magic")
    }
    return bool(magics) and magics <= {"time", "timeit"}
