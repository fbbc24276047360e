"""The state of things now, as decisions ask for it."""

from __future__ import annotations

from collections.abc import Callable

from nbrewind.cells.code import is_history
from nbrewind.cells.observer import (
    ALL_VARIABLES,
    Observer,
    env_digest,
    existence,
    folder_digest,
    names_digest,
)
from nbrewind.record.digests import digest_text
from nbrewind.record.model import Covariable, Digest


class Now:
    """Answers `nbrewind.plan.Present` from a live session.

    Parameters
    ----------
    observer
        Knows variables, files, modules and ambient state.
    history
        Digest of what a name of IPython's history holds.
    """

    def __init__(self, observer: Observer, history: Callable[[str], Digest]) -> None:
        self._observer = observer
        self._history = history
        self._file_digest = observer.files.digest

    def digest(self, kind: str, name: str) -> Digest | None:
        """Digest of what evidence of this kind and name means, now."""
        observer = self._observer
        match kind:
            case "variable":
                return self._history(name) if is_history(name) else observer.variables.digest(name)
            case "file":
                return self._file_digest(observer.paths.real(name))
            case "listing" if name == ALL_VARIABLES:
                return names_digest(observer.variables.names())
            case "listing":
                return folder_digest(observer.paths.real(name))
            case "exists":
                return existence(observer.paths.real(name))
            case "ambient":
                return observer.ambient.digest(name)
            case "env":
                return env_digest(name)
            case "place":
                return digest_text(observer.paths.place(name))
            case "module":
                return observer.modules.present(name)
            case _:
                return None

    def covariable(self, name: str) -> Covariable | None:
        """The co-variable that holds a variable now."""
        return self._observer.variables.version(name)

    def fits(self, name: str, state: bytes) -> bool:
        """Whether a recorded state of the interpreter can be put back here."""
        return self._observer.ambient.fits(name, state)

    def is_live_opaque(self, name: str) -> bool:
        """Whether a variable holds a living thing that cannot be saved."""
        return self._observer.variables.is_live_opaque(name)
