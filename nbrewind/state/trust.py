"""Whether classes come back as they were: the first value of each is read back and compared."""

from __future__ import annotations

import gc
import io
import weakref
from collections.abc import Iterable

from nbrewind.errors import Unsaveable
from nbrewind.record.model import Covariable
from nbrewind.state.canonical import BASIC
from nbrewind.state.graph import Analyser
from nbrewind.state.guard import HookError, attempt
from nbrewind.state.loading import Builder, Unpickler
from nbrewind.state.pickling import Stream


class Trust:
    """Remembers which types have come back as they were.

    Parameters
    ----------
    analyser
        Digests what comes back.
    """

    def __init__(self, analyser: Analyser) -> None:
        self._analyser = analyser
        self._types: weakref.WeakSet[type] = weakref.WeakSet(BASIC)

    def covers(self, types: Iterable[type]) -> bool:
        """Whether all these types are known to come back as they were."""
        return all(kind in self._types for kind in types)

    def verify(self, covariable: Covariable, types: frozenset[type], stream: Stream) -> None:
        """Read a stream back, unless all types in it are trusted, and trust them if the digest is the same.

        Raises
        ------
        Unsaveable
            It cannot be loaded, or something else comes back.
        """
        if self.covers(types):
            return
        buffers = [view.toreadonly() for view in stream.memory]
        builder = Builder(self._analyser.namespace)
        try:
            values = attempt(Unpickler(io.BytesIO(stream.data), builder, buffers).load)
        except HookError as error:
            raise Unsaveable(f"it pickles, but does not load again ({error})") from error
        back = self._analyser.digest_of(list(values))
        if (
            type in types
        ):  # bases list their subclasses as long as these live, and classes refer to themselves
            del values
            gc.collect(1)
        if back != covariable.digest:
            raise Unsaveable("it pickles, but something else comes back")
        self._types |= types
