"""Which queue takes a worker: pure, from the limits that the site's file lists."""

from __future__ import annotations

from attrs import frozen

from nbrewind.batch.model import Queue, Site
from nbrewind.batch.units import clock, memory_text
from nbrewind.errors import SiteUnusable


@frozen
class Choice:
    """A queue, and why it and not another; an empty name is the scheduler's own default."""

    name: str
    why: str
    limit: Queue | None = None


def choose(site: Site) -> Choice:
    """Choose the queue for a site's workers: the one that is named, else the first that takes them.

    Raises
    ------
    SiteUnusable
        No queue takes them; the message says for each what is too much.
    """
    scheduler = site.scheduler
    limits = {queue.name: queue for queue in scheduler.queues}
    if scheduler.queue:
        limit = limits.get(scheduler.queue)
        too_much = obstacles(site, limit) if limit else []
        if too_much:
            raise SiteUnusable(f"queue {scheduler.queue} takes no such worker: {'; '.join(too_much)}")
        return Choice(scheduler.queue, "it is named", limit)
    if not limits:
        return Choice("", "the scheduler's default")
    refusals = []
    for queue in scheduler.queues:
        too_much = obstacles(site, queue)
        if not too_much:
            return Choice(queue.name, "the first that takes such workers", queue)
        refusals.append(f"{queue.name}: {'; '.join(too_much)}")
    raise SiteUnusable("no queue takes such a worker:\n  " + "\n  ".join(refusals))


def obstacles(site: Site, queue: Queue) -> list[str]:
    """Return what of a worker is more than a queue allows, in words."""
    workers, walltime = site.workers, site.scheduler.walltime
    found = []
    if walltime and queue.max_walltime and walltime > queue.max_walltime:
        found.append(f"walltime {clock(walltime)} is more than {clock(queue.max_walltime)}")
    if queue.max_cores and workers.cores > queue.max_cores:
        found.append(f"{workers.cores} cores are more than {queue.max_cores}")
    if queue.max_memory and workers.memory and workers.memory > queue.max_memory:
        found.append(f"{memory_text(workers.memory)} are more than {memory_text(queue.max_memory)}")
    if workers.gpus > (queue.max_gpus or 0):
        found.append(f"{workers.gpus} GPUs are more than {queue.max_gpus or 0}")
    return found
