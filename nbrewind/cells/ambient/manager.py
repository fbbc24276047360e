"""All ambient state together, before and after a cell."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping

from attrs import frozen

from nbrewind.cells.ambient.base import Provider
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
        self._initial: dict[str, bytes] = {}

    @property
    def digests(self) -> dict[str, Digest]:
        """Current digest by provider; those never touched are left out."""
        return dict(self._digests)

    def digest(self, name: str) -> Digest:
        """Digest of one provider's state now."""
        return self._digests.get(name, INITIAL)

    def assume(self, name: str, digest: Digest, state: bytes) -> None:
        """A restored cell left this state."""
        if name not in self._digests and name in self._providers and self._providers[name].ready():
            self._initial.setdefault(name, _captured(self._providers[name]))
        self._digests[name], self._states[digest] = digest, state
        if name in self._providers and self._providers[name].ready():
            self._put(name, state)
            self._assumed.pop(name, None)
        else:
            self._assumed[name] = state

    def fits(self, name: str, state: bytes) -> bool:
        """Whether a state can be put back here: secrets in it are not recorded, and must be known anyhow."""
        return name not in self._providers or self._providers[name].fits(state)

    def visit(
        self, digests: Mapping[str, Digest]
    ) -> tuple[dict[str, Digest], dict[str, bytes], dict[str, bytes]]:
        """Go to an earlier moment's state, as far as it was seen; returns what `leave` needs to come back."""
        token = (dict(self._digests), dict(self._assumed), self._look())
        for name in self._digests.keys() | digests.keys():
            state = self._known(name, digests.get(name, INITIAL))
            if state is not None and digests.get(name) != self._digests.get(name):
                self._assumed[name] = state
        self._digests = dict(digests)
        return token

    def leave(self, token: tuple[dict[str, Digest], dict[str, bytes], dict[str, bytes]]) -> None:
        """Come back from an earlier moment."""
        self._digests, self._assumed, states = token
        for name, provider in self._providers.items():
            if name in states and provider.ready() and _captured(provider) != states[name]:
                self._put(name, states[name])

    def everything(self) -> dict[str, bytes]:
        """All states as they are, for `put_back` in a fork of this process."""
        return self._look()

    def put_back(self, states: Mapping[str, bytes]) -> None:
        """Undo what forking changed: Python seeds its generator anew in the child."""
        for name, state in states.items():
            if _captured(self._providers[name]) != state:
                self._put(name, state)

    def _put(self, name: str, state: bytes) -> None:
        """Put a state in place; one that does not fit here, such as a locale that is not installed, is unknown."""
        try:
            self._providers[name].restore(state)
        except Exception as error:  # noqa: BLE001 - other machines have other libraries; cells that depend on it run
            self._digests[name] = f"not restored here: {secrets.token_hex(8)} {type(error).__name__}"

    def go_to(self, digests: Mapping[str, Digest], states: Mapping[Digest, bytes]) -> list[str]:
        """Go to another moment's state for good.

        Parameters
        ----------
        digests
            Digest of each provider's state then; those that are left out were untouched.
        states
            Captured states that this session may not have seen.

        Returns
        -------
        list of str
            Names of those that stay as they are, because what they were is not known.
        """
        self._states.update(states)
        lost = []
        for name in sorted(self._digests.keys() | digests.keys()):
            digest = digests.get(name, INITIAL)
            if digest == self.digest(name):
                continue
            state = self._known(name, digest)
            if state is None:
                lost.append(name)
                continue
            self.assume(name, digest, state)
            if self._digests.get(name) == INITIAL:
                del self._digests[name]
        return lost

    def _known(self, name: str, digest: Digest) -> bytes | None:
        """The captured state of one provider that had this digest, if it can be put back."""
        state = self._initial.get(name) if digest == INITIAL else self._states.get(digest)
        return None if state is None or state.startswith(UNSAVED) else state

    def state(self, name: str) -> bytes | None:
        """The captured state that one provider is in, where it is known."""
        return self._known(name, self.digest(name))

    def settle(self) -> None:
        """Put assumed states in place, as far as the libraries that hold them are loaded; then look at all."""
        for name in list(self._assumed):
            if name in self._providers and self._providers[name].ready():
                self._put(name, self._assumed.pop(name))
        self._live = self._look()

    @property
    def hints(self) -> frozenset[str]:
        """Names in code that tell that some of the state is read or set."""
        return frozenset().union(*(provider.hints for provider in self._providers.values()))

    @property
    def watched(self) -> frozenset[str]:
        """Modules whose running tells that some of the state is read."""
        return frozenset().union(*(provider.modules for provider in self._providers.values()))

    @property
    def homes(self) -> frozenset[str]:
        """Modules whose import creates some of the state."""
        return frozenset(provider.home for provider in self._providers.values() if provider.home)

    def _look(self) -> dict[str, bytes]:
        return {name: _captured(provider) for name, provider in self._providers.items() if provider.ready()}

    def arrived(self) -> None:
        """A library has just been imported: its untouched state is the baseline, or an assumed one takes effect."""
        for name, provider in self._providers.items():
            if name not in self._live and provider.ready():
                if name in self._assumed:
                    self._initial.setdefault(name, _captured(provider))
                    self._put(name, self._assumed.pop(name))
                self._live[name] = _captured(provider)

    def compare(self, names_used: set[str], modules: set[str], extra: Iterable[str] = ()) -> AmbientChange:
        """A cell has ended: what did it depend on, and what did it leave?

        Parameters
        ----------
        names_used
            Names in the code that ran.
        modules
            Modules whose code ran, and the top-level ones that it touched.
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
            used = provider.library in modules or not provider.modules.isdisjoint(modules)
            if changed or touched or used:
                reads[name] = self.digest(name)
            if changed:
                if name not in self._digests:
                    self._initial.setdefault(name, before[name])
                digest = digest_bytes(state)
                writes[name] = (digest, state)
                self._digests[name], self._states[digest] = digest, state
        self._live = after
        return AmbientChange(reads, writes)


UNSAVED = b"\0cannot be saved: "
"""How a captured state begins that cannot be put back."""


def _captured(provider: Provider) -> bytes:
    """The state; where it cannot be put into bytes, something that is never equal."""
    try:
        return provider.capture()
    except Exception as error:  # noqa: BLE001 - settings may hold anything, and libraries change
        return UNSAVED + secrets.token_hex(8).encode() + type(error).__name__.encode()
