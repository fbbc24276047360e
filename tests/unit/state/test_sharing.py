"""Which names are one co-variable: those through which the same change can be seen, and no others."""

from __future__ import annotations

import pytest

NUMPY = "import numpy as np, pandas as pd\n"

LINKED = {
    "one list": "x = []; y = x",
    "held by another": "y = []; x = {'a': [1, (2, y)]}",
    "through a third": "z = []; x = [z]; y = [z]; del z",
    "instance in a list": "class A: pass\ny = A(); x = [y]",
    "dictionary of an instance": "class A: pass\nx = A(); y = vars(x)",
    "bound method": "class A:\n  def m(self): ...\ny = A(); x = y.m",
    "builtin method": "y = []; x = y.append",
    "partial": "import functools\ny = []; x = functools.partial(len, y)",
    "closure": "def make(v):\n  return lambda: v\ny = []; x = make(y)",
    "shared cell": "def make():\n  n = 0\n  def up():\n    nonlocal n; n += 1\n  def get(): return n\n  return up, get\nx, y = make()",
    "default": "y = []\nx = lambda a=y: a",
    "attribute of a function": "y = []\ndef x(): ...\nx.cache = y",
    "attribute of a class": "y = []\nclass x:\n  all = y",
    "alias of a function": "def x(): ...\ny = x",
    "alias of a class": "class x: ...\ny = x",
    "lambda held": "y = lambda: 0; x = [y]",
    "view": NUMPY + "y = np.arange(9); x = y[2:4]",
    "two views": NUMPY + "z = np.arange(9); x = z[:5]; y = z[4:]; del z",
    "reshaped": NUMPY + "y = np.arange(9); x = y.reshape(3, 3)",
    "field": NUMPY + "y = np.zeros(3, [('a', 'i4'), ('b', 'f8')]); x = y['a']",
    "reversed": NUMPY + "y = np.arange(9); x = y[::-1]",
    "bytearray behind an array": NUMPY + "y = bytearray(16); x = np.frombuffer(y, np.uint8)",
    "memoryview": "y = bytearray(16); x = memoryview(y)[3:]",
    "masked view": NUMPY + "y = np.arange(9); x = np.ma.array(y, copy=False)",
    "array from a frame": NUMPY + "y = pd.DataFrame({'a': [1., 2.]}); x = y['a'].values",
    "index of a frame": NUMPY + "y = pd.DataFrame({'a': [1., 2.]}); x = y.index",
    "object arrays": NUMPY + "y = []; x = np.array([y, None], object)",
    "frame of objects": NUMPY + "y = []; x = pd.DataFrame({'a': [y, 1]})",
    "dictionary view": "y = {'a': 1}; x = y.keys()",
    "proxy": "import types\ny = {'a': 1}; x = types.MappingProxyType(y)",
    "iterator": "y = [1, 2]; x = iter(y)",
    "map": "y = [1, 2]; x = map(str, y)",
    "zip": "y = [1, 2]; x = enumerate(zip(y, y))",
    "itertools": "import itertools\ny = [1, 2]; x = itertools.chain(y)",
    "context": "import collections\ny = {}; x = collections.ChainMap(y)",
    "keys that can change": "class A: ...\ny = A(); x = {y: 1}",
    "elements of a set": "class A: ...\ny = A(); x = {y}",
    "property of a class": "y = []\nclass x:\n  p = property(lambda self, y=y: y)",
    "instances of a closed class": "def make():\n  class A: ...\n  return A(), A()\nx, y = make()",
    "random generators": NUMPY + "y = np.random.default_rng(); x = y.bit_generator",
    "classes that refer to each other": "class x: ...\nclass y:\n  other = x\nx.other = y",
}

