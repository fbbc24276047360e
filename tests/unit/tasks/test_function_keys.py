"""Whatever can change what a function does changes its key; whatever cannot, does not."""

import pytest
from notebook import Notebook, key_of

from nbrewind.tasks.keys import Key, Unkeyed

BASE = """
import math
k = 3
table = {"a": 1, "b": [1, 2]}
def deeper(x):
    return x + 1
def helper(x):
    return deeper(x) * k
def f(x, y=2, *, z=5):
    '''Say what it does.'''
    return helper(x) + y + table["a"] + math.floor(z)
"""


def base_key(old="", new="", call="task(f, 1)"):
    assert old in BASE
    return key_of(call, BASE.replace(old, new) if old else BASE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("+ y +", "- y +", id="body"),
        pytest.param("return deeper(x) * k", "return deeper(x) + k", id="helper"),
        pytest.param("return x + 1", "return x + 2", id="helper of helper"),
        pytest.param("k = 3", "k = 4", id="global of helper"),
        pytest.param("k = 3", "k = 3.0", id="global's type"),
        pytest.param("k = 3", "k = True", id="global to bool"),
        pytest.param('"a": 1', '"a": 2', id="inside a global"),
        pytest.param("[1, 2]", "(1, 2)", id="list to tuple in a global"),
        pytest.param("y=2", "y=3", id="default"),
        pytest.param("z=5", "z=6", id="keyword default"),
        pytest.param("import math", "import cmath as math", id="module behind a name"),
        pytest.param("k = 3", "def k(): return 3", id="global becomes a function"),
    ],
)
def test_changes(old, new):
    assert base_key() != base_key(old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("    return helper(x) + y", "    # why\n    return helper(x) + y", id="comment"),
        pytest.param("helper(x) + y", "(helper( x )+y)", id="layout"),
        pytest.param("k = 3", "k = 3\nunused = 4", id="unrelated global"),
        pytest.param("k = 3", "\n\n\nk = 3", id="moved down"),
        pytest.param("k = 3", "k = 2 + 1", id="same value"),
        pytest.param('{"a": 1, "b": [1, 2]}', "dict(a=1, b=[1, 2])", id="same dict"),
        pytest.param("def deeper(x):", "def unrelated(): return 0\ndef deeper(x):", id="unrelated function"),
    ],
)
def test_keeps(old, new):
    assert base_key() == base_key(old, new)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("task(f, 3)", "task(f, 3.0)"),
        ("task(f, 1)", "task(f, True)"),
        ("task(f, 1)", "task(f, 2)"),
        ("task(f, 1)", "task(f, x=1)"),
        ("task(f, 1, y=2)", "task(f, 1)"),
        ("task(f, [1])", "task(f, (1,))"),
        ("task(f, '1')", "task(f, b'1')"),
        ("task(f, 'x' * 10_000)", "task(f, 'x' * 10_001)"),
        ("task(f, 'a' * 64)", "task(f, 'b' * 64)"),
        ("task(f, 0.0)", "task(f, -0.0)"),
        ("task(f, None)", "task(f)"),
        ("task(f, {1: 2})", "task(f, {1: 3})"),
        ("task(f, 1, 2)", "task(f, 2, 1)"),
        ("task(f, [[1], [2]])", "task(f, [[1, 2]])"),
        ("task(deeper, 1)", "task(helper, 1)"),
    ],
)
def test_arguments_that_differ(one, other):
    assert key_of(one, BASE) != key_of(other, BASE)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("task(f, {1, 2, 3})", "task(f, {3, 2, 1})"),
        ("task(f, 1, y=2, z=3)", "task(f, 1, z=3, y=2)"),
        ("task(f, float('nan'))", "task(f, float('nan'))"),
        ("task(f, 'ab')", "task(f, ''.join(['a', 'b']))"),
    ],
)
def test_arguments_that_are_equal(one, other):
    assert key_of(one, BASE) == key_of(other, BASE)


def test_order_of_a_dict_counts_for_iteration():
    """Two dicts that are equal but iterate differently can give different results."""
    assert key_of("task(f, {1: 2, 3: 4})", BASE) != key_of("task(f, {3: 4, 1: 2})", BASE)


def closure(factor):
    return f"""
def make(factor):
    def scale(x):
        return x * factor
    return scale
g = make({factor})
"""


def test_closure_value():
    assert key_of("task(g, 1)", closure(2)) != key_of("task(g, 1)", closure(3))
    assert key_of("task(g, 1)", closure(2)) == key_of("task(g, 1)", closure(2))


def test_lambdas_in_a_loop():
    cell = "fs = [lambda x, n=n: x * n for n in range(3)]\ngs = [(lambda n: lambda x: x * n)(n) for n in range(3)]"
    keys = [key_of(f"task({name}[{n}], 1)", cell) for name in ("fs", "gs") for n in range(3)]
    assert len(set(keys)) == 6
    assert keys[0] == key_of("task(fs[0], 1)", cell)


def test_two_lambdas_on_one_line():
    cell = "a, b = (lambda x: x + 1), (lambda x: x + 2)"
    assert key_of("task(a, 1)", cell) != key_of("task(b, 1)", cell)


