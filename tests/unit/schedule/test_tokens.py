"""Who runs what: agreed on by forked processes."""

from __future__ import annotations

import os

from nbrewind.schedule.tokens import Slots, Token


def test_a_token_is_taken_once():
    token = Token()
    assert [token.take(), token.take()] == [True, False]
    token.close()


def test_of_many_processes_one_takes_a_token():
    token, (reading, writing) = Token(), os.pipe()
    children = []
    for _ in range(8):
        child = os.fork()
        if child == 0:
            os.write(writing, b"1" if token.take() else b"0")
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    assert os.read(reading, 8).count(b"1") == 1
    token.close()


def test_slots_are_given_back():
    slots = Slots(2)
    assert [slots.try_take() for _ in range(3)] == [True, True, False]
    slots.give()
    assert slots.try_take()
    slots.reset()
    assert [slots.try_take() for _ in range(3)] == [True, True, False]
    slots.close()
