"""What is written: only what is new, within the budget, atomically; and what is not written is told."""

from __future__ import annotations

import errno
import json
import os
import threading
import time

import h5py
import pytest
from conftest import Kernel

from nbrewind.state import Saver, checkpoint, writing

NUMPY = "import numpy as np, pandas as pd\n"


def files(shelf):
    return [shelf.folder / name for name in shelf.committed]


class TestFile:
    def test_other_programs_read_it(self, notebook, shelf):
        notebook.run(
            NUMPY
            + "x = np.arange(6000.).reshape(2000, 3); f = np.asfortranarray(np.ones((80, 90), 'i4')); t = np.zeros(900, 'M8[s]')\n"
            "df = pd.DataFrame({'a': np.arange(5000)}); y = {'z': np.ones(700)}; s = 'text'; c = np.zeros(900, 'c16'); b = np.zeros(9000, '?')\n"
            "r = np.zeros(800, [('a', 'i4'), ('b', 'f8')]); u = np.full(900, 'é')"
        )
        notebook.save("x", "f", "t", "df", "y", "s", "c", "b", "r", "u")
        (path,) = files(shelf)
        with h5py.File(path) as file:
            assert file["x/x"].shape == (2000, 3)
            assert file["x/x"].dtype == "f8"
            assert (file["x/x"][:] == notebook.ns["x"]).all()
            assert file["f/f"].shape == (90, 80)
            assert file["f/f"].attrs["order"] == "F"
            assert file["t/t"].attrs["dtype"] == "datetime64[s]"
            assert file["df/df"].dtype == "i8"
            assert file["y/y"].shape == (700,)
            assert file["c/c"].dtype == "c16"
            assert file["b/b"].dtype == "?"
            assert file["r/r"].dtype.names == ("a", "b")
            assert json.loads(file["x"].attrs["names"]) == ["x"]
            assert set(file["s"]) == {"pickle"}
            for name in ("x/x", "df/df"):
                assert file[name].id.get_offset() % 4096 == 0
                assert file[name].chunks is None

    def test_names_of_every_kind(self, notebook, shelf, again):
        names = [f"variable_{number}" for number in range(40)]
        notebook.run(
            NUMPY
            + "x = np.ones(900)\n"
            + "; ".join(f"{name} = [x]" for name in names)
            + "\nσ = x; über = x[3:]"
        )
        kernel = again(*names, "x", "σ", "über")
        assert kernel.ns["σ"] is kernel.ns["x"]

    def test_nothing_new_writes_no_file(self, notebook, shelf):
        notebook.run("x = [1]").save()
        notebook.save()
        notebook.run("y = [1]").save()
        assert len(shelf.committed) == 1

    def test_permissions_and_leftovers(self, notebook, shelf):
        notebook.run("x = [1]").save()
        assert sorted(os.listdir(shelf.folder)) == shelf.committed


class TestOnce:
    def test_equal_memory_is_stored_once(self, notebook, shelf, again):
        notebook.run(
            NUMPY
            + "a = np.arange(1_000_000.); b = a.copy(); c = {'a': a.copy()}; df = pd.DataFrame({'p': a})"
        )
        kernel = again("a", "b", "c", "df")
        assert shelf.size < 8.3e6
        kernel.ns["a"][0] = 1
        kernel.ns["df"].iloc[0, 0] = 2
        assert kernel.ns["b"][0] == kernel.ns["c"]["a"][0] == 0

    def test_also_across_cells_and_sessions(self, notebook, shelf):
        notebook.run(NUMPY + "a = np.arange(1_000_000.)").save("a")
        notebook.run("b = a.copy(); d = [b, 1]").save("b", "d")
        other = type(notebook)(shelf).run(NUMPY + "e = np.arange(1_000_000.)[::-1][::-1].copy()")
        other.save("e")
        assert shelf.size < 8.4e6

    def test_a_frame_that_grows_keeps_its_columns(self, notebook, shelf):
        notebook.run(NUMPY + "df = pd.DataFrame({f'c{i}': np.random.rand(50_000) for i in range(20)})").save(
            "df"
        )
        before = shelf.size
        notebook.run("df['new'] = 1.5").save("df")
        assert shelf.size - before < 0.6e6


