"""What schedulers answer, as recorded from the real ones, and what is understood of it."""

from pathlib import Path

import pytest

from nbrewind.batch import schedulers, watching
from nbrewind.batch.schedulers import Job

RECORDED = Path(__file__).parent / "recorded"


def openpbs(name):
    return schedulers.pbs((RECORDED / "openpbs-23.06" / name).read_text())


def test_running_job_of_openpbs():
    (job,) = openpbs("qstat_-f_1.vm__running")
    assert (job.id, job.state, job.node) == ("1.vm", "running", "vm")


@pytest.mark.parametrize(
    ("name", "what"), [("9.vm__never-run-mem", "mem"), ("10.vm__never-run-ncpus", "ncpus")]
)
def test_job_of_openpbs_that_can_never_run(name, what):
    (job,) = openpbs(f"qstat_-f_{name}-above-node")
    assert job.state == "queued"
    assert job.reason.startswith(f"Can Never Run: Insufficient amount of resource: {what}")
    assert watching.can_never_run(job.reason)


STAND_IN = """\
Job Id:\t7
\tJob_Name = nbw-1
\tJob_Owner = visitor@b-login
\tjob_state = R
\tqueue = main
"""


def test_job_of_slurms_stand_in_for_pbs():
    assert [(job.id, job.state) for job in schedulers.pbs(STAND_IN)] == [("7", "running")]


def test_finished_job_of_openpbs():
    (job,) = openpbs("qstat_-x_-f_2.vm__finished-ok")
    assert job.state == "ended"


@pytest.mark.parametrize(
    "name",
    [
        "qstat_-f_99999__unknown-job",
        "qstat_-f_-F_json_1__server-down",
        "qstat_-f_31.vm__history-disabled-finished",
    ],
)
def test_openpbs_that_knows_no_job_or_does_not_answer_is_no_job(name):
    assert openpbs(name) == []


@pytest.mark.parametrize(
    ("line", "job"),
    [
        ("7|PENDING|Resources|2026-01-01T10:00:00|", Job("7", "queued", "Resources", "2026-01-01T10:00:00")),
        ("7|PENDING|JobHeldUser|N/A|", Job("7", "held", "JobHeldUser")),
        ("7|RUNNING|None|2026-01-01T10:00:00|a1", Job("7", "running", "", "2026-01-01T10:00:00", "a1")),
        ("7|NODE_FAIL|None|N/A|a1", Job("7", "failed", "NODE_FAIL", "", "a1")),
        ("7|TIMEOUT|TimeLimit|N/A|a1", Job("7", "failed", "TimeLimit", "", "a1")),
        ("7|CANCELLED|None|N/A|", Job("7", "ended")),
    ],
)
def test_job_of_slurm(line, job):
    assert schedulers.slurm(line + "\n") == [job]


def test_slurms_complaints_are_no_jobs():
    assert schedulers.slurm("slurm_load_jobs error: Invalid job id specified\n") == []


GRID_ENGINE = """\
job-ID  prior   name       user         state submit/start at     queue                          slots ja-task-ID
-----------------------------------------------------------------------------------------------------------------
     12 0.55500 nbw-1234   alice        r     11/21/2026 10:00:00 all.q@node7.cluster                1
     13 0.00000 nbw-1234   alice        qw    11/21/2026 10:00:01                                    1
     14 0.00000 nbw-1234   alice        Eqw   11/21/2026 10:00:01                                    1
     15 0.00000 nbw-1234   alice        hqw   11/21/2026 10:00:01                                    1
"""


def test_jobs_of_grid_engine():
    states = [(job.id, job.state, job.node) for job in schedulers.uge(GRID_ENGINE)]
    assert states == [
        ("12", "running", "node7.cluster"),
        ("13", "queued", ""),
        ("14", "failed", ""),
        ("15", "held", ""),
    ]


def test_jobs_of_htcondor():
    text = "5|2|undefined|slot1@n1.pool\n6|1|undefined|undefined\n7|5|Disk quota exceeded|undefined\n"
    assert schedulers.condor(text) == [
        Job("5", "running", "", "", "n1.pool"),
        Job("6", "queued"),
        Job("7", "held", "Disk quota exceeded"),
    ]


def test_refusal_by_openpbs_is_found_in_what_the_factory_wrote():
    text = (RECORDED / "vine_factory-7.14.5" / "rejected-by-unknown-queue.error.log").read_text()
    refused, times = watching.rejections(text)
    assert [each.words for each in refused] == ["qsub: Unknown queue"]
    assert times >= 1


def test_factorys_own_talk_is_no_refusal():
    talk = "couldn't read manager status from h port 1\nmax-workers: 3\n2026/11/21 12:42:10: |submitted: 0 |needed: 2\n"
    assert watching.rejections(talk) == ((), 0)


def crew(*jobs, **more):
    return watching.Crew(submitted=tuple(job.id for job in jobs), jobs=jobs, **more)


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (watching.Crew(), "workers are being submitted"),
        (
            crew(Job("1", "queued", "PartitionTimeLimit")),
            "1 jobs queued (PartitionTimeLimit); such a job never runs",
        ),
        (crew(Job("1", "running", node="a1")), "workers start on a1, none has connected yet"),
        (crew(Job("1", "failed", "NODE_FAIL")), "1 jobs ended (NODE_FAIL) before a worker connected"),
        (crew(Job("1", "running"), connected=1), "1 worker connected"),
    ],
)
def test_state_of_workers_is_one_line(status, line):
    assert status.line() == line
