"""Identical, close or different: values of every kind, texts, pictures."""

from __future__ import annotations

import base64
import io
from decimal import Decimal

import numpy as np
import pytest

from nbrewind.plan.alike import shown, texts, values

TOLERANCE = 1e-9
pd = pytest.importorskip("pandas")


class Point:
    def __init__(self, x):
        self.x = x

    def __eq__(self, other):
        raise AssertionError("nobody asks the user's class")

    __hash__ = None


def near(value):
    return value * (1 + 1e-12)


IDENTICAL = [
    (1, 1), (float("nan"), float("nan")), ("a", "a"), ([1, {"k": (2, None)}], [1, {"k": (2, None)}]),
    ({1, 2}, {2, 1}), (np.array([1.0, np.nan]), np.array([1.0, np.nan])), (Point(1), Point(1)),
    (pd.DataFrame({"a": [1.0], "s": ["x"]}), pd.DataFrame({"a": [1.0], "s": ["x"]})), (len, len), (Decimal(1), Decimal(1)),
    (np.array(["a", None], object), np.array(["a", None], object)),
]  # fmt: skip
CLOSE = [
    (0.1, near(0.1)), (1 + 2j, near(1 + 2j)), ([1, 0.5], [1, near(0.5)]), (1e-15, 0.0),
    (np.array([1.0, 2.0]), np.array([1.0, near(2.0)])), (np.float64(0.3), np.float64(near(0.3))),
    (pd.DataFrame({"a": [1.0, 2.0]}), pd.DataFrame({"a": [1.0, near(2.0)]})), (pd.Series([0.7]), pd.Series([near(0.7)])),
    ("<P at 0x7f01ab34cd>", "<P at 0x7f99ab34cd>"), ("took 1.5 s", "took 17 ms"), (Point(0.5), Point(near(0.5))),
]  # fmt: skip
DIFFERENT = [
    (1, 2), (1, 1.0), (True, 1), (0.1, 0.1001), (float("nan"), 1.0), (float("inf"), 1e308), ("a", "b"), ([1], [1, 2]),
    ((1,), [1]), ({"a": 1}, {"b": 1}), ({1}, {2}), (np.array([1]), np.array([1.0])), (np.zeros(2), np.zeros((2, 1))),
    (np.array([1.0, 2.0]), np.array([1.0, 2.1])), (pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]})),
    (pd.Series([1.0], index=[0]), pd.Series([1.0], index=[1])), (Point(1), Point(2)), (lambda: 1, lambda: 2 + 1), (lambda x=1: x, lambda x=2: x),
    (np.array([(1, 2.0)], "i4,f8"), np.array([(1, 3.0)], "i4,f8")), (Decimal(1), Decimal(2)), (b"a", b"b"),
]  # fmt: skip


CASES = (
    [("identical", *p) for p in IDENTICAL]
    + [("close", *p) for p in CLOSE]
    + [("different", *p) for p in DIFFERENT]
)


@pytest.mark.parametrize(
    "case", range(len(CASES)), ids=[f"{verdict}-{type(new).__name__}" for verdict, _, new in CASES]
)
def test_values(case):
    verdict, old, new = CASES[case]
    assert values(old, new, TOLERANCE).verdict == verdict
    assert values(new, old, TOLERANCE).verdict == verdict


def test_where_values_differ():
    found = values({"a": [1, np.arange(4.0)]}, {"a": [1, np.array([0, 1, 9, 3.0])]}, TOLERANCE, "x")
    assert (found.where, found.before, found.after) == ("x['a'][1][2]: 1 of 4 elements", "2.0", "9.0")


def test_texts():
    assert texts("mean 0.123456789012\nn 3", "mean 0.123456789013\nn 3", TOLERANCE).verdict == "close"
    assert texts("n 3", "n 4", TOLERANCE).verdict == "different"
    assert texts("n 1000000000001", "n 1000000000002", TOLERANCE).verdict == "different"
    assert texts("a\nb", "a", TOLERANCE).verdict == "different"
    found = texts("same\nx = 1", "same\nx = 2", TOLERANCE)
    assert (found.before, found.after) == ("x = 1", "x = 2")


def picture(array):
    image = pytest.importorskip("matplotlib.image")
    buffer = io.BytesIO()
    image.imsave(buffer, array, format="png")
    return base64.b64encode(buffer.getvalue()).decode()


def test_what_cells_show():
    def display(**data):
        return [
            {"type": "display_data", "content": {"data": {k.replace("_", "/"): v for k, v in data.items()}}}
        ]

    plain = np.linspace(0, 1, 10_000).reshape(100, 100)
    other, far = plain.copy(), plain.copy()
    other[0, 0] += 0.5
    far[:50] = 1 - far[:50]
    pictures = {
        name: display(image_png=picture(a)) for name, a in (("plain", plain), ("other", other), ("far", far))
    }
    assert shown(pictures["plain"], pictures["plain"], TOLERANCE).verdict == "identical"
    assert shown(pictures["plain"], pictures["other"], TOLERANCE).verdict == "close"
    assert shown(pictures["plain"], pictures["far"], TOLERANCE).verdict == "different"
    assert shown(display(text_plain="1"), display(text_plain="2"), TOLERANCE).verdict == "different"
    assert shown(display(text_plain="1"), [], TOLERANCE).verdict == "different"
