"""The identity of a function that runs elsewhere: its code, what it refers to in the notebook, its software.

The digests themselves come from `nbrewind.state`; here they are put together, name by name, so that an
explanation can tell which helper or which global it was that changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from nbrewind.errors import Undigestible
from nbrewind.record.model import Digest
from nbrewind.state import Analyser
from nbrewind.tasks.content import Contents
from nbrewind.tasks.keys import combine
from nbrewind.tasks.software import Software, plain, self_contained


class NotebookIdentity:
    """Digests of the notebook's functions and values.

    Parameters
    ----------
    namespace
        Returns the notebook's variables.
    contents
        Digests of local files, for modules beside the notebook.
    software
        Which modules count by version and which by content.
    """

    def __init__(
        self,
        namespace: Callable[[], dict[str, Any]],
        contents: Contents,
        software: Software | None = None,
    ) -> None:
        self._namespace = namespace
        self._analyser: Analyser | None = None
        self._software = software or Software(contents)

    def value(self, value: Any, where: str) -> Digest:
        """Return the digest of an argument, with all that its functions and classes refer to.

        Raises
        ------
        Undigestible
            There is no canonical form.
        """
        parts = self._closure(value, where)
        digest = parts.pop("")
        if not plain(value):
            parts.update(self._software.local_ingredients())
        return combine({"value": digest, **parts}) if parts else digest

    def function(self, function: Any) -> Mapping[str, str]:
        """Return the ingredients that identify a function.

        Returns
        -------
        Mapping
            ``function``; ``global:NAME`` for the notebook's variables, helpers among them, that it refers
            to, directly or through others; ``lib:NAME`` for libraries by version; ``module:NAME`` for local
            modules by content.

        Raises
        ------
        Undigestible
            Something that it needs has no canonical form.
        """
        parts = self._closure(function, "function")
        namespace = self._current().namespace
        reached = [function, *(namespace.get(name.removeprefix("global:")) for name in parts if name)]
        ingredients = {name or "function": digest for name, digest in parts.items()}
        ingredients.update(self._software.ingredients(reached))
        if not all(map(self_contained, reached)):
            ingredients.update(self._software.local_ingredients())
        return ingredients

    def _closure(self, value: Any, where: str) -> dict[str, Digest]:
        """The digests of a value, under no name, and of all notebook variables that it reaches by name."""
        analyser = self._current()
        digest, names = self._one(analyser, value, where)
        found = {"": digest}
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if f"global:{name}" in found:
                continue
            if name not in analyser.namespace:
                found[f"global:{name}"] = "absent"
                continue
            digest, names = self._one(analyser, analyser.namespace[name], f"{where}, which uses {name}")
            found[f"global:{name}"] = digest
            waiting += names
        return found

    def _one(self, analyser: Analyser, value: Any, where: str) -> tuple[Digest, Iterable[str]]:
        valued = analyser.value(value)
        if valued.opaque or not valued.digest:
            kind, _, why = valued.opaque.partition(": ")
            raise Undigestible(where, kind or type(value).__qualname__, why)
        return valued.digest, valued.needs

    def _current(self) -> Analyser:
        namespace = self._namespace()
        if self._analyser is None or self._analyser.namespace is not namespace:
            self._analyser = Analyser(namespace)
        return self._analyser
