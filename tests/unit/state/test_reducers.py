"""What pickle refuses: files, connections, loggers, locks, figures; and what users register themselves."""

from __future__ import annotations

import io
import os

import pytest
from conftest import Kernel

from nbrewind.errors import NbrewindError, UsageError
from nbrewind.state import register_opaque, register_reducer
from nbrewind.state.held import HELD_OPEN
from nbrewind.state.registry import REGISTRY


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("first\nsecond\nthird\n")
    return tmp_path


class TestFiles:
    @pytest.mark.parametrize("mode", ["r", "rb"])
    def test_go_on_where_they_stood(self, notebook, again, folder, mode):
        notebook.run(f"f = open('text.txt', {mode!r}); f.seek(6)")
        back = again("f").ns["f"]
        assert back.tell() == notebook.ns["f"].tell()
        assert back.mode == notebook.ns["f"].mode
        assert type(back) is type(notebook.ns["f"])
        assert back.readline() == notebook.ns["f"].readline()
        back.close()
        notebook.ns["f"].close()

    @pytest.mark.parametrize("mode", ["r+", "rb+", "a", "ab", "a+", "w"])
    def test_writers_are_opaque(self, notebook, folder, mode):
        notebook.run(f"f = open('text.txt', {mode!r})")
        assert HELD_OPEN in notebook.covariables("f")["f"].opaque
        notebook.run("f.close()")

    def test_the_content_that_readers_see_counts(self, notebook, folder):
        notebook.run("f = open('text.txt'); f.read()")
        before = notebook.digest("f")
        (folder / "text.txt").write_text((folder / "text.txt").read_text().swapcase())
        assert notebook.digest("f") != before
        notebook.run("f.close()")

    def test_positions_count(self, notebook, folder):
        notebook.run("f = open('text.txt')")
        before = notebook.digest("f")
        notebook.run("f.read(3)")
        assert notebook.digest("f") != before
        notebook.run("f.close()")

    def test_descriptors_do_not(self, notebook, folder):
        one = notebook.run("f = open('text.txt')").digest("f")
        assert notebook.run("g = open('text.txt')").digest("g") == one
        notebook.run("f.close(); g.close()")

    @pytest.mark.parametrize("mode", ["r", "rb", "w", "wb", "a", "r+b"])
    def test_closed_ones(self, notebook, again, folder, mode):
        notebook.run(f"with open('text.txt', {mode!r}) as f: pass")
        (folder / "text.txt").unlink()
        back = again("f").ns["f"]
        assert back.closed
        assert back.name == "text.txt"
        assert back.mode == notebook.ns["f"].mode

    def test_standard_streams(self, notebook):
        import sys

        notebook.run("import sys; f = [sys.__stdout__, sys.__stderr__]")
        known = notebook.save("f")
        assert not notebook.problems
        assert Kernel(notebook.shelf, known).restore("f").ns["f"] == [sys.__stdout__, sys.__stderr__]

    def test_a_deleted_one_is_opaque(self, notebook, folder):
        notebook.run("import os; f = open('text.txt'); os.unlink('text.txt')")
        assert "no longer the file" in notebook.covariables("f")["f"].opaque
        notebook.run("f.close()")

    def test_pipes_are_opaque(self, notebook):
        notebook.run("import os; r, w = os.pipe(); f = os.fdopen(r); g = os.fdopen(w, 'w')")
        found = notebook.covariables("f", "g")
        assert "pipe" in found["f"].opaque
        assert "pipe" in found["g"].opaque
        notebook.run("f.close(); g.close()")

    def test_a_file_that_is_gone_when_it_is_restored(self, notebook, shelf, folder):
        known = notebook.run("f = open('text.txt')").save("f")
        notebook.run("f.close()")
        (folder / "text.txt").unlink()
        with pytest.raises(NbrewindError, match="f does not load: FileNotFoundError"):
            Kernel(shelf, known).restore("f")

    def test_in_memory(self, notebook, again):
        notebook.run("import io; b = io.BytesIO(b'abc'); b.seek(2); s = io.StringIO('abc'); s.read(1)")
        back = again("b", "s").ns
        assert back["b"].read() == b"c"
        assert back["s"].read() == "bc"


class TestHdf5:
    def test_files_groups_and_datasets(self, notebook, again, folder):
        notebook.run(
            "import h5py, numpy as np\nwith h5py.File('d.h5', 'w') as f: f['g/x'] = np.arange(5)\n"
            "h = h5py.File('d.h5', 'r'); g = h['g']; x = g['x']; c = f"
        )
        back = again("h", "g", "x", "c").ns
        assert back["h"]["g/x"][3] == 3
        assert back["g"].name == "/g"
        assert back["x"][:].tolist() == [0, 1, 2, 3, 4]
        assert not back["c"]
        notebook.run("h.close()")
        back["h"].close()


