"""Runs a command as the user of a site, on its login node: ``enter SITE MACHINE VENV CHECKOUT FOLDER… -- COMMAND…``.

Starts among the machine's processes with the hub's mounts; MACHINE is a descriptor of the machine's mount namespace.
The command starts in the first FOLDER. Each is shown at its own path on every host of the site; VENV and CHECKOUT
are shown read-only. Input, output, exit status and signals are the command's.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import kernel
from sites import CATALOG_PORT, SITES

BOX = Path("/box")
NAMESPACES = ("mnt", "net", "uts", "ipc", "pid")
FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
SENT_BY_KERNEL = 0x80
"""`si_code` of what a terminal sends: the command, in the same process group, has it already."""
PR_SET_PDEATHSIG = 1

SYSTEM = ("bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "run", "sbin", "sys", "usr")
PASSED = (
    "TERM",
    "LANG",
    "LANGUAGE",
    "TZ",
    "COLUMNS",
    "LINES",
    "NO_COLOR",
    "FORCE_COLOR",
    "CI",
    "SOURCE_DATE_EPOCH",
)
PASSED_PREFIXES = ("LC_", "NBREWIND_")

CANNOT_RUN, NOT_FOUND, UNUSABLE = 126, 127, 3


def main(arguments: list[str]) -> int:
    """Show the folders, go in, run the command and return its exit status."""
    site, machine, venv, checkout, *rest = arguments
    end = rest.index("--")
    folders, command = rest[:end], rest[end + 1 :]
    known = json.loads((BOX / "hosts.json").read_text())[site]
    hosts = {name: open_namespaces(process) for name, process in known["hosts"].items()}
    users = os.open(known["users"], os.O_RDONLY)
    os.set_inheritable(int(machine), False)
    Folders(site, int(machine), hosts).show(read_only=[venv, checkout], writable=folders)
    signal.pthread_sigmask(signal.SIG_BLOCK, (*FORWARDED, signal.SIGCHLD))
    for namespace in (*hosts[SITES[site].login.name].values(), users):
        os.setns(namespace)
    child = os.fork()
    if child == 0:
        start(command, folders[0], environment(site, venv))
    return wait(child)


def open_namespaces(process: int) -> dict[str, int]:
    """Return descriptors of the namespaces of a host, found by its first process."""
    return {name: os.open(f"/proc/{process}/ns/{name}", os.O_RDONLY) for name in NAMESPACES}


class Folders:
    """The machine's folders that the hosts of a site see, each at its own path."""

    def __init__(self, site: str, machine: int, hosts: dict[str, dict[str, int]]) -> None:
        self.machine = machine
        self.hosts = hosts
        self.list = BOX / site / "folders.json"
        self.lock = BOX / site / "folders.lock"

    def show(self, *, read_only: list[str], writable: list[str]) -> None:
        """Make folders visible on every host, and leave this process among the machine's mounts."""
        for folder in writable:
            refuse_system_folder(folder)
        with self.lock.open("w") as lock, self.list.open("a+") as file:
            fcntl.flock(lock, fcntl.LOCK_EX)
            file.seek(0)
            shown = json.loads(file.read() or "[]")
            os.setns(self.machine, os.CLONE_NEWNS)
            before = {folder: identity(folder) for folder in shown}
            wanted = {folder: (identity(folder), folder in writable) for folder in (*read_only, *writable)}
            for name, namespaces in self.hosts.items():
                in_child(lambda there=namespaces["mnt"]: self.update(there, before, wanted), name)
            file.truncate(0)
            json.dump(sorted({*wanted, *(folder for folder in shown if before[folder])}), file)

    def update(
        self, there: int, before: dict[str, Identity], wanted: dict[str, tuple[Identity, bool]]
    ) -> None:
        """Bring the mounts of one host up to date; to be called in a process of its own."""
        os.setns(there, os.CLONE_NEWNS)
        for folder, there_now in before.items():
            # Deleted on the machine, perhaps made again: what the host still shows is the old one.
            if identity(folder) not in (None, there_now):
                kernel.unmount(folder)
        for folder, (there_now, writable) in wanted.items():
            if identity(folder) != there_now or (writable and is_read_only(folder)):
                self.mount(there, folder, writable)

    def mount(self, there: int, folder: str, writable: bool) -> None:
        """Mount one folder of the machine on the host whose mounts this process sees."""
        os.setns(self.machine, os.CLONE_NEWNS)
        tree = kernel.detached_copy(folder)
        os.setns(there, os.CLONE_NEWNS)
        os.makedirs(folder, exist_ok=True)
        kernel.mount_copy(tree, folder, read_only=not writable)
        os.close(tree)


Identity = tuple[int, int] | None


def identity(folder: str) -> Identity:
    """Return what tells one folder from another at the same path, or None when there is none."""
    try:
        about = os.stat(folder)
    except OSError:
        return None
    return about.st_dev, about.st_ino


def is_read_only(folder: str) -> bool:
    """Return whether a folder lies on a read-only mount."""
    return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)


def refuse_system_folder(folder: str) -> None:
    """Exit when showing a folder would hide a part of the hosts' own system."""
    top = folder.split("/")[1]
    if top in ("", *SYSTEM) or folder in ("/home", "/users", "/var"):
        fail(f"{folder} cannot be shown in the box, which has its own; use a folder elsewhere", UNUSABLE)


def in_child(action: Callable[[], None], name: str) -> None:
    """Run an action in a child process, because it changes what the process sees."""
    child = os.fork()
    if child == 0:
        try:
            action()
        except OSError as error:
            fail(f"{name}: {error}", UNUSABLE)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status:
        raise SystemExit(os.waitstatus_to_exitcode(status))


def fail(message: str, status: int) -> NoReturn:
    """Say what is wrong and leave without cleaning up, also in a child process."""
    sys.stderr.write(f"nbrewind: {message}\n")
    sys.stderr.flush()
    os._exit(status)


def environment(site: str, venv: str) -> dict[str, str]:
    """Return the environment of a fresh login, with little from the caller: a cluster does not know it either."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in PASSED or name.startswith(PASSED_PREFIXES)
    }
    return {
        "LANG": "C.UTF-8",
        **kept,
        "HOME": SITES[site].home,
        "USER": SITES[site].user,
        "LOGNAME": SITES[site].user,
        "SHELL": "/bin/bash",
        "PATH": f"{venv}/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "VIRTUAL_ENV": venv,
        "CATALOG_HOST": SITES[site].login.name,
        "CATALOG_PORT": str(CATALOG_PORT),
    }


def start(command: list[str], folder: str, variables: dict[str, str]) -> NoReturn:
    """Become the user's command."""
    kernel.become(kernel.USER)
    # A caller that is killed takes its command along, as a closed connection would.
    kernel.call_prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.umask(0o022)
    os.chdir(folder)
    # Python ignores these two, and what is ignored stays so in the next program.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    try:
        os.execvpe(command[0], command, variables)
    except FileNotFoundError:
        fail(f"{command[0]}: no such command in the box", NOT_FOUND)
    except OSError as error:
        fail(f"{command[0]}: {error.strerror}", CANNOT_RUN)


def wait(child: int) -> int:
    """Pass signals on until the command ends; return its exit status as a shell would."""
    while True:
        about = signal.sigwaitinfo((*FORWARDED, signal.SIGCHLD))
        if about.si_signo != signal.SIGCHLD:
            if about.si_code != SENT_BY_KERNEL:
                os.kill(child, about.si_signo)
            continue
        process, status = os.waitpid(child, os.WNOHANG)
        if process:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
