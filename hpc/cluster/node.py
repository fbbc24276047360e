"""The first process of a host in the box: brings the network up, starts the daemons, and says when they work.

Daemons run as the root of the site's user namespace, which is nobody on the machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import kernel
from sites import CATALOG_PORT, SITES, Host, Site

READY = Path("/var/log/ready")


def main(arguments: list[str]) -> int:
    """Run one host: ``node SITE HOST USER-NAMESPACE``."""
    name, host_name, users = arguments
    site = SITES[name]
    host = next(host for host in site.hosts if host.name == host_name)
    os.environ["PATH"] = "/usr/bin:/usr/sbin"
    connect(host)
    own_folders(site.homes)
    os.setns(int(users), os.CLONE_NEWUSER)
    os.close(int(users))
    kernel.become(kernel.ROOT)
    start_daemons(site, host)
    READY.touch()
    while True:
        try:
            process, status = os.wait()
        except ChildProcessError:
            return 1
        print(f"{host.name}: process {process} ended with {os.waitstatus_to_exitcode(status)}", flush=True)


def connect(host: Host) -> None:
    """Bring the loopback device and the network card up."""
    kernel.run("ip", "link", "set", "lo", "up")
    kernel.run("ip", "address", "add", f"{host.address}/24", "dev", "eth0")
    kernel.run("ip", "link", "set", "eth0", "up")


def own_folders(homes: str) -> None:
    """Give the site's root what a system's root owns; the rest of the machine's files stay the caller's."""
    for path in (
        "/run/munge",
        "/run/lock",
        "/var/lib/munge",
        "/var/tmp",
        "/var/spool/slurmctld",
        "/var/spool/slurmd",
    ):
        os.makedirs(path, exist_ok=True)
    shutil.copyfile("/run/munge.key", "/run/munge/key")
    os.chmod("/run/munge/key", 0o400)
    roots = ("/", "/run", "/var", "/var/lib", "/var/log", "/var/spool")
    folders = (
        "/run/munge",
        "/run/lock",
        "/var/lib/munge",
        "/var/tmp",
        "/var/spool/slurmctld",
        "/var/spool/slurmd",
    )
    for path in (*roots, *folders, "/run/munge/key", "/dev/shm", "/tmp"):
        os.chown(path, kernel.HOST_ROOT, kernel.HOST_ROOT)
    for path in ("/", "/run", "/var", "/var/lib", "/var/log", "/var/spool", "/run/munge", homes):
        os.chmod(path, 0o755)
    for path in ("/var/tmp", "/tmp", "/dev/shm", "/run/lock"):
        os.chmod(path, 0o1777)


def start_daemons(site: Site, host: Host) -> None:
    """Start what the host's part in the site needs, each when what it depends on works."""
    munge = "/run/munge"
    daemon(
        "munged",
        *(
            "munged",
            "--foreground",
            "--num-threads=2",
            f"--key-file={munge}/key",
            f"--socket={munge}/munge.socket",
        ),
        *(f"--pid-file={munge}/pid", f"--seed-file={munge}/seed", "--log-file=/var/log/munged.log"),
    )
    wait_for(Path(munge, "munge.socket").exists, "munged")
    if host == site.login:
        # Managers report every minute; one that ended is forgotten soon after, for the next may have its name.
        options = (
            f"--port={CATALOG_PORT}",
            f"--name={host.name}",
            "--lifetime=90",
            "--update-host=localhost",
        )
        daemon("catalog_server", "catalog_server", *options)
        daemon("slurmctld", "slurmctld", "-D")
        wait_for(lambda: idle_nodes() == site.nodes, f"slurmctld with {site.nodes} nodes")
    else:
        daemon("slurmd", "slurmd", "-D")


def daemon(name: str, *command: str) -> None:
    """Start a program that stays, with its output in ``/var/log``."""
    with open(f"/var/log/{name}.out", "w") as log:
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/var/spool")


def idle_nodes() -> int:
    """Return how many nodes can take a job."""
    command = ["sinfo", "--noheader", "--partition=main", "--states=idle", "--format=%D"]
    done = subprocess.run(command, capture_output=True, text=True)
    return sum(int(word) for word in done.stdout.split())


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Wait until a condition holds; the hub stops waiting for this host when it takes too long."""
    while not condition():
        time.sleep(0.05)