class TestSqlite:
    def test_connections_to_files_count_by_content(self, notebook, folder):
        notebook.run("import sqlite3; db = sqlite3.connect('d.sqlite')")
        empty = notebook.covariables("db")["db"]
        notebook.run("db.execute('create table t (a)'); db.execute('insert into t values (7)'); db.commit()")
        filled = notebook.covariables("db")["db"]
        assert not empty.opaque
        assert not filled.opaque
        assert empty.digest != filled.digest
        notebook.run("db.close()")

    def test_content_in_a_log_beside_the_file_is_not_known(self, notebook, folder):
        notebook.run(
            "import sqlite3; db = sqlite3.connect('d.sqlite'); db.execute('pragma journal_mode=wal')"
        )
        notebook.run("db.execute('create table t (a)'); db.commit()")
        assert HELD_OPEN in notebook.covariables("db")["db"].opaque
        notebook.run("db.close()")

    def test_in_memory_by_content(self, notebook, again):
        notebook.run(
            "import sqlite3; db = sqlite3.connect(':memory:'); db.execute('create table t (a)'); db.commit()"
        )
        before = notebook.digest("db")
        notebook.run("db.execute('insert into t values (7)'); db.commit()")
        assert notebook.digest("db") != before
        back = again("db").ns["db"]
        assert back.execute("select a from t").fetchone() == (7,)
        back.close()
        notebook.run("db.close()")

    def test_transactions_are_opaque(self, notebook):
        notebook.run(
            "import sqlite3; db = sqlite3.connect(':memory:'); db.execute('create table t (a)'); db.execute('insert into t values (7)')"
        )
        assert "transaction" in notebook.covariables("db")["db"].opaque
        notebook.run("db.close()")


class TestRunning:
    def test_loggers(self, notebook, again):
        notebook.run(
            "import logging; a = logging.getLogger('a.b'); r = logging.getLogger(); l = [a, logging.LoggerAdapter(a, {'k': 1})]"
        )
        back = again("a", "r", "l").ns
        assert back["a"] is notebook.ns["a"]
        assert back["r"] is notebook.ns["r"]

    def test_handlers(self, notebook, again, folder):
        notebook.run(
            "import logging, sys; h = logging.FileHandler('l.txt'); h.setFormatter(logging.Formatter('%(message)s')); s = logging.StreamHandler(sys.__stderr__)"
        )
        back = again("h", "s").ns
        back["h"].emit(notebook.ns["logging"].makeLogRecord({"msg": "hello"}))
        back["h"].close()
        notebook.run("h.close()")
        assert (folder / "l.txt").read_text() == "hello\n"

    def test_locks(self, notebook, again):
        notebook.run(
            "import threading, queue\na, b, c, d, e, q = threading.Lock(), threading.RLock(), threading.Event(), threading.Condition(), threading.Semaphore(3), queue.Queue()\n"
            "c.set(); q.put(1)\nclass S:\n  def __init__(self): self.lock = threading.Lock(); self.n = 1\ns = S()"
        )
        back = again().ns
        assert back["a"].acquire(blocking=False)
        with back["b"], back["d"], back["e"], back["s"].lock:
            pass
        assert back["c"].is_set()
        assert back["q"].get_nowait() == 1

    def test_held_locks_are_opaque(self, notebook):
        notebook.run("import threading; x = threading.Lock(); x.acquire()")
        assert "somebody holds it" in notebook.covariables("x")["x"].opaque
        notebook.run("x.release()")

    def test_executors(self, notebook, again):
        notebook.run(
            "from concurrent.futures import *\nt = ThreadPoolExecutor(2); p = ProcessPoolExecutor(1)\nwith ThreadPoolExecutor(1) as e: e.submit(len, 'a').result()"
        )
        back = again("t", "p", "e").ns
        with back["t"] as pool:
            assert pool.submit(len, "abc").result() == 3
        with pytest.raises(RuntimeError):
            back["e"].submit(len, "a")
        notebook.run("t.shutdown(); p.shutdown()")

    @pytest.mark.parametrize(
        "cell",
        [
            "x = (i for i in 'ab')",
            "async def f(): ...\nx = f(); x.close()",
            "async def f(): yield\nx = f()",
            "import socket; x = socket.socket(); x.close()",
            "import threading; x = threading.current_thread()",
            "import sys; x = sys._getframe()",
            "import concurrent.futures as c; x = c.Future()",
            "import subprocess, sys; x = subprocess.Popen([sys.executable, '-c', '']); x.wait()",
            "import mmap; x = mmap.mmap(-1, 100)",
            "import weakref, collections; x = weakref.ref(collections.OrderedDict)",
            "import contextvars; x = contextvars.ContextVar('v')",
        ],
    )
    def test_what_is_rebuilt(self, notebook, cell):
        found = notebook.run(cell).covariables("x")["x"]
        assert found.opaque
        assert found.digest == ""


