"""What can be said of a cell before it runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.inputtransformer2 import TransformerManager

from nbrewind.cells.code import is_history, read_cell


def read(source: str):
    return read_cell(source, TransformerManager().transform_cell)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x=1", "x = 1  # one"),
        ("f(1,\n  2)", "f(1, 2)"),
        ("if a:\n  b()", "if a:\n        b()\n"),
        ("x = 'a'", 'x = "a"'),
        ("x = 0x10", "x = 16"),
    ],
)
def test_layout_does_not_count(one, other):
    assert read(one).digest == read(other).digest


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = -0.0", "x = 0.0"),
        ("x", "x;"),
        ("x = 'a'", "x = b'a'"),
        ("def f(a, /): 0", "def f(a): 0"),
        ("async def f(): 0", "def f(): 0"),
        ("x = (1,)", "x = [1]"),
        ("f'{x!r}'", "f'{x!s}'"),
        ("a < b < c", "(a < b) < c"),
    ],
)
def test_meaning_counts(one, other):
    assert read(one).digest != read(other).digest


@given(st.integers(), st.integers())
def test_numbers_count(a, b):
    assert (read(f"x = {a}").digest == read(f"x = {b}").digest) == (a == b)


@given(st.text(), st.text())
def test_texts_count(a, b):
    assert (read(f"x = {a!r}").digest == read(f"x = {b!r}").digest) == (a == b)


def test_functions_only_defined_are_not_read():
    code = read("def f():\n    return hidden\ng = lambda: shown")
    assert "hidden" not in code.names.loads
    assert "shown" in code.names.loads
    assert {"hidden", "shown"} <= code.mentioned


def test_names_bound_first():
    code = read("import numpy as np\nx = np.ones(3)\ny = x + z\nz = 1")
    assert {"np", "x", "y"} <= code.bound_first
    assert "z" not in code.bound_first
    assert code.shielded == {"np"}


@pytest.mark.parametrize(
    "source",
    ["globals()", "vars()['x']", "exec(s)", "eval(s)", "get_ipython().user_ns['x']", "%unknown_magic x"],
)
def test_what_opens_a_cell(source):
    assert read(source).opens


@pytest.mark.parametrize("source", ["%matplotlib inline", "%%time\nx = 1", "%cd ..", "!ls"])
def test_what_does_not(source):
    assert not read(source).opens


def test_names_in_strings():
    assert "cut" in read("df.query('x > @cut')").quoted
    assert "cut" not in read("print('the cut')").quoted
    assert "cut" not in read("d['cut']").quoted
    assert "cut" in read("%%time\ncut + 1").mentioned


def test_history_names():
    assert read("_ + Out[3]").history == {"_", "Out"}
    assert is_history("_12")
    assert is_history("_i3")
    assert not is_history("_x1")


def test_what_cannot_be_compiled():
    code = read("x = = 1")
    assert not code.valid
    assert read("x = = 2").digest != code.digest
