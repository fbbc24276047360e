"""Functions under `functools.lru_cache` come back with what they remember."""

from __future__ import annotations

import functools

import pytest

from nbrewind.state.caches import contents, primed, reduce_cache, remembered
from nbrewind.state.guard import HookError


def cached(**options):
    return functools.lru_cache(**options)(lambda *args, **kwargs: [args, kwargs])


@pytest.mark.parametrize("maxsize", [None, 3])
def test_calls_are_known_by_their_arguments(maxsize):
    function = cached(maxsize=maxsize)
    function(1)
    function((2, 3))
    function("a", 2.5, key=[4][0])
    assert remembered(function) == [
        ((1,), {}, [(1,), {}]),
        (((2, 3),), {}, [((2, 3),), {}]),
        (("a", 2.5), {"key": 4}, [("a", 2.5), {"key": 4}]),
    ]


def test_the_call_used_last_is_forgotten_last():
    function = cached(maxsize=2)
    function(1)
    function(2)
    function(1)
    assert [args for args, _, _ in remembered(function)] == [(2,), (1,)]


@pytest.mark.parametrize("maxsize", [None, 8])
def test_a_primed_function_remembers_the_same(maxsize):
    function = cached(maxsize=maxsize)
    for value in (1, 2, 1, 1):
        function(value)
    again = primed(*reduce_cache(function))
    assert again.cache_info() == function.cache_info()
    assert contents(again) == contents(function)
    assert again(1) is function(1)
    assert again(3) == [(3,), {}]
    assert again.__wrapped__ is function.__wrapped__


def test_an_unused_cache_has_no_contents():
    assert contents(cached(maxsize=3)) == ()


def test_what_cannot_be_made_again_exactly_is_refused():
    forgetful = cached(maxsize=1)
    forgetful(1)
    forgetful(2)
    with pytest.raises(HookError, match="forgotten"):
        reduce_cache(forgetful)
    typed = cached(typed=True)
    typed(1)
    with pytest.raises(HookError, match="types"):
        contents(typed)
