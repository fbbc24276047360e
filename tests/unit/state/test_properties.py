"""Equal values have equal digests, different ones different digests, whatever Hypothesis thinks of."""

from __future__ import annotations

import copy
import io
import math
import struct
import types
from collections import OrderedDict, deque
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nbrewind.state import Analyser
from nbrewind.state.canonical import LARGE
from nbrewind.state.graph import Measure
from nbrewind.state.loading import Builder, Unpickler
from nbrewind.state.pickling import dump

settings.register_profile("state", deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
PROFILE = settings(settings.get_profile("state"))

ANALYSER = Analyser(vars(types.ModuleType("__main__")))

ATOMS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.text(st.characters(codec=None)),
    st.binary(),
)
HASHABLE = st.recursive(
    ATOMS, lambda inner: st.one_of(st.tuples(inner, inner), st.frozensets(inner, max_size=3)), max_leaves=4
)
VALUES = st.recursive(
    st.one_of(
        HASHABLE,
        hnp.arrays(
            st.sampled_from(["f8", "i4", "?", "c8", "S3", "U2", "M8[s]"]),
            hnp.array_shapes(max_dims=3, max_side=3),
        ),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(HASHABLE, inner, max_size=4),
        st.sets(HASHABLE, max_size=4),
        st.builds(deque, st.lists(inner, max_size=3)),
        st.builds(lambda q: OrderedDict(enumerate(q)), st.lists(inner, max_size=3)),
        st.builds(lambda q: types.SimpleNamespace(a=q), inner),
    ),
    max_leaves=12,
)


def digest(*values: Any) -> str:
    found = ANALYSER.digest_of(list(values))
    assert found
    return found


def plain(value: Any) -> Any:
    """The value as something that is equal exactly if the values are: an independent, slow definition."""
    if isinstance(value, float):
        return ("float", struct.pack("<d", value))
    if isinstance(value, complex):
        return ("complex", struct.pack("<dd", value.real, value.imag))
    if isinstance(value, list | tuple | deque):
        return (type(value).__name__, *map(plain, value))
    if isinstance(value, dict):
        return (type(value).__name__, *((plain(key), plain(item)) for key, item in value.items()))
    if isinstance(value, set | frozenset):
        return (type(value).__name__, *sorted(map(repr, map(plain, value))))
    if isinstance(value, np.ndarray):
        return ("array", value.dtype.str, value.shape, value.tobytes())
    if isinstance(value, types.SimpleNamespace):
        return ("namespace", plain(vars(value)))
    return (type(value).__name__, value)


