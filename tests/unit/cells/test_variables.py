"""Versions of variables: what a cell changed, what a restored cell left, and going back for a while."""

from __future__ import annotations

import pytest

from nbrewind.cells.variables import Variables
from nbrewind.record.model import Covariable
from nbrewind.state import Analyser


class Store:
    """Saved values, by digest."""

    def __init__(self):
        self.saved = {}

    def keep(self, variables, names):
        for covariable in names:
            self.saved[covariable.digest] = {name: variables.namespace[name] for name in covariable.names}

    def can_load(self, covariable):
        return covariable.digest in self.saved

    def load(self, covariable):
        import copy

        return copy.deepcopy(self.saved[covariable.digest])


@pytest.fixture
def made():
    store = Store()
    namespace = {}
    return Variables(namespace, {}, Analyser(namespace), store), store


def run(variables, code: str, read=(), stored=()):
    variables.begin()
    exec(code, variables.namespace)
    variables.namespace.pop("__builtins__", None)
    change = variables.settle(read, stored)
    variables.adopt(change.written, change.deleted)
    return change


def names(change):
    return [covariable.names for covariable in change.written]


def test_bound_changed_in_place_and_untouched(made):
    variables, _ = made
    assert names(run(variables, "a = [1]\nb = [2]")) == [("a",), ("b",)]
    assert names(run(variables, "a.append(3)", read=["a"])) == [("a",)]
    assert names(run(variables, "len(a)", read=["a"])) == []


def test_aliases_change_together(made):
    variables, _ = made
    run(variables, "a = [1]\nb = a")
    change = run(variables, "b.append(2)", read=["b"])
    assert names(change) == [("a", "b")]
    assert [old.names for old in change.touched_before] == [("a", "b")]


def test_one_alias_bound_anew_leaves_the_other_as_it_was(made):
    variables, _ = made
    run(variables, "a = [1]\nb = a")
    assert names(run(variables, "a = 5", stored=["a"])) == [("a",)]
    alone = variables.version("b")
    assert alone.names == ("b",)
    assert alone.digest == alone.digests["b"]


def test_deleted(made):
    variables, _ = made
    run(variables, "a = 1")
    assert run(variables, "del a", read=["a"]).deleted == ("a",)
    assert variables.version("a") is None


def test_restored_is_lazy_until_needed(made):
    variables, store = made
    written = run(variables, "a = [1]\nb = a").written
    store.keep(variables, written)
    run(variables, "a = 0\nb = 0", stored=["a", "b"])
    variables.assume(written, ())
    assert variables.lazy() == {"a", "b"}
    assert variables.materialise(["a"]) == []
    assert variables.namespace["a"] is variables.namespace["b"]
    assert variables.namespace["a"] == [1]


def test_what_is_not_saved_is_named(made):
    variables, _ = made
    lost = Covariable(("a",), {"a": "b3:1"}, "b3:1")
    variables.assume([lost], ())
    assert variables.materialise(["a"]) == [lost]


def test_a_visit_to_the_past_changes_nothing(made):
    variables, store = made
    store.keep(variables, run(variables, "a = 1").written)
    then = variables.versions()
    run(variables, "a = 2\nb = 3", stored=["a", "b"])
    token = variables.visit(then)
    assert variables.materialise(["a"]) == []
    assert variables.namespace["a"] == 1
    variables.namespace["made"] = "there"
    assert variables.leave(token)["made"] == "there"
    assert (variables.namespace["a"], variables.namespace["b"]) == (2, 3)
    assert "made" not in variables.namespace


def test_bound_between_cells(made):
    variables, _ = made
    run(variables, "a = 1")
    assert variables.drifted() is None
    before = variables.digest("a")
    variables.namespace["a"] = 2
    change = variables.drifted()
    variables.adopt(change.written, change.deleted)
    assert variables.digest("a") != before
    assert variables.drifted() is None


def test_a_generator_and_what_it_holds_are_kin(made):
    variables, _ = made
    run(variables, "data = [1, 2]\ng = (x for x in data)")
    assert variables.version("data").kin == ("g",)
    assert not variables.version("data").opaque
    assert names(run(variables, "next(g)", read=["g"])) == [("g",)]
    change = run(variables, "data.append(5)", read=["data"])
    assert sorted(names(change)) == [("data",), ("g",)]


def test_a_generator_needs_the_names_in_its_code(made):
    variables, _ = made
    run(variables, "data = [1, 2]\ng = (data.pop() for _ in range(2))")
    assert variables.version("g").needs == ("data",)
    assert sorted(names(run(variables, "next(g)", read=["g"]))) == [("data",), ("g",)]
