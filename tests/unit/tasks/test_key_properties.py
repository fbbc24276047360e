"""Properties of keys: equal work has equal keys, and different work has different ones, whatever the values."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from notebook import Notebook, key_of

from nbrewind.tasks.keys import Key, Unkeyed, draft_key
from nbrewind.tasks.spec import Call, Spec

CELL = """
import dataclasses, functools
@dataclasses.dataclass
class Point:
    x: object
    y: object = 0
class Scale:
    def __init__(self, k): self.k = k
    def times(self, x): return x * self.k
    def __call__(self, x): return x + self.k
def f(x): return x
"""
BOOK = Notebook(CELL)
quick = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.binary(max_size=8),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.text(max_size=4), inner, max_size=4),
        st.builds(lambda x, y: BOOK.namespace["Point"](x, y), inner, inner),
        st.frozensets(scalars, max_size=4),
    ),
    max_leaves=12,
)


def key(function, *args):
    draft = draft_key(
        Spec(kind="python", name="t", call=Call(function, args, {})), BOOK.identity, BOOK.contents
    )
    found = draft.finish(BOOK.contents)
    assert isinstance(found, Key), found
    return found.digest


def typed(value):
    """What tells two values apart: their types all the way down."""
    kind = type(value)
    if kind in (list, tuple):
        return (kind.__name__, *map(typed, value))
    if kind is dict:
        return ("dict", *((name, typed(each)) for name, each in value.items()))
    if kind is frozenset:
        return ("frozenset", *sorted(map(repr, map(typed, value))))
    if kind.__name__ == "Point":
        return ("Point", typed(value.x), typed(value.y))
    return (kind.__name__, repr(value))


@quick
@given(values, values)
def test_arguments_have_equal_keys_exactly_if_they_are_alike(one, other):
    same = key(BOOK.namespace["f"], one) == key(BOOK.namespace["f"], other)
    assert same == (typed(one) == typed(other))


@quick
@given(values)
def test_a_copy_has_the_same_key(value):
    import copy

    assert key(BOOK.namespace["f"], value) == key(BOOK.namespace["f"], copy.deepcopy(value))


@quick
@given(st.lists(scalars, max_size=6), st.randoms())
def test_order_of_a_set_does_not_count(items, random):
    shuffled = list(items)
    random.shuffle(shuffled)
    one, other = set(items), set()
    for each in shuffled:
        other.add(each)
    if sorted(map(repr, one)) == sorted(map(repr, other)):  # 1, 1.0 and True keep whichever came first
        assert key(BOOK.namespace["f"], one) == key(BOOK.namespace["f"], other)


@quick
@given(st.integers(min_value=0, max_value=999), st.integers(min_value=500, max_value=1000))
def test_long_texts_count_to_the_last_letter(position, half):
    text = "0123456789abcdef" * half
    other = text[:position] + "g" + text[position + 1 :]
    assert key(BOOK.namespace["f"], text) != key(BOOK.namespace["f"], other)
    assert key(BOOK.namespace["f"], text) != key(BOOK.namespace["f"], text.encode())


@quick
@given(
    st.integers(1, 4),
    st.integers(1, 4),
    st.sampled_from(["i4", "i8", "f4", "f8"]),
    st.integers(0, 3),
    st.data(),
)
def test_arrays_count_by_type_shape_and_content(rows, columns, dtype, change, data):
    array = np.arange(rows * columns).reshape(rows, columns).astype(dtype)
    f = BOOK.namespace["f"]
    assert key(f, array) == key(f, np.asfortranarray(array)) == key(f, np.repeat(array, 2, axis=0)[::2])
    other = array.copy()
    if change == 0:
        other.flat[data.draw(st.integers(0, other.size - 1))] += 1
    elif change == 1:
        other = other.reshape(-1)
    elif change == 2:
        other = other.astype("c16")
    else:
        other = other.tolist()
    assert key(f, array) != key(f, other)


def test_frames_count_by_values_labels_and_types():
    frame = pytest.importorskip("pandas").DataFrame({"a": [1, 2], "b": ["x", "y"]})
    f = BOOK.namespace["f"]
    others = [frame.assign(a=[1, 3]), frame[["b", "a"]], frame.set_index("a"), frame.astype({"a": float})]
    keys = [key(f, frame), *(key(f, other) for other in others)]
    assert len(set(keys)) == len(keys)
    assert key(f, frame) == key(f, frame.copy())


@quick
@given(scalars, scalars)
def test_what_a_callable_holds_counts(one, other):
    import functools

    scale = BOOK.namespace["Scale"]
    for make in (
        lambda value: functools.partial(BOOK.namespace["f"], value),
        lambda value: functools.partial(functools.partial(BOOK.namespace["f"]), x=value),
        lambda value: scale(value).times,
        scale,
    ):
        assert (key(make(one)) == key(make(other))) == (typed(one) == typed(other))


def test_bound_method_is_neither_its_function_nor_its_object():
    calls = ["task(Scale(2).times, 1)", "task(Scale.times, Scale(2), 1)", "task(Scale(2), 1)"]
    keys = [key_of(call, CELL) for call in calls]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("[lambda x: x + n for n in (1, 2)][0]", "[lambda x: x + n for n in (1, 3)][0]"),
        ("(lambda n: lambda x: x + n)(1)", "(lambda n: lambda x: x + n)(2)"),
        ("lambda x: sum(i for i in x)", "lambda x: sum(i + 1 for i in x)"),
        ("lambda x: [i for i in x if i]", "lambda x: [i for i in x if not i]"),
        ("functools.partial(f, 1)", "functools.partial(f, 1.0)"),
        ("functools.lru_cache(lambda x: x)", "functools.lru_cache(lambda x: -x)"),
    ],
)
def test_functions_made_on_the_spot(one, other):
    keys = [key_of("task(made, [1])", CELL + f"made = {text}") for text in (one, one, other)]
    assert keys[0] == keys[1] != keys[2]


def test_value_without_canonical_form_names_the_argument_and_both_hooks():
    found = Notebook("going = (n for n in [1])\ndef f(x, y=None): return x").key("task(f, 1, y={'a': going})")
    assert isinstance(found, Unkeyed)
    assert found.part == "arg:y"
    assert "arg:y" in found.why
    assert "generator" in found.why
    assert "__nbrewind_digest__" in found.why
    assert "register_reducer" in found.why


def test_registered_digest_gives_a_class_of_others_a_key():
    from nbrewind.state import register_reducer
    from nbrewind.state.registry import REGISTRY

    cell = """
class Foreign:
    def __init__(self, n): self.n, self.stream = n, (i for i in [1])
"""
    assert isinstance(Notebook(cell).key("task(len, Foreign(1))"), Unkeyed)
    register_reducer("__main__.Foreign", digest=lambda it: it.n)
    try:
        assert key_of("task(len, Foreign(1))", cell) == key_of("task(len, Foreign(1))", cell)
        assert key_of("task(len, Foreign(1))", cell) != key_of("task(len, Foreign(2))", cell)
    finally:
        REGISTRY.entries.pop("__main__.Foreign")
