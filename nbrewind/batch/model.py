"""What a site file may hold: one class for each of its tables, one attribute for each key.

The words are dask-jobqueue's where it has one. Each attribute's ``doc`` is its documentation, in the JSON Schema and in
the reference alike; ``examples`` are values that are valid there.
"""

from __future__ import annotations

from typing import Any, Literal

from attrs import Factory, field, frozen, resolve_types

from nbrewind.batch.units import Megabytes, Seconds

Kind = Literal["local", "slurm", "pbs", "torque", "uge", "condor"]


def key(doc: str, default: Any = None, **more: Any) -> Any:
    """Return an attribute of a table, with its documentation; without a default in `more`, `default` is it."""
    metadata = {"doc": doc, "examples": more.pop("examples", [])}
    metadata |= {name: more.pop(name) for name in ("minimum", "maximum", "shared") if name in more}
    if more.pop("required", False) or "factory" in more:
        return field(metadata=metadata, **more)
    if isinstance(default, (list, dict)):
        kind = type(default)
        return field(default=Factory(lambda: kind(default)), metadata=metadata, **more)
    return field(default=default, metadata=metadata, **more)


@frozen(kw_only=True)
class About:
    """`[site]`: which cluster this is, and where the file's facts come from."""

    description: str = key("What the cluster is, in one line.", "")
    extends: str = key(
        "Name of a site that this file adds to: keys that are given here replace that site's.",
        "",
        examples=["slurm"],
    )
    url: str = key("The facility's documentation for its users.", "")
    contact: str = key("Who answers questions about this file.", "")
    source: str = key("Where the facts in this file were read.", "")
    date: str = key("When they were read, or last tried: YYYY-MM-DD.", "", examples=["2026-11-21"])
    verified: bool = key("Whether somebody ran workers there with this file.", False)


@frozen(kw_only=True)
class Queue:
    """`[[scheduler.queues]]`: one queue or partition, and the largest worker that it takes.

    With queues listed and no `queue` chosen, the first that takes the workers is used.
    """

    name: str = key("Its name, as the scheduler knows it.", required=True)
    max_walltime: Seconds | None = key("The longest that a job may last.", examples=["48:00:00"])
    max_cores: int | None = key("The most cores of one job on one node.", minimum=1, examples=[128])
    max_memory: Megabytes | None = key("The most memory of one job on one node.", examples=["256 GB"])
    max_gpus: int | None = key("The most GPUs of one job on one node; left out: it has none.", minimum=0)
    max_workers: int | None = key("The most jobs that one user may have in it.", minimum=1)


@frozen(kw_only=True)
class Scheduler:
    """`[scheduler]`: the batch system, and how one submits to it."""

    type: Kind = key("The batch system; `local` starts workers on this machine.", required=True)
    queue: str = key(
        "The queue or partition; left out: chosen from `queues`, or the scheduler's default.", ""
    )
    account: str = key(
        "The account or project that pays. Not in a shared file: set "
        "`NBREWIND_ACCOUNT`, or write it to a file of your own.",
        "",
        shared=False,
    )
    account_required: bool = key("Whether jobs without an account are rejected.", False)
    walltime: Seconds | None = key("How long each worker's job may last.", examples=["1:00:00", "2-00:00:00"])
    job_extra_directives: list[str] = key(
        "More options of the submit command, each a string as on its command line; with HTCondor, lines of the "
        "submit description.",
        [],
        examples=[["--constraint=cpu"]],
    )
    queues: list[Queue] = key("The site's queues, from small to large.", [])


@frozen(kw_only=True)
class Workers:
    """`[workers]`: how large each worker is, and how many there may be."""

    cores: int = key("Cores of each worker.", 1, minimum=1)
    memory: Megabytes | None = key(
        "Memory of each worker; left out where jobs get whole nodes, or the default of the queue.",
        examples=["4 GB"],
    )
    disk: Megabytes | None = key(
        "Disk that each worker may fill; left out: half of what is free.", examples=["10 GB"]
    )
    gpus: int = key("GPUs of each worker.", 0, minimum=0)
    min: int = key("Workers that are kept while tasks wait, even when fewer would do.", 1, minimum=0)
    max: int = key("The most workers.", 10, minimum=1)
    idle_timeout: Seconds = key(
        "A worker without work leaves after this time.", Seconds(300), examples=["5 min"]
    )
    worker_extra_args: list[str] = key(
        "More options of the engine's worker program.", [], examples=[["--disk-percent=80"]]
    )


@frozen(kw_only=True)
class Network:
    """`[network]`: how workers on compute nodes find the way back."""

    interface: str = key(
        "The network card of the login node that compute nodes reach; left out: the address of its host name.",
        "",
        examples=["ib0"],
    )
    address: str = key(
        "The address or name itself, where the card does not tell it.", "", examples=["10.1.0.4"]
    )
    port_range: list[int] = key(
        "The first and the last port that compute nodes may connect to; left out: any.",
        [],
        examples=[[50000, 51000]],
    )
    catalog: str = key("HOST:PORT of a catalog server, for managers that are known by name.", "")


@frozen(kw_only=True)
class Security:
    """`[security]`: both are on unless the site cannot do it."""

    password: bool = key("Managers take workers that know a random password, and no others.", True)
    tls: bool = key("Encrypt what managers and workers say, where the engine can.", True)


@frozen(kw_only=True)
class Environment:
    """`[environment]`: where workers get their Python. At most one of `packed` and `container`."""

    path: list[str] = key(
        "Folders that come first on the workers' PATH; `auto`: that of this Python, where nodes share its disk.",
        [],
        examples=[["auto"], ["/software/python/3.13/bin"]],
    )
    modules: list[str] = key("Environment modules that are loaded.", [], examples=[["python/3.13"]])
    packed: str = key(
        "An archive of conda-pack, venv-pack or Poncho, which is sent along and unpacked on each node; `auto`: one of "
        "the environment that runs the notebook, made when it is first needed and again when something is installed.",
        "",
        examples=["auto", "$HOME/py313.tar.gz"],
    )
    container: str = key(
        "A command that the worker is started by; its image must have Python and cloudpickle, and show the folder that "
        "the worker starts in.",
        "",
        examples=["apptainer exec /images/py.sif"],
    )
    variables: dict[str, str] = key(
        "Environment variables of workers. No secrets: the file is read by others.", {}
    )
    job_script_prologue: list[str] = key(
        "Lines of shell that run before the worker.", [], examples=[["ulimit -n 4096"]]
    )


@frozen(kw_only=True)
class Paths:
    """`[paths]`: folders. `~` and `$VARIABLES` are expanded at the site."""

    scratch: str = key(
        "A folder that the compute nodes see too; workers are started from below it. Left out: beside the record.",
        "",
        examples=["$SCRATCH/nbrewind"],
    )
    local_directory: str = key("Where workers put their sandboxes on their node.", "", examples=["$TMPDIR"])


@frozen(kw_only=True)
class Site:
    """A whole site file."""

    site: About = key("Which cluster this is.", factory=About)
    scheduler: Scheduler = key("Its batch system.", required=True)
    workers: Workers = key("Its workers.", factory=Workers)
    network: Network = key("The way back.", factory=Network)
    security: Security = key("Who may connect.", factory=Security)
    environment: Environment = key("The workers' Python.", factory=Environment)
    paths: Paths = key("Folders.", factory=Paths)


for _table in (About, Queue, Scheduler, Workers, Network, Security, Environment, Paths, Site):
    resolve_types(_table)
