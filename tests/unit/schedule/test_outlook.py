"""The fold that says which cells must wait for which."""

from __future__ import annotations

from nbrewind.schedule.access import Access
from nbrewind.schedule.outlook import foresee


def access(reads: str = "", writes: str = "", opens: str = "") -> Access:
    places = [frozenset(("variable", name) for name in names.split()) for names in (reads, writes)]
    return Access("predicted", *places, opens=opens)


def fold(*cells: Access, present: str = ""):
    return foresee(enumerate(cells), lambda place: place[1] in present.split())


def test_a_cell_waits_for_the_last_one_that_writes_what_it_reads():
    rows = fold(access(writes="a"), access(writes="a"), access(reads="a"))
    assert rows[2].after == {1}
    assert not rows[2].ready


def test_cells_that_share_no_place_wait_for_nobody():
    rows = fold(access("x", "a"), access("x", "b"), present="x")
    assert [row.after for row in rows] == [frozenset(), frozenset()]


def test_a_write_does_not_wait_for_those_who_read_before_it():
    rows = fold(access(reads="x"), access(writes="x"), present="x")
    assert rows[1].ready


def test_the_four_answers():
    rows = fold(
        access(writes="a"), access("x a nothing"), access(opens="uses exec"), access("x"), present="x"
    )
    assert {each.place[1]: each.answer for each in rows[1].inputs} == {
        "x": "exact",
        "a": "changed",
        "nothing": "absent",
    }
    assert [(each.answer, each.by) for each in rows[3].inputs] == [("unknown", 2)]


def test_an_open_cell_waits_for_all_before_it_and_all_behind_wait_for_it():
    rows = fold(
        access(writes="a"), access(writes="b"), access(opens="uses exec"), access(writes="c"), access("c")
    )
    assert rows[2].after == {0, 1}
    assert rows[3].after == {2}
    assert rows[4].after == {2, 3}