APART = {
    "equal lists": "x = []; y = []",
    "interned strings": "x = 'abc'; y = ['abc', x]",
    "one tuple": "x = (1, 2); y = [x]",
    "one large int": "x = 10**30; y = [x]",
    "one frozen set": "x = frozenset([1]); y = [x]",
    "none and others": "x = [None, True, ...]; y = [None, True, ...]",
    "one module": "import os\nx = [os]; y = {'os': os}",
    "one library class": "import collections\nx = [collections.deque, int]; y = [collections.deque, int]",
    "one library function": "x = [len]; y = [len]",
    "instances of one class": "class A: ...\nx = A(); y = A()",
    "an instance and its class": "class y: ...\nx = y()",
    "a subclass and its base": "class y: ...\nclass x(y): ...",
    "a function that calls another": "def y(): ...\ndef x(): y()",
    "a function held by name": "def y(): ...\nx = [y]",
    "one date": "import datetime\nx = datetime.date(2020, 1, 1); y = [x]",
    "one path": "import pathlib\nx = pathlib.Path('a'); y = [x]",
    "one pattern": "import re\nx = re.compile('a'); y = [x]",
    "one decimal": "import decimal\nx = decimal.Decimal(1); y = [x]",
    "one member": "import enum\nclass E(enum.Enum):\n  a = 1\nx = [E.a]; y = [E.a]",
    "one frozen record": "import dataclasses\n@dataclasses.dataclass(frozen=True)\nclass A:\n  a: int\nx = A(1); y = [x]",
    "one named tuple": "import collections\nA = collections.namedtuple('A', 'a')\nx = A(1); y = [x]",
    "one dtype": NUMPY + "x = np.dtype('f8'); y = [x]",
    "arrays of one dtype": NUMPY + "d = np.dtype([('a', 'f8')]); x = np.zeros(2, d); y = np.zeros(2, d)",
    "one scalar": NUMPY + "x = np.float64(1); y = [x]",
    "one time stamp": NUMPY + "x = pd.Timestamp(0); y = [x]",
    "views that do not meet": NUMPY + "z = np.arange(9); x = z[:4]; y = z[4:]; del z",
    "empty views": NUMPY + "z = np.arange(9); x = z[3:3]; y = z[:]; del z",
    "copies": NUMPY + "x = np.arange(9); y = x.copy()",
    "frames that share until written": NUMPY + "x = pd.DataFrame({'a': [1., 2.]}); y = x[['a']]",
    "a column of a frame": NUMPY + "y = pd.DataFrame({'a': [1., 2.]}); x = y['a']",
    "frames of one array": NUMPY + "a = np.ones((2, 2)); x = pd.DataFrame(a); y = pd.DataFrame(a); del a",
    "one singleton of a library": NUMPY
    + "x = [pd.NA, np.nan, NotImplemented]; y = [pd.NA, np.nan, NotImplemented]",
    "functions of numpy's generator": "from numpy.random import rand as x, normal as y",
    "functions of random": "from random import random as x, gauss as y",
    "exec'd dictionaries": "x = {}; y = {}\nexec('a = 1', x); exec('a = 1', y)",
    "classes that call each other": "class x:\n  def m(self): return y()\nclass y:\n  def m(self): return x()",
    "slots": "class A:\n  __slots__ = ('a',)\nx = A(); y = A(); x.a = y.a = (1,)",
}


KIN = {
    "generator": "y = [1, 2]; x = (i for i in y)",
    "running generator": "def make(v):\n  for i in v: yield i\ny = [1, 2]; x = make(y); next(x)",
    "weak reference": "import weakref\nclass A: ...\ny = A(); x = weakref.ref(y)",
}


@pytest.mark.parametrize("cell", LINKED.values(), ids=LINKED)
def test_names_that_see_one_change_are_one(notebook, cell):
    assert ("x", "y") in notebook.run(cell).groups("x", "y")


@pytest.mark.parametrize("cell", APART.values(), ids=APART)
def test_names_that_see_no_common_change_stay_apart(notebook, cell):
    assert notebook.run(cell).groups("x", "y") == {("x",), ("y",)}


@pytest.mark.parametrize("cell", KIN.values(), ids=KIN)
def test_what_shares_through_something_unsaveable_is_kin(notebook, cell):
    found = notebook.run(cell).covariables("x", "y")
    assert found["x"].opaque
    assert found["y"].digest
    assert (found["x"].kin, found["y"].kin) == (("y",), ("x",))


def test_absent_names_are_skipped(notebook):
    assert notebook.run("x = 1").groups("x", "nothing") == {("x",)}


def test_a_group_differs_from_its_parts_unshared(notebook):
    shared = notebook.run("x = [1]; y = [x]").covariables("x", "y")
    apart = notebook.run("x = [1]; y = [[1]]").covariables("x", "y")
    assert shared["x"].digests == {**apart["x"].digests, **apart["y"].digests}
    assert shared["x"].digest not in (apart["x"].digest, apart["y"].digest)


def test_needs_are_the_variables_that_code_refers_to(notebook):
    notebook.run(
        "import math\n"
        "a, b, c = 1, [2], 3\n"
        "def g(): return c\n"
        "def x(q=b):\n"
        "    len(q)\n"
        "    def inner(): return math.pi + a + later\n"
        "    return [g() for _ in range(a)]\n"
    )
    assert notebook.covariables("x")["x"].needs == ("a", "g", "later", "math")
    assert notebook.analyser.references("x") == {"a", "g", "later", "math"}
    assert notebook.covariables("g")["g"].needs == ("c",)


def test_needs_of_instances_are_their_classes(notebook):
    notebook.run("class A: ...\nclass B(A):\n  def m(self): return f()\ndef f(): ...\nx = [B(), {1: A}]")
    assert notebook.covariables("x")["x"].needs == ("A", "B")
    assert notebook.covariables("B")["B"].needs == ("A", "f")


def test_an_instance_holds_its_class_once_that_is_redefined(notebook):
    notebook.run("class A:\n  n = 1\nx = A()")
    before = notebook.covariables("x")["x"]
    notebook.run("class A:\n  n = 2")
    after = notebook.covariables("x")["x"]
    assert before.needs == ("A",)
    assert after.needs == ()
    assert before.digest != after.digest
    assert notebook.groups("x", "A") == {("x",), ("A",)}


def test_methods_of_an_aliased_class_count(notebook):
    """`B` is the old `A`: what its methods do is part of its value, whatever `A` is now."""
    first = notebook.run("class A:\n  def m(self): return 1\nB = A").covariables("A", "B")["B"]
    second = notebook.run("class A:\n  def m(self): return 2\nB = A").covariables("A", "B")["B"]
    assert first.names == ("A", "B")
    assert first.digests["B"] != second.digests["B"]
