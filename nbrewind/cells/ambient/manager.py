"""All ambient state together, before and after a cell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import frozen

from nbrewind.cells.ambient.providers import Provider
from nbrewind.record.digests import digest_bytes
from nbrewind.record.model import Digest

INITIAL: Digest = "initial"
"""Digest of a state that nobody has touched since the kernel started: an unseeded generator, say."""


@frozen
class AmbientChange:
    """What a cell read and left of the ambient state: digests before, and captured states after."""

    reads: Mapping[str, Digest]
    writes: Mapping[str, tuple[Digest, bytes]]


class Ambient:
    """Knows the digest of each provider's state, live or assumed.

    An assumed state (from a restored cell) is put in place at once, or when the library that holds it is imported.
    """

    def __init__(self, providers: Iterable[Provider]) -> None:
        self._providers = {provider.name: provider for provider in providers}
        self._live: dict[str, bytes] = {}
        self._digests: dict[str, Digest] = {}
        self._assumed: dict[str, bytes] = {}
        self._states: dict[Digest, bytes] = {}

    @property
    def digests(self) -> dict[str, Digest]:
        """Current digest by provider; those never touched are left out."""
        return dict(self._digests)

    def digest(self, name: str) -> Digest:
        """Digest of one provider's state now."""
        return self._digests.get(name, INITIAL)

    def assume(self, name: str, digest: Digest, state: bytes) -> None:
        """A restored cell left this state."""
        self._digests[name], self._states[digest] = digest, state
        if name in self._providers and self._providers[name].ready():
            self._providers[name].restore(state)
            self._assumed.pop(name, None)
        else:
            self._assumed[name] = state

    def visit(
        self, digests: Mapping[str, Digest]
    ) -> tuple[dict[str, Digest], dict[str, bytes], dict[str, bytes]]:
        """Go to an earlier moment's state, as far as it was seen; returns what `leave` needs to come back."""
        token = (dict(self._digests), dict(self._assumed), self._look())
        for name in self._digests.keys() | digests.keys():
            state = self._states.get(digests.get(name, INITIAL))
            if state is not None and digests[name] != self._digests.get(name):
                self._assumed[name] = state
        self._digests = dict(digests)
        return token

    def leave(self, token: tuple[dict[str, Digest], dict[str, bytes], dict[str, bytes]]) -> None:
        """Come back from an earlier moment."""
        self._digests, self._assumed, states = token
        for name, provider in self._providers.items():
            if name in states and provider.ready() and provider.capture() != states[name]:
                provider.restore(states[name])

    def settle(self) -> None:
        """Put assumed states in place, as far as the libraries that hold them are loaded; then look at all."""
        for name in list(self._assumed):
            if name in self._providers and self._providers[name].ready():
                self._providers[name].restore(self._assumed.pop(name))
        self._live = self._look()

    def _look(self) -> dict[str, bytes]:
        return {name: provider.capture() for name, provider in self._providers.items() if provider.ready()}

    def arrived(self) -> None:
        """A library has just been imported: its untouched state is the baseline, or an assumed one takes effect."""
        for name, provider in self._providers.items():
            if name not in self._live and provider.ready():
                if name in self._assumed:
                    provider.restore(self._assumed.pop(name))
                self._live[name] = provider.capture()

    def compare(self, names_used: set[str], modules: set[str], extra: Iterable[str] = ()) -> AmbientChange:
        """A cell has ended: what did it depend on, and what did it leave?

        Parameters
        ----------
        names_used
            Names in the code that ran.
        modules
            Top-level modules whose code ran.
        extra
            Providers known to be read for other reasons.
        """
        before, after = self._live, self._look()
        reads: dict[str, Digest] = {name: self.digest(name) for name in extra}
        writes: dict[str, tuple[Digest, bytes]] = {}
        for name, state in after.items():
            provider = self._providers[name]
            hinted = bool(provider.hints & names_used)
            changed = name in before and before[name] != state
            if changed and provider.only_hinted and not hinted:
                changed = False
            touched = hinted and (changed or self.digest(name) != INITIAL or name in before)
            if changed or touched or (provider.library and provider.library in modules):
                reads[name] = self.digest(name)
            if changed:
                digest = digest_bytes(state)
                writes[name] = (digest, state)
                self._digests[name], self._states[digest] = digest, state
        self._live = after
        return AmbientChange(reads, writes)
