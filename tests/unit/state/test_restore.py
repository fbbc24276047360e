"""What is saved comes back as it was: values, aliases, views, functions that live in the notebook, classes that are one."""

from __future__ import annotations

import gc
import inspect
import pickle
import sys

import pytest
from state_samples import DIFFERENT

from nbrewind.errors import RecordError

NUMPY = "import numpy as np, pandas as pd\n"
UNSAVEABLE = ()


@pytest.mark.parametrize("texts", DIFFERENT.values(), ids=DIFFERENT)
def test_every_value_comes_back(notebook, again, texts):
    for number, text in enumerate(texts):
        if text not in UNSAVEABLE:
            notebook.run(f"x{number} = {text}")
    again(*(name for name in notebook.names if name.startswith("x")))


def test_aliases_stay(again, notebook):
    notebook.run("x = []; y = {'x': x}; z = (x, y); y['self'] = y")
    back = again().ns
    assert back["y"]["x"] is back["x"]
    assert back["z"][1] is back["y"]
    assert back["y"]["self"] is back["y"]


def test_values_saved_under_other_names_come_back_under_these(notebook, shelf, again):
    notebook.run("x = [1, [2]]; y = x[1]")
    again("x", "y")
    written = len(shelf.committed)
    notebook.run("p = [1, [2]]; q = p[1]")
    back = again("p", "q").ns
    assert len(shelf.committed) == written
    assert back["p"] == [1, [2]]
    assert back["p"][1] is back["q"]


