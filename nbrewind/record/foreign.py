"""Which logs of a record somebody else wrote, and whether the user trusts them.

A record that came in a container says in its ``record.json`` which of its logs came along. Until the user trusts them,
nothing in them is evidence: their traces, tasks and saved values are not found, so that nothing of them is reused or
unpickled. They can be looked at all the same.

That a record is trusted is not written in it, where whoever made it could write it too: opening puts a random token
into ``record.json``, and trusting it leaves the token's digest in the user's own state folder. In the same way a
folder is known to be one that was opened here.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from attrs import evolve, frozen
from platformdirs import user_state_path

from nbrewind.errors import RecordBroken, RecordError, RecordUnwritable
from nbrewind.record.digests import digest_bytes
from nbrewind.record.disk import make_folder, write_atomically, writing

UNTRUSTED = (
    "this record came in a container that you have not trusted: its cells run, and nothing that came along is reused "
    "or unpickled; `nbrewind repeat --trust` lets it be"
)


@frozen
class Foreign:
    """What of a record came from elsewhere.

    Parameters
    ----------
    logs
        Names of the files.
    container
        Digest of the container's manifest; empty where it was not opened by nbrewind.
    token
        Names this opening.
    """

    logs: tuple[str, ...] = ()
    container: str = ""
    token: str = ""

    @property
    def trusted(self) -> bool:
        """Whether the user trusts what came along; true where nothing did."""
        return not self.logs or self._is_noted("trusted")

    @property
    def opened_here(self) -> bool:
        """Whether this user's nbrewind made the folder, so that logs which it does not list are the user's own."""
        return self._is_noted("opened")

    def _is_noted(self, what: str) -> bool:
        return len(self.token) >= 32 and _place(what, self.token).is_file()

    def trust(self) -> None:
        """Let what came along be reused.

        Raises
        ------
        RecordError
            It was not opened by nbrewind, so there is nothing that could be trusted.
        RecordUnwritable
            The state folder takes no file.
        """
        if self.trusted:
            return
        if not self.token:
            raise RecordError(
                "this record came in a container that was unpacked by other means: open the container with "
                "`nbrewind open --trust`"
            )
        self._note("trusted")

    def _note(self, what: str) -> None:
        place = _place(what, self.token)
        with writing(place.parent):
            make_folder(place.parent)
            write_atomically(place, self.container.encode() + b"\n")


def _place(what: str, token: str) -> Path:
    name = digest_bytes(token.encode()).partition(":")[2]
    return user_state_path("nbrewind") / what / name


def read_foreign(folder: Path) -> Foreign:
    """What ``record.json`` says.

    Raises
    ------
    RecordBroken
        It says it in a way that cannot be understood.
    """
    plain = _about(folder).get("foreign")
    if plain is None:
        return Foreign()
    try:
        logs, words = plain["logs"], [plain.get("container", ""), plain.get("token", "")]
        if not isinstance(logs, list) or not all(isinstance(word, str) for word in [*logs, *words]):
            raise TypeError
    except (TypeError, KeyError, AttributeError):
        raise RecordBroken(
            f"{folder / 'record.json'} is damaged: open the container again that it came in"
        ) from None
    return Foreign(tuple(logs), *words)


def add_foreign(folder: Path, names: Iterable[str], container: str = "", *, renew: bool = False) -> Foreign:
    """Note that these logs of a record came from elsewhere.

    Parameters
    ----------
    container
        Where they came from; empty: as before.
    renew
        Give it a token of its own: it was just opened, and is not trusted yet.
    """
    about, known = _about(folder), read_foreign(folder)
    foreign = evolve(
        known,
        logs=tuple(sorted({*known.logs, *names})),
        container=container or known.container,
        token=secrets.token_hex(32) if renew else known.token,
    )
    about["foreign"] = {"logs": foreign.logs, "container": foreign.container, "token": foreign.token}
    if renew:
        with suppress(RecordUnwritable):  # it is not found again, then, and cannot be trusted
            foreign._note("opened")
    write_atomically(folder / "record.json", json.dumps(about, indent=1).encode() + b"\n")
    return foreign


def _about(folder: Path) -> dict[str, Any]:
    try:
        about = json.loads((folder / "record.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return about if isinstance(about, dict) else {}