class TestChanges:
    def test_few_changed_chunks_are_stored_as_such(self, notebook, shelf, again):
        notebook.run(NUMPY + "x = np.arange(4_000_000.)").save("x")
        before = shelf.size
        notebook.run("x[123_456] = -1; x[-1] = -2")
        kernel = again("x")
        assert shelf.size - before < 2.3e6
        assert (kernel.ns["x"] == notebook.ns["x"]).all()
        kernel.ns["x"][:] = 0
        fresh = Kernel(shelf, notebook.covariables("x")).restore("x")
        assert fresh.ns["x"][123_456] == -1

    def test_changes_never_pile_up(self, notebook, shelf, again):
        notebook.run(NUMPY + "x = np.arange(1_000_000.)").save("x")
        for number in range(6):
            notebook.run(f"x[{number * 100_000}] = -{number}")
            kernel = again("x")
            assert (kernel.ns["x"] == notebook.ns["x"]).all()
        bases = [place.needs for place in shelf.places.values() if place.needs and ":" not in place.entry]
        assert len(set(bases)) == 1

    def test_much_changed_is_stored_whole(self, notebook, shelf, again):
        notebook.run(NUMPY + "x = np.zeros(1_000_000)").save("x")
        notebook.run("x[:] = np.random.rand(1_000_000)")
        again("x")
        assert shelf.size > 15e6

    def test_both_versions_come_back(self, notebook, shelf):
        old = notebook.run(NUMPY + "x = np.arange(1_000_000.)").save("x")
        new = notebook.run("x[7] = -7").save("x")
        assert Kernel(shelf, old).restore("x").ns["x"][7] == 7
        assert Kernel(shelf, new).restore("x").ns["x"][7] == -7

    def test_changes_after_a_restore(self, notebook, shelf):
        known = notebook.run(NUMPY + "x = np.arange(4_000_000.)").save("x")
        kernel = Kernel(shelf, known).restore("x")
        before = shelf.size
        known = kernel.run("x[5] = -5").save("x")
        assert shelf.size - before < 1.3e6
        assert Kernel(shelf, known).restore("x").ns["x"][5] == -5

    def test_a_changed_frame(self, notebook, shelf, again):
        notebook.run(
            NUMPY + "df = pd.DataFrame(np.random.rand(200_000, 10), columns=list('abcdefghij'))"
        ).save("df")
        before = shelf.size
        notebook.run("df.loc[5, 'c'] = 0.5")
        again("df")
        assert shelf.size - before < 3e6