class TestFunctions:
    def test_globals_are_the_notebook(self, notebook, again):
        notebook.run("x = 1\ndef f(): return x + g()\ndef g(): return x * 10\nh = [lambda: x]")
        kernel = again()
        assert kernel.ns["f"].__globals__ is kernel.ns
        kernel.run("x = 5")
        assert kernel.ns["f"]() == 55
        assert kernel.ns["h"][0]() == 5
        kernel.run("def g(): return 0")
        assert kernel.ns["f"]() == 5

    def test_cells_are_shared(self, notebook, again):
        notebook.run(
            "def make():\n  n = [0]\n  k = 0\n  def up():\n    nonlocal k\n    k += 1; n.append(k)\n    return k\n"
            "  def get(): return k, n\n  return up, get\nup, get = make(); up()"
        )
        back = again("up", "get").ns
        assert back["up"]() == 2
        assert back["get"]() == (2, [0, 1, 2])

    def test_recursion_through_a_cell(self, notebook, again):
        notebook.run(
            "def make():\n  def even(n): return n == 0 or odd(n - 1)\n  def odd(n): return n != 0 and even(n - 1)\n"
            "  return even\neven = make()"
        )
        assert again("even").ns["even"](10)

    def test_an_empty_cell(self, notebook, again):
        notebook.run("def make():\n  def f(): return later\n  return f\n  later = 1\nf = make()")
        with pytest.raises(NameError):
            again("f").ns["f"]()

    def test_everything_about_them(self, notebook, again):
        notebook.run(
            "def f(a: int, /, b=[1], *c, d: str = 'x', **e) -> float:\n"
            "    '''Says.'''\n"
            "    return a\n"
            "f.cache = {1: 2}\nf.__doc__ = 'Other.'\n"
        )
        back = again("f").ns["f"]
        assert (back.__name__, back.__qualname__, back.__module__, back.__doc__) == (
            "f",
            "f",
            "__main__",
            "Other.",
        )
        assert (back.__defaults__, back.__kwdefaults__, back.cache) == (([1],), {"d": "x"}, {1: 2})
        assert back.__annotations__ == {"a": int, "d": str, "return": float}
        assert str(inspect.signature(back)) == "(a: int, /, b=[1], *c, d: str = 'x', **e) -> float"

    def test_their_source_is_known_in_a_fresh_process(self, notebook, again):
        import linecache

        source = "def f():\n    return 1  # because\n"
        notebook.run(source, "<ipython-input-1>")
        known = notebook.save("f")
        del linecache.cache["<ipython-input-1>"]
        from conftest import Kernel

        kernel = Kernel(notebook.shelf, known).restore("f")
        assert inspect.getsource(kernel.ns["f"]) == source
        assert kernel.covariables("f") == known

    def test_wrapped(self, notebook, again):
        notebook.run(
            "import functools\ndef twice(f):\n  @functools.wraps(f)\n  def g(*a): return 2 * f(*a)\n  return g\n"
            "@twice\ndef f(a): return a\n"
            "@functools.lru_cache(None)\ndef h(a): return a\n"
        )
        back = again("f", "twice").ns
        assert back["f"](4) == 8
        assert back["f"].__wrapped__(4) == 4
        assert back["f"].__name__ == "f"

    def test_coroutines_and_generators(self, notebook, again):
        notebook.run("async def f(): return 1\ndef g():\n  yield 1\nasync def h():\n  yield 2")
        back = again().ns
        assert inspect.iscoroutinefunction(back["f"])
        assert list(back["g"]()) == [1]
        assert inspect.isasyncgenfunction(back["h"])

    def test_of_a_dictionary_of_globals(self, notebook, again):
        notebook.run("d = {'n': 1}\nexec('def f():\\n  return n', d)\nf = d['f']")
        back = again("d", "f").ns
        assert back["f"]() == 1
        back["d"]["n"] = 2
        assert back["f"]() == 2
        assert back["d"]["f"] is back["f"]

    def test_made_in_a_library(self, notebook, again):
        """A closure of a library looks its globals up in the library, not in a copy."""
        notebook.run("import operator, functools, collections\nx = functools.singledispatch(len).register\n")
        notebook.run("import contextlib\n@contextlib.contextmanager\ndef c():\n  yield 3\n")
        back = again("c").ns
        with back["c"]() as got:
            assert got == 3
        assert back["c"].__globals__ is vars(sys.modules["contextlib"])

    def test_library_functions_are_the_library_s(self, notebook, again):
        notebook.run(
            "import json\nfrom random import random as r, seed\nfrom numpy.random import rand\nx = [json.dumps, r, rand, len, str.join]"
        )
        back = again("x", "r", "rand").ns
        assert all(one is other for one, other in zip(back["x"], notebook.ns["x"], strict=True))
        assert back["rand"] is notebook.ns["rand"]

    def test_the_namespace_itself(self, notebook, again):
        notebook.run("x = [globals()]\ndef f(d=globals()): return d")
        kernel = again("x", "f")
        assert kernel.ns["x"][0] is kernel.ns
        assert kernel.ns["f"]() is kernel.ns