def fresh(value: Any) -> Any:
    """An equal value of other objects, and with another history where that can be."""
    if isinstance(value, str):
        return "".join(list(value))
    if isinstance(value, bytes):
        return bytes(bytearray(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return int(str(value))
    if isinstance(value, float):
        return struct.unpack("<d", struct.pack("<d", value))[0]
    if isinstance(value, list):
        made = [fresh(each) for each in value]
        made.append(None)
        made.pop()
        return made
    if isinstance(value, tuple):
        return tuple([fresh(each) for each in value])
    if isinstance(value, OrderedDict):
        return OrderedDict((fresh(key), fresh(each)) for key, each in value.items())
    if isinstance(value, dict):
        made = {object(): 1}
        made.update((fresh(key), fresh(each)) for key, each in value.items())
        made.pop(next(iter(made)))
        return made
    if isinstance(value, set | frozenset):
        others = [object() for _ in range(30)]
        made = set(others)
        made.update(fresh(each) for each in reversed(list(value)))
        made.difference_update(others)
        return frozenset(made) if isinstance(value, frozenset) else made
    if isinstance(value, deque):
        return deque(fresh(each) for each in value)
    if isinstance(value, np.ndarray):
        return (
            np.asfortranarray(value.copy())
            if value.ndim > 1
            else np.repeat(value, 2, axis=0)[::2]
            if value.ndim
            else value.copy()
        )
    if isinstance(value, types.SimpleNamespace):
        return types.SimpleNamespace(a=fresh(value.a))
    return value


@PROFILE
@given(VALUES)
def test_equal_values_of_other_objects(value):
    assert digest(value) == digest(fresh(value))


@PROFILE
@given(VALUES, VALUES)
def test_digests_agree_with_equality(one, other):
    assert (digest(one) == digest(other)) == (plain(one) == plain(other))


@PROFILE
@given(st.lists(VALUES, min_size=1, max_size=3), st.integers(0, 2), st.data())
def test_repeated_many_times(values, which, data):
    """Long lists go other ways through the encoder than short ones: by columns, and held once or often."""
    rows = [copy.deepcopy(values) for _ in range(LARGE + 5)]
    before = digest(rows)
    assert before == digest([fresh(row) for row in rows])
    held = [row for row in rows if data.draw(st.booleans())]
    assert before == digest(rows)
    del held
    spot = data.draw(st.integers(0, len(rows) - 1))
    old, new = rows[spot][0], data.draw(VALUES)
    rows[spot][0] = new
    assert (digest(rows) == before) == (plain(old) == plain(new))


@PROFILE
@given(st.lists(st.lists(st.integers(), max_size=2), min_size=2, max_size=80), st.data())
def test_sharing_counts_however_many_there_are(rows, data):
    rows = [list(row) for row in rows]
    before = digest(rows)
    spot, other = (data.draw(st.integers(0, len(rows) - 1)) for _ in range(2))
    rows[spot] = rows[other]
    after = digest(rows)
    same = [list(row) for row in rows]
    if spot != other:
        assert after != digest(same)
    else:
        assert after == before


@PROFILE
@given(VALUES)
def test_what_is_pickled_comes_back(value):
    stream = dump([value], ANALYSER.namespace)
    (back,) = Unpickler(io.BytesIO(stream.data), Builder(ANALYSER.namespace), stream.memory).load()
    assert digest(back) == digest(value)


@PROFILE
@given(
    hnp.arrays(
        st.one_of(hnp.scalar_dtypes(), hnp.array_dtypes(max_size=3, allow_subarrays=True)),
        hnp.array_shapes(min_dims=1, max_dims=3, max_side=4),
    ),
    st.data(),
)
def test_arrays_of_every_type_and_layout(array, data):
    before = digest(array)
    if array.dtype.names is None or array.dtype.subdtype is None:
        assert digest(np.asfortranarray(array)) == before
        assert digest(np.repeat(array, 2, axis=0)[::2]) == before
        assert digest(array[::-1].copy()[::-1]) == before
    assert digest(array.reshape(1, *array.shape)) != before
    if array.dtype.kind in "iuf":
        other = array.copy()
        spot = tuple(data.draw(st.integers(0, extent - 1)) for extent in array.shape)
        other.view(np.uint8).reshape(*array.shape, array.itemsize)[(*spot, 0)] ^= 1
        assert digest(other) != before


@PROFILE
@given(st.integers(2, 5), st.integers(2, 40), st.data())
def test_views_come_back_as_views(number, size, data):
    """Arrays over one memory, in any order, with any start and step, are one memory again."""
    base = np.arange(float(size))
    views = [base]
    for _ in range(number):
        of = data.draw(st.sampled_from(views))
        start, step = data.draw(st.integers(0, size)), data.draw(st.sampled_from([1, 1, 2, -1, 3]))
        views.append(of[start::step] if step > 0 else of[::step])
    order = data.draw(st.permutations(views))[: data.draw(st.integers(1, len(views)))]
    from nbrewind.state.canonical import Walk

    walk = Walk(ANALYSER._scope(), order)
    measure = Measure.of(walk)
    shared = [[ref() for ref in group] for group in measure.shared]
    stream = dump(order, ANALYSER.namespace, shared)
    back = Unpickler(io.BytesIO(stream.data), Builder(ANALYSER.namespace), stream.memory).load()
    assert digest(*back) == digest(*order)
    target = data.draw(st.integers(0, len(order) - 1))
    order[target][...] = -1.0
    back[target][...] = -1.0
    for one, other in zip(order, back, strict=True):
        assert one.tolist() == other.tolist()


COLUMNS = st.one_of(
    st.lists(st.integers(-5, 5), min_size=4, max_size=4),
    st.lists(st.floats(), min_size=4, max_size=4),
    st.lists(st.text(max_size=2), min_size=4, max_size=4),
    st.lists(st.booleans(), min_size=4, max_size=4),
    st.lists(st.sampled_from("ab"), min_size=4, max_size=4).map(pd.Categorical),
    st.lists(st.one_of(st.none(), st.integers(0, 3)), min_size=4, max_size=4).map(
        lambda q: pd.array(q, dtype="Int64")
    ),
    st.lists(st.integers(0, 10**9), min_size=4, max_size=4).map(
        lambda q: pd.to_datetime(q, unit="s", utc=True)
    ),
)


@PROFILE
@given(st.lists(COLUMNS, min_size=1, max_size=4))
def test_frames_by_any_way(columns):
    frame = pd.DataFrame({f"c{number}": column for number, column in enumerate(columns)})
    other = pd.DataFrame(index=range(4))
    for number, column in enumerate(columns):
        other[f"c{number}"] = column
    other.index = pd.RangeIndex(4)
    before = digest(frame)
    assert digest(other) == before
    assert digest(other.copy()) == before
    stream = dump([frame], ANALYSER.namespace)
    (back,) = Unpickler(io.BytesIO(stream.data), Builder(ANALYSER.namespace), stream.memory).load()
    assert digest(back) == before
    if len(columns) > 1:
        assert digest(frame[frame.columns[::-1]]) != before
    assert digest(frame.rename(columns={"c0": "d0"})) != before


@pytest.mark.parametrize("payload", [0, 1, 0x7FF8000000000001, 0x7FF0000000000001, 0xFFF8000000000000])
def test_every_bit_of_a_float_counts(payload):
    value = struct.unpack("<d", struct.pack("<Q", payload))[0]
    others = [1.5, 0.0, -0.0, math.nan, math.inf]
    for other in others:
        assert (digest([value]) == digest([other])) == (struct.pack("<d", value) == struct.pack("<d", other))
        assert (digest(np.array([value])) == digest(np.array([other]))) == (
            struct.pack("<d", value) == struct.pack("<d", other)
        )
