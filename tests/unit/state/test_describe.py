"""Previews: short, of one line, and without calling anything of the user's."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nbrewind.state import describe


class Bad:
    def __repr__(self, *_):
        raise RuntimeError

    __str__ = __len__ = __repr__


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (33, "33"),
        (-1.5, "-1.5"),
        (None, "None"),
        (True, "True"),
        (10**400, "int of 1329 bits"),
        ("text", "'text'"),
        (b"ab", "b'ab'"),
        ([], "list of 0: []"),
        ([1, "a"], "list of 2: [1, 'a']"),
        ({"a": 1.5}, "dict of 1: {'a': 1.5}"),
        ({2, 1}, "set of 2: [1, 2]"),
        ([[1]], "list of 1"),
        (list(range(1000)), "list of 1000"),
        (np.zeros((3, 4)), "ndarray float64 (3, 4)"),
        (np.float64(2.5), "2.5"),
        (pd.DataFrame(np.zeros((100, 4))), "DataFrame 100×4"),
        (pd.Series([1, 2]), "Series int64 (2,)"),
        (pd.Timestamp(2020, 1, 1), "2020-01-01 00:00:00"),
        (len, "builtin_function_or_method"),
        (describe, "function describe"),
        (Bad, "class Bad"),
        (Bad(), "Bad"),
        ([Bad()], "list of 1"),
        (np, "module numpy"),
    ],
    ids=lambda value: value if type(value) is str else "",
)
def test_descriptions(value, text):
    assert describe(value) == text


def test_they_are_short_and_of_one_line():
    assert describe("x" * 1000) == "'" + "x" * 58 + "…"
    assert len(describe(["abc"] * 20, 40)) == 40
    assert "\n" not in describe("a\nb")


def test_lists_that_hold_themselves():
    value: list = []
    value.append(value)
    assert describe(value) == "list of 1"