class TestClasses:
    def test_instances_are_of_the_restored_class(self, notebook, again):
        notebook.run(
            "class A:\n  n = 1\n  def __init__(self): self.q = []\n  def m(self): return self.n\nx = A(); y = [A()]"
        )
        kernel = again()
        assert isinstance(kernel.ns["x"], kernel.ns["A"])
        assert type(kernel.ns["y"][0]) is kernel.ns["A"]
        kernel.ns["A"].n = 7
        assert kernel.ns["x"].m() == 7
        assert pickle.loads(pickle.dumps(kernel.ns["x"])).q == []
        kernel.run("z = A()")
        assert type(kernel.ns["z"]) is type(kernel.ns["x"])

    def test_a_missing_class_is_named(self, notebook, again, shelf):
        from conftest import Kernel

        known = notebook.run("class A: ...\nx = A()").save("x")
        kernel = Kernel(shelf, known)
        with pytest.raises(RecordError, match="variable A must be restored first"):
            kernel.loader.load(known["x"])

    def test_redefined(self, notebook, again):
        notebook.run("class A:\n  def m(self): return 1\nx = A()\nclass A:\n  def m(self): return 2\ny = A()")
        back = again().ns
        assert (back["x"].m(), back["y"].m()) == (1, 2)
        assert not isinstance(back["x"], back["A"])

    def test_super_and_bases(self, notebook, again):
        notebook.run(
            "class A:\n  def m(self): return [1]\nclass M:\n  def k(self): return 'k'\n"
            "class B(A, M):\n  def m(self): return super().m() + [2]\n  def who(self): return __class__\nx = B()"
        )
        back = again().ns
        assert back["x"].m() == [1, 2]
        assert back["x"].who() is back["B"]
        assert back["B"].__mro__[1] is back["A"]

    def test_descriptors(self, notebook, again):
        notebook.run(
            "import functools\nclass A:\n"
            "  def __init__(self): self._v = 1\n"
            "  @property\n  def v(self): return self._v\n"
            "  @v.setter\n  def v(self, value): self._v = value\n"
            "  @staticmethod\n  def s(a): return a\n"
            "  @classmethod\n  def c(cls): return cls\n"
            "  @functools.cached_property\n  def p(self): return [self._v]\n"
            "  @functools.cached_property\n  def q(self): return 3\n"
            "x = A(); x.p\n"
        )
        back = again().ns
        back["x"].v = 4
        assert (back["x"].v, back["A"].s(1), back["A"].c(), back["x"].p, back["x"].q) == (
            4,
            1,
            back["A"],
            [1],
            3,
        )

    def test_slots(self, notebook, again):
        notebook.run(
            "class A:\n  __slots__ = ('a', '__b')\n  def __init__(self): self.__b = [1]\n  def b(self): return self.__b\nx = A()"
        )
        back = again().ns
        assert back["x"].b() == [1]
        assert not hasattr(back["x"], "a")
        assert not hasattr(back["x"], "__dict__")

    def test_records(self, notebook, again):
        notebook.run(
            "import dataclasses, collections, typing\n"
            "@dataclasses.dataclass\nclass D:\n  a: int = 1\n  b: list = dataclasses.field(default_factory=list)\n  c: int = dataclasses.field(default=3, kw_only=True)\n"
            "@dataclasses.dataclass(frozen=True, slots=True)\nclass F:\n  a: int\n"
            "@dataclasses.dataclass\nclass E(D):\n  d: str = 'd'\n"
            "N = collections.namedtuple('N', 'a b', defaults=[2])\n"
            "class T(typing.NamedTuple):\n  a: int\n  b: str = 'x'\n  def m(self): return self.a\n"
            "class S(N):\n  def m(self): return self.b\n"
            "x = [D(b=[1]), F(2), E(d='e'), N(1), T(5), S(7)]"
        )
        kernel = again()
        back = kernel.ns
        assert back["x"] == [back["D"](b=[1]), back["F"](2), back["E"](d="e"), (1, 2), (5, "x"), (7, 2)]
        assert repr(back["x"]) == repr(notebook.ns["x"])
        assert back["x"][4].m() == 5
        assert back["x"][5].m() == 2
        kernel.run(
            "assert dataclasses.replace(x[0], a=9).a == 9\n@dataclasses.dataclass\nclass G(D):\n  e: int = 4\nassert G().e == 4"
        )
        kernel.run("try: x[1].a = 3\nexcept dataclasses.FrozenInstanceError: pass\nelse: assert 0")
        assert dict(back["D"].__dataclass_fields__)["a"].default == 1

    def test_enumerations(self, notebook, again):
        notebook.run(
            "import enum\n"
            "class E(enum.Enum):\n  a = 1\n  b = 'two'\n  alias = 1\n  def m(self): return self.value\n  @property\n  def p(self): return self.name\n"
            "class F(enum.IntFlag):\n  r = enum.auto()\n  w = enum.auto()\n"
            "class P(enum.Enum):\n  e = (1, 2)\n  def __init__(self, m, r): self.m = m + r\n"
            "class S(enum.StrEnum):\n  k = 'v'\n"
            "x = [E.a, E.b, F.r, F.r | F.w, P.e, S.k]"
        )
        back = again().ns
        assert back["x"][0] is back["E"].a is back["E"](1) is back["E"].alias
        assert back["x"][1].m() == "two"
        assert back["x"][1].p == "b"
        assert back["x"][3] is back["F"].r | back["F"].w
        assert back["x"][4].m == 3
        assert f"{back['x'][5]}" == "v"

    def test_abstract(self, notebook, again):
        notebook.run(
            "import abc, collections.abc\nclass A(abc.ABC):\n  @abc.abstractmethod\n  def m(self): ...\n"
            "class B(A):\n  def m(self): return 1\nclass C: ...\nA.register(C)\nx = B()\n"
            "class L(collections.abc.Sequence):\n  def __len__(self): return 1\n  def __getitem__(self, i): return [5][i]\ny = L()"
        )
        back = again().ns
        assert back["x"].m() == 1
        assert isinstance(back["x"], back["A"])
        assert list(back["y"]) == [5]
        with pytest.raises(TypeError):
            back["A"]()

    def test_generic(self, notebook, again):
        notebook.run(
            "import typing\nT = typing.TypeVar('T')\nclass G(typing.Generic[T]):\n  def m(self) -> T: ...\nx = G[int]()\nclass H(G[str]): ..."
        )
        back = again().ns
        assert isinstance(back["x"], back["G"])
        assert back["H"].__orig_bases__[0].__origin__ is back["G"]

    def test_metaclasses_and_hooks_of_subclasses_do_not_run_again(self, notebook, again):
        notebook.run(
            "made = []\n"
            "class M(type):\n  def __new__(m, name, bases, ns, tag=None):\n    made.append(name)\n    return super().__new__(m, name, bases, ns)\n"
            "  def __init__(cls, name, bases, ns, tag=None): super().__init__(name, bases, ns)\n"
            "class A(metaclass=M, tag=1): ...\n"
            "class P:\n  kinds = []\n  def __init_subclass__(cls, key, **more): P.kinds.append(key)\n"
            "class Q(P, key='q'): ...\nx = [A(), Q()]\n"
        )
        back = again().ns
        assert back["made"] == ["A"]
        assert back["P"].kinds == ["q"]
        assert type(back["A"]) is back["M"]
        assert isinstance(back["x"][1], back["P"])

    def test_that_hold_their_own_instances(self, notebook, again):
        notebook.run(
            "class A:\n  all = []\n  def __init__(self): A.all.append(self)\nx = A(); A.default = A()"
        )
        back = again().ns
        assert back["A"].all == [back["x"], back["A"].default]
        assert type(back["A"].default) is back["A"]

    def test_that_refer_to_each_other(self, notebook, again):
        notebook.run("class A: ...\nclass B:\n  other = A\nA.other = B\nx = A()")
        back = again().ns
        assert back["A"].other is back["B"]
        assert back["B"].other is back["A"]
        assert isinstance(back["x"], back["A"])

    def test_that_derive_from_builtins(self, notebook, again):
        notebook.run(
            "class L(list): ...\nclass D(dict):\n  def __missing__(self, k): return k\nclass S(str): ...\nclass I(int): ...\n"
            "class E(ValueError):\n  def __init__(self, a, b): super().__init__(a); self.b = b\n"
            "x = [L([1]), D(a=1), S('s'), I(4)]; x[0].more = [1]; x[2].unit = 'm'; e = E.__new__(E, 1, 2); e.b = 3"
        )
        back = again().ns
        assert back["x"] == [[1], {"a": 1}, "s", 4]
        assert (back["x"][0].more, back["x"][2].unit, back["x"][1]["q"], back["e"].b) == ([1], "m", "q", 3)

    def test_made_in_a_function(self, notebook, again):
        notebook.run(
            "def make():\n  class A:\n    def m(self): return A\n  return A()\nx = make(); y = [x, type(x)()]"
        )
        back = again("x", "y").ns
        assert type(back["x"]) is type(back["y"][1])
        assert back["x"].m() is type(back["x"])