def test_nested_function_and_recursion():
    cell = """
def outer(x):
    def inner(n):
        return 1 if n == 0 else n * inner(n - 1)
    return inner(x) + (outer(x - 1) if x else 0)
"""
    assert key_of("task(outer, 1)", cell) != key_of("task(outer, 1)", cell.replace("else 0)", "else 1)"))
    assert key_of("task(outer, 1)", cell) != key_of(
        "task(outer, 1)", cell.replace("return 1 if", "return 2 if")
    )


def test_mutual_recursion():
    cell = """
def even(n): return True if n == 0 else odd(n - 1)
def odd(n): return False if n == 0 else even(n - 1)
"""
    changed = cell.replace("False if n == 0", "False if n <= 0")
    assert key_of("task(even, 1)", cell) != key_of("task(even, 1)", changed)


DECORATED = """
import functools
def twice(f):
    @functools.wraps(f)
    def wrapper(*args):
        return 2 * f(*args)
    return wrapper
@twice
def g(x):
    return x + 1
"""


@pytest.mark.parametrize(
    ("old", "new"), [("return x + 1", "return x + 2"), ("2 * f", "3 * f"), ("@twice\n", "")]
)
def test_decorated(old, new):
    assert key_of("task(g, 1)", DECORATED) != key_of("task(g, 1)", DECORATED.replace(old, new))


PARTIAL = "from functools import partial\ndef f(a, b): return a - b\np = partial(f, 1)"


@pytest.mark.parametrize(("old", "new"), [("a - b", "b - a"), ("(f, 1)", "(f, 2)"), ("(f, 1)", "(f, b=1)")])
def test_partial(old, new):
    assert key_of("task(p, 1)", PARTIAL) != key_of("task(p, 1)", PARTIAL.replace(old, new))


METHOD = """
class Base:
    def shift(self): return 1
class Model(Base):
    scale = 2
    def __init__(self, w): self.w = w
    def predict(self, x): return self.scale * self.w * x + self.shift()
    def __call__(self, x): return self.predict(x)
m = Model(5)
"""


@pytest.mark.parametrize("call", ["task(m.predict, 1)", "task(m, 1)", "task(len, [m])"])
@pytest.mark.parametrize(
    ("old", "new"),
    [("scale = 2", "scale = 3"), ("Model(5)", "Model(6)"), ("* x +", "+ x +"), ("return 1", "return 2")],
)
def test_method_callable_object_and_instance(call, old, new):
    assert key_of(call, METHOD) != key_of(call, METHOD.replace(old, new))


def test_global_changes_between_submissions():
    book = Notebook(BASE)
    before = book.key("task(f, 1)")
    book.run("k = 4")
    assert book.key("task(f, 1)") != before
    book.run("k = 3")
    assert book.key("task(f, 1)") == before


def test_global_changes_in_place():
    book = Notebook(BASE)
    before = book.key("task(f, 1)")
    book.run("table['b'].append(3)")
    assert book.key("task(f, 1)") != before


def test_helper_as_an_argument():
    cell = BASE + "\ndef apply(g, x): return g(x)\n"
    changed = cell.replace("return x + 1", "return x + 2")
    assert key_of("task(apply, helper, 1)", cell) != key_of("task(apply, helper, 1)", changed)
    assert key_of("task(map, helper, [1])", cell) != key_of("task(map, helper, [1])", changed)


def test_name_that_is_defined_later():
    book = Notebook("def f(): return later")
    before = book.key("task(f)")
    book.run("later = 1")
    assert book.key("task(f)") != before


def test_explanation_names_the_parts():
    parts = Notebook(BASE).parts("task(f, 1, y=3)")
    assert {"function", "arg0", "arg:y", "global:helper", "global:deeper", "global:k", "global:table"} <= set(
        parts
    )
    changed = Notebook(BASE.replace("k = 3", "k = 4")).parts("task(f, 1, y=3)")
    assert {name for name in parts if parts[name] != changed[name]} == {"global:k"}


def test_no_canonical_form():
    found = Notebook("going = (n for n in [1])\ndef f(x): return x").key("task(f, [1, going])")
    assert isinstance(found, Unkeyed)
    assert found.part == "arg0"
    assert "__nbrewind_digest__" in found.why


def test_own_digest_hook():
    cell = """
import threading
class Odd:
    def __init__(self, n): self.n, self.lock = n, threading.Lock()
    def __nbrewind_digest__(self): return self.n
"""
    assert isinstance(Notebook(cell).key("task(len, Odd(1))"), Key)
    assert key_of("task(len, Odd(1))", cell) == key_of("task(len, Odd(1))", cell)
    assert key_of("task(len, Odd(1))", cell) != key_of("task(len, Odd(2))", cell)


def test_library_version(monkeypatch):
    from nbrewind.tasks import software

    cell = "import numpy as np\ndef f(x): return np.sum(x)"
    before = Notebook(cell).parts("task(f, 1)")
    assert "lib:numpy" in before
    monkeypatch.setattr(software, "distribution_version", lambda name: "0.1")
    assert Notebook(cell).parts("task(f, 1)")["lib:numpy"] == "0.1"


def test_library_imported_in_the_body():
    assert "lib:numpy" in Notebook("def f(x):\n    import numpy.linalg\n    return 1").parts("task(f, 1)")


def test_library_of_a_helper():
    cell = "import numpy as np\ndef h(x): return np.sum(x)\ndef f(x): return h(x)"
    assert "lib:numpy" in Notebook(cell).parts("task(f, 1)")


def test_library_function_itself():
    assert "lib:numpy" in Notebook("import numpy").parts("task(numpy.mean, [1])")
