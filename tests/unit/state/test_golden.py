"""A checkpoint of each version of the format that was ever released still loads.

``python tests/unit/state/test_golden.py`` wrote ``golden-checkpoint-1``; it is never written again.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from attrs import asdict
from conftest import Kernel, Notebook, Shelf

from nbrewind.record.model import Covariable, Location
from nbrewind.state import saver

FOLDER = Path(__file__).parent / "golden-checkpoint-1"
CELLS = (
    "import numpy as np\n"
    "array = np.arange(1200, dtype='<f8').reshape(400, 3)\n"
    "view = array[10:20, 1]\n"
    "plain = {'text': 'é', 'numbers': [1, 2.5, None, True, 10**30], 'set': {1, 2}, 'nested': [[]]}\n"
    "plain['self'] = plain\n"
    "large = np.zeros(300_000, '<i4')",
    "large[123] = 7",
)
NAMES = ("array", "view", "plain", "large")


def write() -> None:
    saver.DELTA_FROM = 1 << 20  # zeros are easy to store, and easy to read in a diff
    FOLDER.mkdir()
    shelf = Shelf(FOLDER)
    notebook = Notebook(shelf)
    for cell in CELLS:
        known = notebook.run(cell).save(*NAMES)
    index = {
        "known": [asdict(each) for each in {each.names: each for each in known.values()}.values()],
        "places": {digest: asdict(place) for digest, place in shelf.places.items()},
    }
    (FOLDER / "index.json").write_text(json.dumps(index, indent=1))


@pytest.fixture
def golden():
    index = json.loads((FOLDER / "index.json").read_text())
    shelf = Shelf(FOLDER)
    shelf.places = {
        digest: Location(place["file"], place["entry"], place["size"], tuple(place["needs"]))
        for digest, place in index["places"].items()
    }
    known = {}
    for each in index["known"]:
        lists = {name: tuple(each[name]) for name in ("names", "needs", "kin")}
        known |= dict.fromkeys(each["names"], Covariable(**{**each, **lists}))
    return shelf, known


def test_version_1_loads(golden, monkeypatch):
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    shelf, known = golden
    kernel = Kernel(shelf, known)
    assert all(kernel.loader.can_load(each) for each in known.values())
    back = kernel.restore(*NAMES).ns
    assert (back["array"] == np.arange(1200.0).reshape(400, 3)).all()
    assert np.shares_memory(back["view"], back["array"])
    assert back["plain"]["numbers"] == [1, 2.5, None, True, 10**30]
    assert back["plain"]["self"] is back["plain"]
    assert (back["large"][123], back["large"].sum()) == (7, 7)


def test_its_digests_are_today_s(golden, monkeypatch):
    """A change of the canonical form makes every record useless: all cells run again. It needs a reason."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    shelf, known = golden
    kernel = Kernel(shelf, known).restore(*NAMES)
    assert {name: each.digest for name, each in kernel.covariables(*NAMES).items()} == {
        name: each.digest for name, each in known.items()
    }


if __name__ == "__main__":
    write()