class TestFigures:
    CELL = (
        "import matplotlib; matplotlib.use('agg')\nimport matplotlib.pyplot as plt, numpy as np\n"
        "def make():\n  fig, ax = plt.subplots(2)\n  ax[0].plot(np.arange(10), label='a'); ax[0].legend(); ax[0].set_title('T')\n"
        "  ax[1].hist(np.arange(100) % 7); fig.colorbar(ax[1].imshow(np.eye(3))); fig.suptitle('x')\n  return fig, ax\n"
        "def draw(f):\n  import io\n  b = io.BytesIO(); f.savefig(b, format='png'); return b.getvalue()\n"
    )

    @pytest.fixture(autouse=True)
    def _closed(self):
        yield
        import matplotlib.pyplot as plt

        plt.close("all")

    def test_equal_figures_and_what_drawing_leaves(self, notebook):
        notebook.run(self.CELL + "f, a = make(); g, b = make()")
        assert notebook.analyser.value(notebook.ns["f"]) == notebook.analyser.value(notebook.ns["g"])
        notebook.run("draw(f)")
        before = notebook.digest("f")
        notebook.run("draw(f)")
        assert notebook.digest("f") == before
        notebook.run("a[0].set_title('U')")
        assert notebook.digest("f") != before

    def test_figure_and_axes_come_back_together(self, notebook, again):
        import matplotlib.pyplot as plt

        notebook.run(self.CELL + "f, a = make(); draw(f); l = a[0].lines[0]")
        known = plt.get_fignums()
        kernel = again("f", "a", "l")
        back = kernel.ns
        assert plt.get_fignums() == known
        assert back["a"][0].figure is back["f"]
        assert back["a"][0].lines[0] is back["l"]
        assert kernel.run(self.CELL).ns["draw"](back["f"]) == notebook.ns["draw"](notebook.ns["f"])


class TestHooks:
    @pytest.fixture(autouse=True)
    def _registry(self):
        before = dict(REGISTRY.entries)
        yield
        REGISTRY.entries.clear()
        REGISTRY.entries.update(before)
        REGISTRY.version += 1

    def test_methods_of_the_class(self, notebook, again):
        notebook.run(
            "def make(n):\n  x = Device(); x.n = n; return x\n"
            "class Device:\n  def __init__(self): self.handle = (i for i in 'a'); self.n = 0\n"
            "  def __nbrewind_digest__(self): return self.n\n  def __nbrewind_reduce__(self): return make, (self.n,)\n"
            "x = make(5)"
        )
        assert again().ns["x"].n == 5

    def test_a_registered_type(self, notebook, again):
        notebook.run(
            "class Device:\n  def __init__(self, n): self.handle = (i for i in 'a'); self.n = n\nx = Device(3)"
        )
        assert notebook.covariables("x")["x"].opaque
        register_reducer(
            notebook.ns["Device"], lambda device: (type(device), (device.n,)), digest=lambda device: device.n
        )
        assert again("x", "Device").ns["x"].n == 3

    def test_by_name_before_it_exists(self, notebook, again):
        register_reducer("__main__.Device", lambda device: (type(device), (device.n,)))
        notebook.run(
            "class Device:\n  def __init__(self, n): self.handle = (i for i in 'a'); self.n = n\nx = Device(3)"
        )
        assert again("x", "Device").ns["x"].n == 3

    def test_opaque_types(self, notebook):
        notebook.run("class A: ...\nclass B(A): ...\nx = [B()]")
        assert notebook.digest()
        register_opaque(notebook.ns["A"], "it is connected to a device")
        assert notebook.covariables("x")["x"].opaque == "__main__.B: it is connected to a device"

    @pytest.mark.parametrize("policy", ["never", "rebuild"])
    def test_policies_that_do_not_save(self, notebook, policy):
        notebook.run("class A: ...\nx = [A()]; y = 1")
        register_reducer(notebook.ns["A"], policy=policy)
        notebook.save("x", "y")
        (problem,) = notebook.problems
        assert problem.names == ("x",)
        assert policy in problem.why

    def test_the_policy_that_does(self, notebook, shelf):
        notebook.run(
            "class A: ...\nx = [A() for _ in range(100_000)]; y = [{'a': i} for i in range(300_000)]"
        )
        register_reducer(notebook.ns["A"], policy="always")
        known = notebook.save("x", "y", policy="auto")
        assert shelf.locate(known["x"].digest)
        assert not shelf.locate(known["y"].digest)

    def test_a_policy_that_is_none(self):
        with pytest.raises(UsageError, match="policy 'often' is none of auto"):
            register_reducer("a.b", policy="often")


def test_files_written_by_another_thread_stay_open(notebook, tmp_path):
    """Digesting flushes what the notebook wrote, and does nothing else to the file."""
    path = tmp_path / "log"
    notebook.run(f"f = open({str(path)!r}, 'w'); f.write('a')").covariables("f")
    assert path.read_text() == "a"
    assert not notebook.ns["f"].closed
    notebook.run("f.close()")
    assert isinstance(notebook.ns["f"], io.TextIOWrapper)
    assert os.path.exists(path)
