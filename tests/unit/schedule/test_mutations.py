"""What code plainly changes in place."""

from __future__ import annotations

import pytest

from nbrewind.schedule.mutations import changed_names, imported_names


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("a.append(1)", {"a"}),
        ("a[0] = b[1]", {"a"}),
        ("a.b.c = 1", {"a"}),
        ("a += 1", {"a"}),
        ("a.x += 1", {"a"}),
        ("del a[0]", {"a"}),
        ("for a[0] in b: pass", {"a"}),
        ("x = a.pop()", {"a"}),
        ("x = next(a)", {"a"}),
        ("y = np.add(x, y, out=a)", {"a"}),
        ("rng.shuffle(a)", {"rng", "a"}),
        ("x = a.drop(columns='c', inplace=True)", {"a"}),
        ("def f():\n    global a\n    a = 1", {"a"}),
        ("def f():\n    a.add(1)", {"a"}),
        ("(a[0], b.c), d = 1, 2", {"a", "b"}),
        ("x = a.copy()", set()),
        ("a.head()", set()),
        ("print(a)", set()),
        ("not python at all (", set()),
    ],
)
def test_names_changed_in_place(code, names):
    assert changed_names(code) == names


def test_names_bound_by_imports():
    assert imported_names("import a.b, c as d\nfrom e import f, g as h") == {"a", "d", "f", "h"}
