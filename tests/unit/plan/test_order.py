"""Orders of cells that say what they take from which other."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbrewind.errors import NoOrder
from nbrewind.plan.graph import Item, Part, connect
from nbrewind.plan.order import Declared, Input, declared, linear


def item(name: str) -> Item:
    return Item("variable", name)


def cell(name: str, takes: str = "", leaves: str = "") -> Declared:
    """`takes` are ``variable<maker``; without a maker, what was there before."""
    pairs = [one.partition("<") for one in takes.split()]
    return Declared(name, tuple(Input(item(n), m) for n, _, m in pairs), tuple(map(item, leaves.split())))


def names(cells, order):
    return "".join(cells[place].cell_id for place in order)


def test_a_valid_order_stays():
    cells = [cell("a", "", "x"), cell("b", "", "y"), cell("c", "x<a y<b")]
    assert linear(cells) == [0, 1, 2]


def test_makers_come_first():
    cells = [cell("c", "x<a y<b"), cell("b", "x<a", "y"), cell("a", "", "x")]
    assert names(cells, linear(cells)) == "abc"


def test_one_name_of_two_cells_is_kept_apart():
    cells = [cell("a", "", "x"), cell("b", "x<a", "x"), cell("c", "x<b"), cell("d", "x<a")]
    assert names(cells, linear(cells)) == "adbc"


def test_what_was_there_before_is_read_before_it_is_replaced():
    cells = [cell("a", "", "x"), cell("b", "x")]
    assert names(cells, linear(cells)) == "ba"


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ([cell("a", "x<b", "y"), cell("b", "y<a", "x")], "a, b"),
        ([cell("a", "x<gone")], "not in the notebook"),
        ([cell("a"), cell("b", "x<a")], "does not leave it"),
        ([cell("a", "", "x"), cell("b", "", "x"), cell("c", "x<a", "p"), cell("d", "x<b", "q"), cell("e", "x<a q<d"), cell("f", "x<b p<c")], ""),
    ],
)  # fmt: skip
def test_what_has_no_order(cells, told):
    if not told:  # a first, then b: e wants a's x after d had b's
        told = "different names"
    with pytest.raises(NoOrder, match=told):
        linear(cells)


def play(parts, order):
    """Which cell's version of each name every cell sees, in one namespace."""
    held, seen = {}, {}
    for place in order:
        seen[parts[place].cell_id] = {one.name: held.get(one.name, "") for one in parts[place].reads}
        held.update({one.name: parts[place].cell_id for one in parts[place].leaves})
    return seen


@given(
    st.lists(st.tuples(st.sets(st.sampled_from("xyz")), st.sets(st.sampled_from("xyz"))), max_size=7),
    st.randoms(use_true_random=False),
)
def test_any_notebook_can_be_shuffled_and_put_in_order_again(shape, chance: random.Random):
    parts = [
        Part(str(n), n, "", "recorded", tuple(map(item, sorted(reads))), tuple(map(item, sorted(leaves))))
        for n, (reads, leaves) in enumerate(shape)
    ]
    cells = declared(connect(parts))
    expected = play(parts, range(len(parts)))
    assert play(parts, linear(cells)) == expected, "in the order that was given"
    places = list(range(len(parts)))
    chance.shuffle(places)
    try:
        order = linear([cells[place] for place in places])
    except NoOrder:
        assert any(a != b for a, b in itertools.pairwise(places))
        return
    found = play(parts, [places[place] for place in order])
    made = {one for part in parts for one in part.leaves}
    for name, seen in expected.items():
        assert {n: m for n, m in found[name].items() if item(n) in made} == {
            n: m for n, m in seen.items() if item(n) in made
        }