class TestArrays:
    def test_views_are_views_again(self, notebook, again):
        notebook.run(
            NUMPY
            + "a = np.arange(20_000.).reshape(100, 200); b = a[10:20, ::-2]; c = a.T; d = {'row': a[5]}; e = a.reshape(-1)[::3]\n"
            "s = np.arange(12, dtype='i4').reshape(3, 4); t = s[1]\n"
            "p = np.arange(10)[2:5]; q = p[::-1]\n"
            "o = np.array([[], {}, None, 1], object); r = o[1:3]"
        )
        back = again().ns
        back["a"][:] = 7
        for name in "bce":
            assert (back[name] == 7).all()
        assert (back["d"]["row"] == 7).all()
        back["t"][:] = -1
        assert back["s"][1].tolist() == [-1] * 4
        back["q"][0] = 99
        assert back["p"][-1] == 99
        assert back["r"][0] is back["o"][1]
        back["r"][1] = "new"
        assert back["o"][2] == "new"

    def test_two_arrays_of_one_content_are_two(self, notebook, again):
        notebook.run(NUMPY + "x = [np.arange(100_000.), np.arange(100_000.)]; y = np.arange(100_000.)")
        back = again().ns
        back["x"][0][:] = 0
        assert back["x"][1][3] == 3
        assert back["y"][3] == 3

    def test_writing_never_reaches_the_file(self, notebook, shelf, again):
        from conftest import Kernel

        known = notebook.run(NUMPY + "x = np.arange(1_000_000.)").save()
        first = Kernel(shelf, known).restore("x")
        first.ns["x"][:] = 0
        assert Kernel(shelf, known).restore("x").ns["x"][5] == 5

    @pytest.mark.parametrize(
        "kind", ["f8", ">i4", "c16", "?", "M8[ns]", "m8[s]", "S7", "U5", "f2", "g", "V24"]
    )
    def test_large_arrays_of_every_type(self, notebook, again, kind):
        notebook.run(
            NUMPY
            + f"x = np.zeros((300, 200), {kind!r}); y = np.asfortranarray(x.copy()); z = x[::2, ::3].copy()"
        )
        back = again("x", "y", "z").ns
        for name in "xyz":
            assert back[name].dtype == kind
            assert back[name].flags.writeable

    def test_structured(self, notebook, again):
        notebook.run(
            NUMPY
            + "x = np.zeros(5000, np.dtype([('a', 'i1'), ('b', 'f8', (2,)), ('c', 'U3')], align=True)); x['c'] = 'abc'"
        )
        assert again().ns["x"]["c"][-1] == "abc"

    def test_layout_and_flags(self, notebook, again):
        notebook.run(
            NUMPY
            + "f = np.asfortranarray(np.ones((200, 300))); r = np.ones(9000); r.flags.writeable = False\n"
            "s = np.ones(3); s.flags.writeable = False; g = np.ones((400, 300))[::2, ::3]; v = np.broadcast_to(1.0, (500, 500))"
        )
        back = again("f", "r", "s", "g", "v").ns
        assert back["f"].flags.f_contiguous
        assert not back["r"].flags.writeable
        assert not back["s"].flags.writeable
        assert back["g"].shape == (200, 100)

    def test_memory_outlives_the_loader(self, notebook, again):
        notebook.run(NUMPY + "x = np.arange(500_000.)")
        kernel = again()
        kernel.loader.close()
        gc.collect()
        assert kernel.ns["x"].sum() == sum(range(500_000))

    def test_subclasses(self, notebook, again):
        notebook.run(
            NUMPY + "x = np.ma.array(np.arange(9000.), mask=np.arange(9000) % 2 == 0)\n"
            "class U(np.ndarray):\n  pass\ny = np.arange(9000.).view(U); y.unit = 'm'\n"
            "z = np.rec.array([(1, 2.)] * 900, dtype=[('a', 'i4'), ('b', 'f8')])"
        )
        back = again("x", "y", "z", "U").ns
        assert back["x"].mask[:3].tolist() == [True, False, True]
        assert back["z"].a[3] == 1

    def test_frames(self, notebook, again):
        notebook.run(
            NUMPY + "n = 10_000\n"
            "x = pd.DataFrame({'a': np.arange(n), 'b': np.arange(n) / 7, 'c': pd.Categorical(['u', 'v'] * (n // 2)), 's': ['é'] * n,"
            " 't': pd.date_range('2020', periods=n, tz='Europe/Rome'), 'i': pd.array([1, None] * (n // 2), dtype='Int64')})\n"
            "y = x.set_index(['c', 'a']); z = x.groupby('c', observed=True)['b'].mean(); w = x.pivot_table(index='c', values='b', observed=True)\n"
            "x.attrs['source'] = {'file': 1}; v = pd.Series(np.ones(n), name=('p', 1)); u = x.copy(deep=False)"
        )
        kernel = again("x", "y", "z", "w", "v", "u")
        import pandas as pd

        pd.testing.assert_frame_equal(kernel.ns["x"], notebook.ns["x"])
        pd.testing.assert_frame_equal(kernel.ns["y"], notebook.ns["y"])
        kernel.ns["x"].iloc[0, 0] = 99
        kernel.ns["x"]["new"] = 1
        assert kernel.ns["u"].iloc[0, 0] == 0
        assert kernel.ns["x"].attrs == {"source": {"file": 1}}

    def test_generators_go_on(self, notebook, again):
        notebook.run(
            NUMPY
            + "import random\ng = np.random.default_rng(1); g.random(3); r = random.Random(2); r.random(); s = np.random.RandomState(3); s.rand()\n"
            "b = np.random.PCG64DXSM(4)"
        )
        back = again("g", "r", "s", "b").ns
        for draw in ("g.random()", "r.random()", "s.rand()", "b.random_raw()"):
            assert eval(draw, back) == eval(draw, notebook.ns)


