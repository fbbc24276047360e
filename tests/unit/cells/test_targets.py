"""What code sets or calls through dotted names is found in its syntax."""

from __future__ import annotations

import ast

import pytest

from nbrewind.cells.targets import SHELL, imported, targets_of


def found(source: str):
    outer, inner = targets_of(ast.parse(source))
    return [(".".join(target.path), target.act) for target in outer], [
        (".".join(target.path), target.act) for target in inner
    ]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("cfg.x = 5", ("cfg.x", "set")),
        ("a.b.C.y += 1", ("a.b.C.y", "set")),
        ("del math.sqrt", ("math.sqrt", "set")),
        ("setattr(pd.DataFrame, 'twice', f)", ("pd.DataFrame.twice", "set")),
        ("sys.modules['x'] = m", ("sys.modules", "change")),
        ("string.words.append(1)", ("string.words.append", "call")),
        ("for i in x:\n    csv.register(i)", ("csv.register", "call")),
        ("get_ipython().events.register('a', f)", (f"{SHELL}.events.register", "call")),
        ("@api.register('geo')\nclass Geo:\n    pass", ("api.register", "call")),
    ],
)
def test_targets_of_statements(source, expected):
    assert found(source) == ([expected], [])


def test_bodies_of_functions_count_when_they_run():
    assert found("def f():\n    math.sqrt = g") == ([], [("math.sqrt", "set")])


def test_computations_have_no_targets():
    assert found("x = y + 1\ny[0] = 2\n(a or b).c") == ([], [])


def test_imports_anywhere():
    assert imported(ast.parse("import a.b\ndef f():\n    from c import d\nfrom . import e")) == {"a", "c"}