class TestBudget:
    def test_a_quick_cell_s_large_list_is_not_saved(self, notebook, shelf):
        notebook.run("x = [{'a': i} for i in range(300_000)]; y = 1")
        notebook.save(policy="auto", seconds=0.01)
        (problem,) = notebook.problems
        assert (problem.names, problem.kind) == (("x",), "budget")
        assert "longer than 50 ms" in problem.why
        assert shelf.locate(notebook.covariables("y")["y"].digest)

    def test_a_slow_cell_s_is(self, notebook):
        notebook.run("x = [{'a': i} for i in range(30_000)]").save(policy="auto", seconds=100.0)
        assert not notebook.problems

    def test_memory_that_the_record_holds_costs_nothing(self, notebook, monkeypatch):
        monkeypatch.setattr("nbrewind.state.saver._BYTES_A_SECOND", 1e6)
        notebook.run(NUMPY + "x = np.arange(200_000.)").save("x")
        notebook.run("held = {'x': x, 'name': 1}").save(policy="auto", seconds=0.0)
        assert not notebook.problems
        notebook.run("other = {'x': x + 1}").save("other", policy="auto", seconds=0.0)
        assert [problem.kind for problem in notebook.problems] == ["budget"]

    def test_it_bounds_the_time(self, notebook, shelf):
        notebook.run("x = [[{'a': i, 'b': [str(i)]} for i in range(2000)] for j in range(100)]")
        found = list(notebook.covariables("x").values())
        saver = Saver(shelf, notebook.analyser, policy="auto")
        start = time.perf_counter()
        saver.save(found, label="", cell_seconds=0.0)
        assert time.perf_counter() - start < 1.0
        saver.close()

    def test_none_saves_nothing(self, notebook, shelf):
        notebook.run("x = 1").save(policy="none")
        assert not shelf.committed

    def test_large_memory_waits_for_room(self, notebook, shelf, again):
        notebook.run(NUMPY + "x = np.arange(6_000_000.)")
        kernel = again("x", staging_bytes=1 << 20)
        assert kernel.ns["x"][-1] == 5_999_999


