"""Modules beside the notebook count by content."""

import importlib
import sys

import pytest
from notebook import Notebook


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]
    importlib.invalidate_caches()


def fresh(folder, *cells):
    for name in [
        name for name, module in sys.modules.items() if str(folder) in str(getattr(module, "__file__", ""))
    ]:
        del sys.modules[name]
    importlib.invalidate_caches()
    return Notebook(*cells, base=folder)


@pytest.mark.parametrize(
    "cell",
    [
        "import helpers\ndef f(x): return helpers.h(x)",
        "from helpers import h\ndef f(x): return h(x)",
        "import helpers as hp\ndef f(x): return hp.h(x)",
        "def f(x):\n    import helpers\n    return helpers.h(x)",
        "def f(x):\n    from helpers import h\n    return h(x)",
        "from helpers import h as f",
        "import functools, helpers\nf = functools.partial(helpers.h)",
    ],
)
def test_edited_module(folder, cell):
    (folder / "helpers.py").write_text("def h(x): return x + 1\n")
    before = fresh(folder, cell).key("task(f, 1)")
    assert "module:helpers" in before.ingredients
    assert fresh(folder, cell).key("task(f, 1)") == before
    (folder / "helpers.py").write_text("def h(x): return x + 22\n")
    assert fresh(folder, cell).key("task(f, 1)") != before


def test_module_of_a_module(folder):
    (folder / "deep.py").write_text("n = 1\n")
    (folder / "helpers.py").write_text("def h(x):\n    from deep import n\n    return x + n\n")
    cell = "import helpers\ndef f(x): return helpers.h(x)"
    before = fresh(folder, cell).key("task(f, 1)")
    (folder / "deep.py").write_text("n = 2\n")
    assert fresh(folder, cell).key("task(f, 1)") != before


def test_package_with_relative_import(folder):
    package = folder / "pack"
    package.mkdir()
    (package / "__init__.py").write_text("from .inner import h\n")
    (package / "inner.py").write_text("from . import const\ndef h(x): return x + const.n\n")
    (package / "const.py").write_text("n = 1\n")
    cell = "import pack\ndef f(x): return pack.h(x)"
    before = fresh(folder, cell).key("task(f, 1)")
    assert {"module:pack", "module:pack.inner", "module:pack.const"} <= set(before.ingredients)
    (package / "const.py").write_text("n = 2\n")
    assert fresh(folder, cell).key("task(f, 1)") != before


def test_unrelated_module_does_not_count(folder):
    (folder / "helpers.py").write_text("def h(x): return x + 1\n")
    (folder / "other.py").write_text("n = 1\n")
    cell = "import helpers, other\ndef f(x): return helpers.h(x)"
    before = fresh(folder, cell).key("task(f, 1)")
    (folder / "other.py").write_text("n = 2\n")
    assert fresh(folder, cell).key("task(f, 1)") == before


def test_instance_of_a_local_class_as_argument(folder):
    (folder / "shapes.py").write_text("class Box:\n    def size(self): return 1\n")
    cell = "import shapes\nbox = shapes.Box()\ndef f(b): return b.size()"
    before = fresh(folder, cell).key("task(f, [box])")
    (folder / "shapes.py").write_text("class Box:\n    def size(self): return 2\n")
    assert fresh(folder, cell).key("task(f, [box])") != before


def test_object_of_a_local_class_as_global(folder):
    (folder / "shapes.py").write_text("class Box:\n    def size(self): return 1\n")
    cell = "import shapes\nbox = shapes.Box()\ndef f(): return box.size()"
    before = fresh(folder, cell).key("task(f)")
    (folder / "shapes.py").write_text("class Box:\n    def size(self): return 2\n")
    assert fresh(folder, cell).key("task(f)") != before


def test_list_of_local_objects_as_global(folder):
    (folder / "shapes.py").write_text("class Box:\n    def size(self): return 1\n")
    cell = "from shapes import Box\nboxes = [[Box()]]\ndef f(): return boxes[0][0].size()"
    before = fresh(folder, cell).key("task(f)")
    (folder / "shapes.py").write_text("class Box:\n    def size(self): return 2\n")
    assert fresh(folder, cell).key("task(f)") != before
