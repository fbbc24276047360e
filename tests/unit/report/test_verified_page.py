"""The page on a verification."""

from __future__ import annotations

import pytest

from nbrewind.environment.comparing import Difference
from nbrewind.record.model import Run
from nbrewind.report.page.verified import verified_page

RUN = Run("r2", "repeat", "nb.ipynb", 1e9, host="b", user="eve", python="3.13.5", version="0.1.0", site="b")
RECORDED = Run("r1", "audit", "nb.ipynb", 9e8, host="a", user="ann", python="3.13.5")
FINDING = {"kind": "variable", "name": "x[<3>]", "verdict": "close", "before": "0.1", "after": "0.2<script>"}
CELLS = [
    {"index": 0, "id": "a", "verdict": "identical", "compared": 3, "findings": []},
    {"index": 1, "id": "b", "verdict": "close", "compared": 2, "findings": [FINDING]},
]


def outcome(**more):
    counts = {"identical": 1, "close": 1, "different": 0}
    tasks = {"submitted": 4, "reused": 1}
    body = {
        "status": "ok",
        "seconds": 3.0,
        "cells": [{}, {}, {}],
        "tasks": tasks,
        "verify": {**counts, "cells": CELLS},
    }
    return {**body, **more}


def made(**more):
    numpy = Difference("packages", "numpy", "2.1", "2.4", "runs again", 3)
    return verified_page(RUN, [RECORDED], outcome(**more), [numpy], 1e-9)


def test_says_who_verified_what_with_which_result():
    text = made()
    assert "2 cells of 3 ran again and gave, against the record: 1 identical, 1 close." in text
    for part in (
        "eve@b (b)",
        "ann@a",
        "4 ran, 1 were taken from the record",
        "1e-09",
        "0 (a)",
        "used by 3 cells",
    ):
        assert part in text, part


def test_runs_nothing_and_fetches_nothing():
    text = made()
    assert "<script>" not in text
    assert "0.2&lt;script&gt;" in text
    assert "Content-Security-Policy" in text
    assert "src=" not in text
    assert "http://" not in text


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"verify": {}}, "Nothing could be compared"),
        ({"status": "failed", "error": "ValueError: x"}, "ValueError: x."),
    ],
)
def test_other_results(more, said):
    assert said in made(**more)
