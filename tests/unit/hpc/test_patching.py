"""Classes keep their identity, and can be put back."""

from nbrewind.hpc.patching import Patches


class Thing:
    """A thing."""

    def name(self, loud=False):
        """Say it."""
        return "THING" if loud else "thing"

    @property
    def size(self):
        """Its size."""
        return 1


class Sub(Thing):
    def name(self, loud=False):
        return "sub " + super().name(loud)


def test_method_and_getter():
    original = Thing.name
    patches = Patches()
    patches.method(Thing, "name", lambda old: lambda self, loud=False: "my " + old(self, loud))
    patches.getter(Thing, "size", lambda old: lambda self: old(self) + 1)
    assert Thing().name(loud=True) == "my THING"
    assert Sub().name() == "sub my thing"
    assert Thing().size == 2
    assert (Thing.name.__doc__, Thing.size.__doc__) == ("Say it.", "Its size.")
    patches.undo()
    assert Thing.name is original
    assert Thing().size == 1


def test_what_is_not_there_is_left_alone():
    patches = Patches()
    patches.method(Thing, "absent", lambda old: old)
    patches.getter(Thing, "absent", lambda old: old)
    patches.method(Sub, "size", lambda old: old)
    patches.undo()
    assert not hasattr(Thing, "absent")


def test_patched_twice():
    first, second = Patches(), Patches()
    first.method(Thing, "name", lambda old: lambda self: "1" + old(self))
    second.method(Thing, "name", lambda old: lambda self: "2" + old(self))
    assert Thing().name() == "21thing"
    second.undo()
    first.undo()
    assert Thing().name() == "thing"
