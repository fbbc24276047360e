"""What the factories of a notebook say together, and what a site makes of a manager."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from nbrewind.batch import reading
from nbrewind.batch.plan import Intent
from nbrewind.batch.schedulers import Job
from nbrewind.batch.watching import Crew, Rejection
from nbrewind.errors import SiteUnusable
from nbrewind.hpc import places
from nbrewind.hpc.sites import Certificate, SiteWorkers


def factory(**options):
    return SimpleNamespace(_opts={name.replace("_", "-"): value for name, value in options.items()})


def test_intent_of_several_factories_is_the_largest_worker_and_all_of_them_together():
    one = factory(cores=2, memory="500", min_workers=1, max_workers=4)
    other = factory(cores=4.0, max_workers=3, timeout=60)
    assert places.intent([one, other]) == Intent(cores=4, memory=500, min=1, max=7, idle_timeout=60)
    assert places.intent([]) == Intent()


@pytest.mark.parametrize(
    ("asked", "allowed", "given"),
    [(9123, [], 9123), (9123, [9000, 9200], 9123), (0, [9000, 9200], (9000, 9200))],
)
def test_manager_listens_on_a_port_that_the_site_allows(asked, allowed, given):
    assert places._port(asked, allowed) == given


def test_password_is_read_from_a_private_file_that_is_gone_afterwards():
    workers = SiteWorkers(
        reading.site_of({"scheduler": {"type": "local"}}, "test"), Path(), "taskvine", print
    )
    seen = []
    workers.give_password(
        lambda path: seen.append((path, Path(path).read_text(), os.stat(path).st_mode & 0o777))
    )
    ((path, text, mode),) = seen
    assert text == workers.password
    assert len(text) > 30
    assert mode == 0o600
    assert not os.path.exists(path)


def test_certificate_is_made_once_and_removed():
    certificate = Certificate()
    made = certificate.get()
    if made is None:
        pytest.skip("needs openssl")
    assert certificate.get() == made
    assert all("BEGIN" in Path(path).read_text() for path in made)
    certificate.forget()
    assert not any(os.path.exists(path) for path in made)


class FakeCrew:
    running = True

    def __init__(self, **status):
        self.now = Crew(**status)

    def status(self, connected):
        return self.now

    def scale(self, intent, waiting): ...

    def tail(self):
        return "modules cannot be loaded"


def watched(**status):
    told = []
    workers = SiteWorkers(
        reading.site_of({"scheduler": {"type": "slurm"}}, "test"), Path(), "taskvine", told.append
    )
    workers._crew = FakeCrew(**status)
    return workers, told


def test_each_piece_of_news_is_told_once():
    workers, told = watched(rejections=(Rejection("no such queue"),), refused=1)
    for _ in range(3):
        workers.watch(0, 4, Intent())
    assert told == ["the scheduler refuses a worker: no such queue"]


def test_waiting_ends_when_the_scheduler_refuses_again_and_again():
    workers, _ = watched(rejections=(Rejection("no such queue"),), refused=3)
    with pytest.raises(SiteUnusable, match="no such queue"):
        workers.watch(0, 4, Intent())


def test_job_that_can_never_run_is_told_and_waited_for():
    job = Job("1", "queued", "PartitionTimeLimit")
    workers, told = watched(submitted=("1",), jobs=(job,))
    workers.watch(0, 4, Intent())
    assert told == ["a worker's job can never run as it is asked for: PartitionTimeLimit"]


def test_worker_that_ended_before_it_connected_is_told_with_the_end_of_its_log():
    workers, told = watched(submitted=("1",), jobs=(Job("1", "failed", "exit status 1"),))
    workers.watch(0, 4, Intent())
    assert told == [
        "1 jobs ended (exit status 1) before a worker connected; its log ends:\n    modules cannot be loaded"
    ]


def test_nothing_is_told_while_workers_are_connected():
    workers, told = watched(trouble=("squeue: unreachable",))
    workers.watch(2, 4, Intent())
    assert told == []
