"""The sites of the box: their hosts, addresses and scheduler configuration. Pure values, no effects."""

from __future__ import annotations

from dataclasses import dataclass

CATALOG_PORT = 9097
"""Where TaskVine and Work Queue expect a catalog server, which managers known by name need."""


@dataclass(frozen=True)
class Host:
    """One machine of a site, and its address in the site's network."""

    name: str
    address: str


@dataclass(frozen=True)
class Site:
    """One cluster: a login node, which also runs the scheduler, and its compute nodes.

    `speaks` is the batch system that its users are told of: that of Slurm itself, or of its stand-in for PBS.
    """

    name: str
    subnet: str
    nodes: int
    cpus: int = 2
    memory: int = 4000
    user: str = "user"
    homes: str = "/home"
    speaks: str = "slurm"

    @property
    def home(self) -> str:
        """The user's home folder."""
        return f"{self.homes}/{self.user}"

    @property
    def scratch(self) -> str:
        """The user's folder for scratch, which every host of the site sees."""
        return (
            f"{self.home}/nbrewind-scratch" if self.speaks == "slurm" else f"{self.homes}/scratch/{self.user}"
        )

    @property
    def login(self) -> Host:
        """The host that users log in to."""
        return Host(f"{self.name}-login", f"{self.subnet}.1")

    @property
    def compute(self) -> list[Host]:
        """The hosts that run jobs."""
        return [Host(f"{self.name}{i}", f"{self.subnet}.{10 + i}") for i in range(1, self.nodes + 1)]

    @property
    def hosts(self) -> list[Host]:
        """Every host, the login node first."""
        return [self.login, *self.compute]


SITES = {
    site.name: site
    for site in [
        Site("a", "10.71.0", nodes=4),
        Site("b", "10.72.0", nodes=2, user="visitor", homes="/users", speaks="pbs"),
    ]
}


def hosts_file(site: Site) -> str:
    """Return ``/etc/hosts``: a site knows its own hosts and no other."""
    return "".join(f"{host.address} {host.name}\n" for host in [Host("localhost", "127.0.0.1"), *site.hosts])


def slurm_conf(site: Site, disk: int) -> str:
    """Return ``slurm.conf`` for a site whose nodes have `disk` MB of temporary space."""
    names = ",".join(host.name for host in site.compute)
    lines = [
        f"ClusterName={site.name}",
        f"SlurmctldHost={site.login.name}({site.login.address})",
        "SlurmUser=root",
        "SlurmdUser=root",
        "AuthType=auth/munge",
        "AuthInfo=socket=/run/munge/munge.socket",
        "CredType=cred/munge",
        "StateSaveLocation=/var/spool/slurmctld",
        "SlurmdSpoolDir=/var/spool/slurmd",
        "SlurmctldPidFile=/run/slurmctld.pid",
        "SlurmdPidFile=/run/slurmd.pid",
        "SlurmctldLogFile=/var/log/slurmctld.log",
        "SlurmdLogFile=/var/log/slurmd.log",
        # No cgroups: they belong to the machine that the box runs on.
        "ProctrackType=proctrack/linuxproc",
        "TaskPlugin=task/none",
        "JobAcctGatherType=jobacct_gather/none",
        "MpiDefault=none",
        "SelectType=select/cons_tres",
        "SelectTypeParameters=CR_CPU_Memory",
        "DefMemPerCPU=500",
        # The machine may be smaller than its nodes say; jobs share it as processes do.
        "SlurmdParameters=config_overrides",
        "PropagateResourceLimits=NONE",
        "ReturnToService=2",
        "SlurmdTimeout=60",
        "KillWait=5",
        "SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1",
        *(
            f"NodeName={host.name} NodeAddr={host.address} CPUs={site.cpus} RealMemory={site.memory} TmpDisk={disk}"
            for host in site.compute
        ),
        f"PartitionName=main Nodes={names} Default=YES DefaultTime=1:00:00 MaxTime=1-0",
        f"PartitionName=debug Nodes={site.compute[0].name} DefaultTime=0:10:00 MaxTime=0:30:00",
    ]
    return "\n".join(lines) + "\n"


def site_file(site: Site) -> str:
    """Return the site file by which nbrewind knows a site: what its facility would write."""
    lines = [
        "[site]",
        f'description = "site {site.name} of the cluster in a box"',
        "verified = true",
        "",
        "[scheduler]",
        f'type = "{site.speaks}"',
        'walltime = "0:30:00"',
        "",
        "[[scheduler.queues]]",
        'name = "main"',
        'max_walltime = "24:00:00"',
        f"max_cores = {site.cpus}",
        f'max_memory = "{site.memory} MB"',
        "",
        "[workers]",
        "cores = 1",
        'memory = "400 MB"',
        'disk = "500 MB"',
        f"max = {site.nodes * site.cpus}",
        "",
        "[network]",
        'interface = "eth0"',
        "",
        "[environment]",
        'path = ["auto"]',
        "",
        "[paths]",
        f'scratch = "{site.scratch}"',
    ]
    return "\n".join(lines) + "\n"