def test_what_is_not_saved_says_so(notebook, shelf):
    from conftest import Kernel

    known = notebook.run("x = 1").covariables("x")
    kernel = Kernel(shelf, known)
    assert not kernel.loader.can_load(known["x"])
    with pytest.raises(RecordError, match="x was not saved; its cell must run again"):
        kernel.loader.load(known["x"])


def test_of_another_python(notebook, shelf):
    from attrs import evolve
    from conftest import Kernel

    known = notebook.run("def f(): ...\nx = [1]").save()
    for digest, place in list(shelf.places.items()):
        version, colon, entry = place.entry.partition(":")
        if version:
            shelf.places[digest] = evolve(place, entry=f"3.9{colon}{entry}")
    kernel = Kernel(shelf, known)
    assert kernel.loader.can_load(known["x"])
    assert not kernel.loader.can_load(known["f"])
    with pytest.raises(RecordError, match=r"f was saved by Python 3\.9"):
        kernel.loader.load(known["f"])


def test_of_another_major_version_of_a_library(notebook, shelf):
    """What a class wrote into its pickle, another major version of it may read as something else."""
    from attrs import evolve
    from conftest import Kernel

    pd = pytest.importorskip("pandas")
    known = notebook.run("import pandas as pd\nframe = pd.DataFrame({'a': [1]})\nx = [1]").save()
    (digest, place) = next(
        (digest, place) for digest, place in shelf.places.items() if place.entry.endswith(":frame")
    )
    major = pd.__version__.partition(".")[0]
    assert f"pandas={major}" in place.entry
    assert Kernel(shelf, known).loader.can_load(known["frame"])
    shelf.places[digest] = evolve(place, entry=place.entry.replace(f"pandas={major}", "pandas=1"))
    kernel = Kernel(shelf, known)
    assert kernel.loader.can_load(known["x"])
    with pytest.raises(RecordError, match=f"frame was saved by pandas 1, this is {major}; its cell must run"):
        kernel.loader.load(known["frame"])
