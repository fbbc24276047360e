"""Signatures of manifests with SSH keys: ``ssh-keygen -Y`` (OpenSSH 8.2 and later), which every cluster user has.

The manifest holds the digest of every member, so its signature covers all of the container.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from attrs import frozen
from platformdirs import user_config_path

from nbrewind.errors import UsageError

NAMESPACE = "nbrewind-container"
_KEY = re.compile(r"with (\S+) key (\S+)")
_SECONDS = 60.0


@frozen
class Signature:
    """What is known of who made a container.

    Parameters
    ----------
    status
        ``unsigned``; ``invalid``: it is not of this manifest; ``unknown``: good, by a key that is not among the allowed
        ones; ``trusted``: good, and by one of them.
    signer
        Who that is, as the list of allowed signers calls them.
    key
        Type and fingerprint of the key.
    """

    status: Literal["unsigned", "invalid", "unknown", "trusted"]
    signer: str = ""
    key: str = ""

    def __str__(self) -> str:
        match self.status:
            case "unsigned":
                return "unsigned"
            case "invalid":
                return "its signature is not of this container: it was changed after it was signed"
            case "unknown":
                return f"signed with {self.key}, which is not among the allowed signers"
            case _:
                return f"signed by {self.signer} with {self.key}"


def default_allowed_signers() -> Path | None:
    """The user's own list, if there is one: ``allowed_signers`` in the folder of nbrewind's configuration."""
    path = user_config_path("nbrewind") / "allowed_signers"
    return path if path.is_file() else None


def sign(data: bytes, key: Path) -> bytes:
    """Sign with a private key, or with a public one whose private half an agent holds; may ask for its passphrase.

    Raises
    ------
    UsageError
        The key cannot be used.
    """
    if not key.is_file():
        raise UsageError(f"--sign {key}: there is no such file; name an SSH key, such as ~/.ssh/id_ed25519")
    done = _keygen(["sign", "-q", "-n", NAMESPACE, "-f", str(key)], data)
    if done.returncode or not done.stdout.startswith(b"-----BEGIN SSH SIGNATURE-----"):
        why = done.stderr.decode(errors="replace").strip() or "it gives no signature"
        raise UsageError(f"--sign {key}: {why}")
    return done.stdout


def check(data: bytes, signature: bytes, allowed: Path | None) -> Signature:
    """Find out who signed these bytes.

    Parameters
    ----------
    signature
        Empty: there is none.
    allowed
        The list of allowed signers (``ssh-keygen``'s format); ``None``: nobody is.

    Raises
    ------
    UsageError
        The list cannot be read.
    """
    if allowed is not None and not os.access(allowed, os.R_OK):
        raise UsageError(
            f"--allowed-signers {allowed}: cannot be read; name a file as ssh-keygen's manual describes"
        )
    if not signature:
        return Signature("unsigned")
    if shutil.which("ssh-keygen") is None:
        return Signature("unknown", key="a key that cannot be looked at here, for want of ssh-keygen")
    with _file(signature) as path:
        plain = _keygen(["check-novalidate", "-n", NAMESPACE, "-s", path], data)
        if plain.returncode:
            return Signature("invalid")
        found = _KEY.search(plain.stdout.decode(errors="replace"))
        key = " ".join(found.groups()) if found else "an unnamed key"
        for signer in _principals(path, allowed) if allowed else ():
            arguments = ["verify", "-n", NAMESPACE, "-f", str(allowed), "-I", signer, "-s", path]
            if _keygen(arguments, data).returncode == 0:
                return Signature("trusted", signer, key)
    return Signature("unknown", key=key)


def _principals(signature: str, allowed: Path | None) -> list[str]:
    done = _keygen(["find-principals", "-f", str(allowed), "-s", signature], b"")
    return done.stdout.decode(errors="replace").splitlines() if done.returncode == 0 else []


@contextmanager
def _file(signature: bytes) -> Iterator[str]:
    with TemporaryDirectory(prefix="nbrewind-signature-") as folder:
        path = Path(folder, "signature")
        path.write_bytes(signature)
        yield str(path)


def _keygen(arguments: Sequence[str], data: bytes) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ["ssh-keygen", "-Y", *arguments],
            input=data,
            capture_output=True,
            timeout=_SECONDS,
            env={**os.environ, "LC_ALL": "C"},
            check=False,
        )
    except FileNotFoundError:
        raise UsageError(
            "signatures need ssh-keygen, which is not installed here (openssh-client has it)"
        ) from None
    except subprocess.TimeoutExpired:
        raise UsageError(f"ssh-keygen gave no answer in {_SECONDS:.0f} s") from None
