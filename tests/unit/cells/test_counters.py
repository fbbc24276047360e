"""Whole numbers that a library's own code moves."""

from __future__ import annotations

import sys
import types

import pytest

from nbrewind.cells.counters import Counters

CODE = """
made, ready, share = 0, False, 1.5

class Thing:
    count = 0
    width = 3
    def __init__(self):
        type(self).count += 1
        self.width = 4

class Special(Thing):
    pass

def label():
    global made
    made += 1

def set_up():
    global ready, share
    ready, share = True, 2.5

def looks():
    return made
"""


@pytest.fixture
def library(monkeypatch):
    module = types.ModuleType("counted")
    exec(CODE, vars(module))
    monkeypatch.setitem(sys.modules, "counted", module)
    return module


def moved(library, *functions, counters=None):
    """What moves when these run, as the interpreter would report them."""
    counters = counters or Counters()
    counters.start()
    for function in functions:
        code = getattr(function, "__init__", function) if isinstance(function, type) else function
        counters.note(code.__code__, "counted", vars(library))
        function()
    return counters.moved()


def test_a_global_number(library):
    assert moved(library, library.label) == {("counted", "", "made"): 0}


def test_a_number_of_a_class_but_none_of_its_instances(library):
    assert moved(library, library.Thing) == {("counted", "Thing", "count"): 0}


def test_marks_and_other_values_are_no_counters(library):
    assert moved(library, library.set_up) == {}


def test_what_only_looks_moves_nothing(library):
    library.label()
    assert moved(library, library.looks) == {}


def test_each_cell_counts_from_where_it_begins(library):
    counters = Counters()
    moved(library, library.label, counters=counters)
    assert moved(library, library.label, library.label, counters=counters) == {("counted", "", "made"): 1}