class TestTroubles:
    def test_a_full_disk(self, notebook, shelf, monkeypatch):
        notebook.run(NUMPY + "x = np.arange(1_000_000.); y = [1]").save("y")

        def full(self, offset, data):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(checkpoint.CheckpointFile, "write", full)
        notebook.save("x")
        (problem,) = notebook.problems
        assert problem.names == ("x",)
        assert "No space left" in problem.why
        assert sorted(os.listdir(shelf.folder)) == shelf.committed
        monkeypatch.undo()
        known = notebook.save("x")
        assert not notebook.problems
        assert Kernel(shelf, known).restore("x").ns["x"][-1] == 999_999

    def test_a_full_disk_in_the_middle(self, notebook, shelf, monkeypatch):
        notebook.run(NUMPY + "x = np.arange(6_000_000.)")
        real, left = os.pwrite, [20 << 20]

        def pwrite(file, data, offset):
            left[0] -= len(data)
            if left[0] < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(file, data, offset)

        monkeypatch.setattr(os, "pwrite", pwrite)
        notebook.save("x", staging_bytes=1 << 20)
        assert [problem.kind for problem in notebook.problems] == ["failed"]
        assert os.listdir(shelf.folder) == []

    def test_no_folder(self, notebook, shelf):
        shelf.folder.rmdir()
        notebook.run("x = [1]").save()
        assert [problem.names for problem in notebook.problems] == [("x",)]

    def test_memory_that_changes_while_it_is_saved(self, notebook, shelf, monkeypatch):
        """A thread of the user's writes between the digest and the copy: that content has no digest, nor a place."""
        notebook.run(NUMPY + "x = np.arange(1_000_000.); y = np.ones(1000)")
        real = writing.WriterThread.write

        def write(self, job):
            notebook.ns["x"][5] = -5
            real(self, job)

        monkeypatch.setattr(writing.WriterThread, "write", write)
        known = notebook.save("x", "y")
        (problem,) = notebook.problems
        assert problem.names == ("x",)
        assert "changed while it was saved" in problem.why
        assert shelf.locate(known["x"].digest) is None
        assert shelf.locate(known["y"].digest) is not None

    def test_objects_that_change_while_they_are_saved(self, notebook, shelf):
        notebook.run(
            "class B:\n  def __reduce__(self):\n    x.append(1)\n    return B, ()\nx = [0]; x.append(B())"
        )
        known = notebook.save("x", "B")
        assert known["x"].opaque or notebook.problems or shelf.locate(known["x"].digest) is None

    def test_one_failure_is_one_variable_s(self, notebook, shelf):
        notebook.run(
            "import threading\nx = (i for i in 'a'); y = [1]; z = {'l': [2]}; w = [threading.current_thread()]"
        )
        known = notebook.save("x", "y", "z", "w")
        assert [name for name, each in known.items() if shelf.locate(each.digest)] == ["y", "z"]

    def test_the_user_goes_on_while_it_is_written(self, notebook, shelf, monkeypatch):
        notebook.run(NUMPY + "x = np.arange(1_000_000.)")
        gate = threading.Event()
        real = checkpoint.CheckpointFile.write

        def slow(self, offset, data):
            gate.wait(10)
            real(self, offset, data)

        monkeypatch.setattr(checkpoint.CheckpointFile, "write", slow)
        found = notebook.covariables("x")
        saver = Saver(shelf, notebook.analyser, policy="all")
        saver.save(found.values(), label="", cell_seconds=1)
        notebook.ns["x"][:] = 0
        assert saver.flush(0.05) == []
        assert not shelf.committed
        gate.set()
        assert saver.flush(10) == []
        saver.close()
        assert Kernel(shelf, found).restore("x").ns["x"][-1] == 999_999

    def test_objects_that_a_thread_changes(self, notebook, shelf):
        """Each value that is saved under a digest has it, whatever a thread does between digest and pickle."""
        notebook.run(
            "import threading, time\nx = [[i] for i in range(3000)]; stop = False\n"
            "def change():\n  n = 0\n  while not stop:\n    n += 1; x[n % 3000][0] = n; time.sleep(0)\n"
            "t = threading.Thread(target=change); t.start()"
        )
        known = []
        for _ in range(20):
            known.append(notebook.save("x")["x"])
        notebook.run("stop = True; t.join()")
        saved = [each for each in known if shelf.locate(each.digest)]
        for each in saved:
            kernel = Kernel(shelf, {"x": each}).restore("x")
            assert kernel.digest("x") == each.digest

    def test_an_interrupt(self, notebook, shelf, monkeypatch):
        notebook.run(NUMPY + "x = np.arange(6_000_000.); y = 1")
        real = writing.WriterThread._stage
        calls = []

        def stage(self, job, *rest):
            calls.append(1)
            if len(calls) == 3:
                raise KeyboardInterrupt
            real(self, job, *rest)

        monkeypatch.setattr(writing.WriterThread, "_stage", stage)
        found = notebook.covariables("x")
        saver = Saver(shelf, notebook.analyser, policy="all")
        with pytest.raises(KeyboardInterrupt):
            saver.save(found.values(), label="", cell_seconds=0)
        (problem,) = saver.flush(10)
        assert "interrupted" in problem.why
        monkeypatch.undo()
        saver.save(found.values(), label="", cell_seconds=0)
        assert saver.flush(30) == []
        saver.close()
        assert shelf.locate(found["x"].digest)

    def test_a_record_that_fails(self, notebook, shelf, monkeypatch):
        def saved(digest, location):
            raise ZeroDivisionError("what nobody expects")

        monkeypatch.setattr(shelf, "saved", saved)
        notebook.run("x = 1").save()
        assert ["ZeroDivisionError: what nobody expects"] == [problem.why for problem in notebook.problems]

    def test_a_forked_child_writes_nothing(self, notebook, shelf):
        notebook.run("x = 1")
        found = notebook.covariables("x")
        saver = Saver(shelf, notebook.analyser, policy="all")
        child = os.fork()
        if child == 0:
            saver.save(found.values(), label="", cell_seconds=0)
            saver.flush()
            saver.close()
            os._exit(len(shelf.committed))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        saver.close()

    def test_dropped_classes_go(self, notebook, shelf):
        import gc
        import weakref

        notebook.run("class A:\n  n = 1\nx = A()").save("x", "A")
        old = weakref.ref(notebook.ns["A"])
        notebook.run("class A:\n  n = 2\nx = A()").save("x", "A")
        gc.collect()
        assert old() is None

    def test_closing_twice(self, notebook, shelf):
        saver = Saver(shelf, notebook.analyser)
        saver.close()
        saver.close()
