"""The few services of Linux that the standard library does not offer: detached mounts and user namespaces.

Everything here needs root and Linux 5.2 or later.
"""

from __future__ import annotations

import ctypes
import os
import subprocess

ROOT, USER = 0, 1000
"""Numbers of the two accounts inside a site."""

HOST_ROOT = 65000
"""What a site's root is outside it. Any number would do that no file of the machine belongs to."""

# The caller, root, is the ordinary user of the site: files made there are the caller's, yet without root's powers.
_IDENTITIES = [
    (ROOT, HOST_ROOT, 1),
    (1, 1, USER - 1),
    (USER, 0, 1),
    (USER + 1, USER + 1, HOST_ROOT - USER - 1),
    (HOST_ROOT, USER, 1),
    (HOST_ROOT + 1, HOST_ROOT + 1, 65535 - HOST_ROOT),
]

_OPEN_TREE, _MOVE_MOUNT = 428, 429
_AT_FDCWD, _AT_RECURSIVE, _OPEN_TREE_CLONE, _MOVE_MOUNT_F_EMPTY_PATH = -100, 0x8000, 1, 4
_MS_RDONLY, _MS_REMOUNT, _MS_BIND, _MNT_DETACH = 1, 32, 4096, 2

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, path: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return result


def detached_copy(path: str) -> int:
    """Return a descriptor of the tree mounted at `path`, which can be mounted in another mount namespace."""
    flags = _OPEN_TREE_CLONE | _AT_RECURSIVE | os.O_CLOEXEC
    return _checked(_libc.syscall(_OPEN_TREE, _AT_FDCWD, path.encode(), flags), path)


def mount_copy(tree: int, path: str, *, read_only: bool) -> None:
    """Mount what `detached_copy` returned at `path`."""
    target = path.encode()
    _checked(_libc.syscall(_MOVE_MOUNT, tree, b"", _AT_FDCWD, target, _MOVE_MOUNT_F_EMPTY_PATH), path)
    if read_only:
        _checked(_libc.mount(None, target, None, _MS_REMOUNT | _MS_BIND | _MS_RDONLY, None), path)


def call_prctl(option: int, value: int) -> None:
    """Set one of the process's own options (``prctl(2)``)."""
    _checked(_libc.prctl(option, value, 0, 0, 0), "prctl")


def unmount(path: str) -> None:
    """Detach what is mounted at `path`, even when it is in use."""
    _checked(_libc.umount2(path.encode(), _MNT_DETACH), path)


def new_user_namespace() -> int:
    """Return a descriptor of a user namespace with the identities of a site."""
    ready, go_on = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.unshare(os.CLONE_NEWUSER)
        os.write(ready[1], b".")
        os.read(go_on[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    table = "".join(f"{inside} {outside} {count}\n" for inside, outside, count in _IDENTITIES)
    for name in ("uid_map", "gid_map"):
        with open(f"/proc/{child}/{name}", "w") as file:
            file.write(table)
    namespace = os.open(f"/proc/{child}/ns/user", os.O_RDONLY)
    os.write(go_on[1], b".")
    os.waitpid(child, 0)
    for end in (*ready, *go_on):
        os.close(end)
    return namespace


def become(number: int) -> None:
    """Be user and group `number` of the user namespace that this process is in, and no other."""
    os.setgroups([number])
    os.setresgid(number, number, number)
    os.setresuid(number, number, number)


def run(*command: str) -> None:
    """Run a command; its errors name it."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: exit status {done.returncode}: {done.stderr.strip()}")
