"""Builds the networks of the box and starts its hosts; then waits. The box lives as long as this process.

It is the first process in a process, mount and network namespace of its own, so whatever happens here is gone with it.
In ``/box``, the box's folder on the machine, it writes ``hosts.json`` when every site is ready, or ``failed``.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from pathlib import Path

import kernel
from sites import SITES, Host, Site, hosts_file, site_file, slurm_conf

BOX = Path("/box")
PROGRAMS = Path(__file__).parent
PATIENCE = 60
"""Seconds that the schedulers get to see all their nodes."""


def main(arguments: list[str]) -> int:
    """Start every site and wait for ever; say in ``failed`` why that did not work."""
    try:
        hosts = {site.name: start_site(site) for site in SITES.values()}
        for site in SITES.values():
            wait_until_idle(site)
        write(BOX / "hosts.json", json.dumps(hosts))
    except Exception as error:  # the one place where `hpc/box up` learns what went wrong
        write(BOX / "failed", f"{error}\n")
        raise
    while True:
        os.wait()


def write(path: Path, text: str) -> None:
    """Write a file that appears complete or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    part.rename(path)


def start_site(site: Site) -> dict[str, object]:
    """Start the network and the hosts of a site; return how to enter them: first processes and accounts."""
    make_folders(site)
    bridge = f"site-{site.name}"
    kernel.run("ip", "link", "add", bridge, "type", "bridge")
    kernel.run("ip", "link", "set", bridge, "up")
    users = kernel.new_user_namespace()
    hosts = {host.name: start_host(site, host, bridge, users) for host in site.hosts}
    return {"hosts": hosts, "users": f"/proc/{os.getpid()}/fd/{users}"}


def make_folders(site: Site) -> None:
    """Make what the hosts of a site share (home folders, configuration) and each one's own disk."""
    base = BOX / site.name
    (base / "home" / site.user).mkdir(parents=True)
    (base / "home" / "scratch" / site.user).mkdir(parents=True)
    shutil.copytree("/etc", base / "etc", symlinks=True)
    etc = base / "etc"
    append(
        etc / "passwd",
        f"{site.user}:x:{kernel.USER}:{kernel.USER}:of site {site.name}:{site.home}:/bin/bash\n",
    )
    append(etc / "group", f"{site.user}:x:{kernel.USER}:\n")
    replace(etc / "hosts", hosts_file(site))
    # Hosts are found in the file above or not at all: waiting for a name server that is not there helps nobody.
    replace(etc / "nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n")
    (etc / "slurm").mkdir(exist_ok=True)
    replace(etc / "slurm" / "slurm.conf", slurm_conf(site, disk=disk_size(base)))
    replace(etc / "slurm" / "cgroup.conf", "CgroupPlugin=disabled\n")
    (etc / "nbrewind" / "site-configs").mkdir(parents=True, exist_ok=True)
    replace(etc / "nbrewind" / "site-configs" / f"{site.name}.toml", site_file(site))
    for path in etc.rglob("*"):
        os.chown(path, kernel.HOST_ROOT, kernel.HOST_ROOT, follow_symlinks=False)
    (base / "munge.key").write_bytes(secrets.token_bytes(128))
    (base / "munge.key").chmod(0o600)
    for host in site.hosts:
        for folder in ("tmp", "log", "spool"):
            (base / host.name / folder).mkdir(parents=True)
        (base / host.name / "tmp").chmod(0o1777)


def append(path: Path, text: str) -> None:
    """Add lines to a file."""
    with path.open("a") as file:
        file.write(text)


def replace(path: Path, text: str) -> None:
    """Write a file anew, in the place of whatever it was (a link, say)."""
    path.unlink(missing_ok=True)
    path.write_text(text)


def disk_size(folder: Path) -> int:
    """Return the megabytes of temporary space that a node may promise: no more than the disk has."""
    usage = shutil.disk_usage(folder)
    return min(20000, usage.total // 2**20)


def start_host(site: Site, host: Host, bridge: str, users: int) -> int:
    """Start one host, plug it into the network, and return its first process."""
    about, about_end = os.pipe()
    gate_end, gate = os.pipe()
    subprocess.Popen(
        [
            *bubblewrap(site, host),
            *("--info-fd", str(about_end), "--block-fd", str(gate_end), "--"),
            *(sys.executable, "-I", str(PROGRAMS), "node", site.name, host.name, str(users)),
        ],
        pass_fds=(about_end, gate_end, users),
        stdin=subprocess.DEVNULL,
    )
    os.close(about_end)
    os.close(gate_end)
    with open(about) as file:
        process: int = json.load(file)["child-pid"]
    plug_in(host, bridge, process)
    os.close(gate)
    return process


def bubblewrap(site: Site, host: Host) -> list[str]:
    """Return the command that makes a host: its own processes, network, name and disk on the shared system."""
    base = BOX / site.name
    own = base / host.name
    command = [
        "bwrap",
        "--unshare-pid",
        "--unshare-net",
        "--unshare-ipc",
        "--unshare-uts",
        "--hostname",
        host.name,
    ]
    command += ["--cap-add", "ALL", "--die-with-parent", "--clearenv"]
    for path in sorted(Path("/").iterdir()):
        if path.is_symlink():
            command += ["--symlink", str(path.readlink()), str(path)]
    command += [
        "--ro-bind",
        "/usr",
        "/usr",
        "--ro-bind",
        f"{base}/etc",
        "/etc",
        "--bind",
        f"{base}/home",
        site.homes,
    ]
    command += ["--dev", "/dev", "--proc", "/proc", "--ro-bind-try", "/sys", "/sys", "--tmpfs", "/run"]
    # The site's user is the caller, whom the machine's kernel would let change its settings.
    for path in ("/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus"):
        command += ["--ro-bind-try", path, path]
    command += ["--bind", f"{own}/tmp", "/tmp", "--tmpfs", "/var", "--symlink", "/run", "/var/run"]
    command += ["--bind", f"{own}/log", "/var/log", "--bind", f"{own}/spool", "/var/spool"]
    command += ["--ro-bind", f"{base}/munge.key", "/run/munge.key", "--ro-bind", str(PROGRAMS), str(PROGRAMS)]
    return command


def plug_in(host: Host, bridge: str, process: int) -> None:
    """Lay a cable between a host and the switch of its site."""
    port = f"p-{host.name}"
    kernel.run(
        *("ip", "link", "add", port, "type", "veth"),
        *("peer", "name", "eth0", "address", mac(host), "netns", str(process)),
    )
    kernel.run("ip", "link", "set", port, "master", bridge, "up")


def mac(host: Host) -> str:
    """Return a hardware address that follows from the network address, so that it is no accident."""
    return ":".join(["02", "00", *(f"{int(part):02x}" for part in host.address.split("."))])


def wait_until_idle(site: Site) -> None:
    """Wait until the scheduler of a site sees every node."""
    deadline = time.monotonic() + PATIENCE
    marks = [BOX / site.name / host.name / "log" / "ready" for host in site.hosts]
    while missing := [mark.parent.parent for mark in marks if not mark.exists()]:
        if time.monotonic() > deadline:
            names = ", ".join(folder.name for folder in missing)
            raise OSError(f"site {site.name}: {names} not ready after {PATIENCE} s; see {site.name}/*/log/")
        time.sleep(0.05)
