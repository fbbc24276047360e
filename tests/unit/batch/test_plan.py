"""What would be submitted, compared with what the engine's factory does submit to a scheduler that takes notes."""

import json
import os
import re
import shlex
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from nbrewind.batch import plan, reading
from nbrewind.batch.contact import Contact
from nbrewind.errors import SiteUnusable

NOTING = """\
#!/bin/sh
{ echo "program=$(basename $0)"; for each in "$@"; do echo "argument=$each"; done
  [ ! -f condor.submit ] || { echo ---; cat condor.submit; echo ---; }
  env | sed 's/^/variable=/'; echo "end"; } >>"$NOTES"
case $(basename $0) in
    sbatch) echo "Submitted batch job 4711" ;;
    condor_submit) printf 'Submitting job(s).\\n1 job(s) submitted to cluster 4711.\\n' ;;
    qsub) echo "${ANSWER:-4711.server}" ;;
esac
"""
SECRET = "do-not-carry-me"


def site_of(kind, **tables):
    tables = {key: dict(value) for key, value in tables.items()}
    tables.setdefault("scheduler", {}).setdefault("type", kind)
    return reading.site_of(tables, "test")


def made(kind, folder=Path("/scratch/x"), contact=None, variables=None, **tables):
    contact = contact or Contact("10.0.0.1", 9123)
    environment = {"PATH": "/usr/bin", **(variables or {})}
    return plan.make(site_of(kind, **tables), contact, folder, "nbw-1234", environment=environment)


BIG = {
    "workers": {"cores": 2, "memory": "1000 MB", "disk": "500 MB", "min": 1, "max": 1},
    "scheduler": {"walltime": "1:00:00"},
}


def tables_for(kind):
    tables = {name: dict(body) for name, body in BIG.items()}
    if kind == "uge":
        del tables["workers"]["disk"]
    if kind == "condor":
        tables["scheduler"]["job_extra_directives"] = ['requirements = (Arch == "X86_64")']
        tables["workers"]["gpus"] = 1
    else:
        tables["scheduler"] |= {"queue": "short", "account": "p 1"}
    return tables


@pytest.mark.engine
@pytest.mark.parametrize("kind", ["slurm", "pbs", "torque", "uge", "condor"])
def test_factory_submits_what_render_says(kind, tmp_path):
    if shutil.which("vine_factory") is None:
        pytest.skip("needs vine_factory")
    programs, folder, notes = tmp_path / "bin", tmp_path / "crew", tmp_path / "notes"
    programs.mkdir()
    (folder / "jobs").mkdir(parents=True)
    for name in ("sbatch", "qsub", "condor_submit", "scancel", "qdel", "condor_rm"):
        (programs / name).write_text(NOTING)
        (programs / name).chmod(0o755)
    password = tmp_path / "password"
    password.write_text("x")
    password.chmod(0o600)
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "TOKEN": SECRET}
    contact = Contact("127.0.0.1", 1, tls=True, password=str(password))
    wanted = made(kind, folder, contact, environment, **tables_for(kind))
    (folder / "config.json").write_text(json.dumps(wanted.config))
    (folder / "start-worker").write_text(wanted.script)
    (folder / "start-worker").chmod(0o755)
    answer = 'Your job 4711 ("x") has been submitted' if kind == "uge" else "4711.server"
    factory = subprocess.Popen(
        wanted.command,
        cwd=folder,
        env={**wanted.environment, "NOTES": str(notes), "ANSWER": answer},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 30
        while not notes.exists() or "end\n" not in notes.read_text():
            assert time.monotonic() < deadline
            assert factory.poll() is None
            time.sleep(0.05)
    finally:
        factory.terminate()
        factory.wait(timeout=30)
    text = notes.read_text()
    text = text[: text.index("end\n")]
    assert SECRET not in text
    if kind == "condor":
        description = text.split("---\n")[1].splitlines()
        assert list(map(_spaced, description)) == list(map(_spaced, wanted.submission))
    else:
        done = re.findall(r"(?m)^(?:program|argument)=(.*)$", text)
        assert done == list(wanted.submission)
        assert (folder / "jobs" / f"{kind}.wrapper").read_text() == wanted.job_script
        worker = re.search(r"(?m)^variable=BATCH_JOB_COMMAND=(.*)$", text)[1]
        assert shlex.split(worker) == shlex.split(wanted.worker)


def _spaced(line):
    return " ".join(line.replace('" ', '"').split()).replace(' "', '"')


def test_environment_of_the_factory_is_minimal():
    carried = made("slurm", variables={"SLURM_CONF": "/c", "AWS_SECRET": SECRET, "HOME": "/h"}).environment
    assert carried == {"SLURM_CONF": "/c", "HOME": "/h", "PATH": "/usr/bin"}


def test_password_is_named_by_its_file_alone(tmp_path):
    path = tmp_path / "password"
    path.write_text(SECRET)
    planned = made("pbs", contact=Contact("h", 1, password=str(path)))
    assert SECRET not in repr(planned) + str(planned.command) + planned.script


@pytest.mark.parametrize(
    ("kind", "tables", "expected"),
    [
        ("pbs", {"workers": {"gpus": 1}}, "cannot ask for GPUs through pbs"),
        ("uge", {"workers": {"disk": "1 GB"}}, "does not ask Grid Engine for disk"),
        ("pbs", {"scheduler": {"job_extra_directives": ["-l", "select=1:ncpus=2"]}}, "no -l select="),
        ("slurm", {"scheduler": {"job_extra_directives": ["--export=NONE"]}}, "--export would keep"),
        ("local", {"scheduler": {"queue": "q"}}, "local, which has no queue"),
        ("condor", {"scheduler": {"queue": "q"}}, "HTCondor has none"),
        ("slurm", {"scheduler": {"account_required": True}}, "set NBREWIND_ACCOUNT"),
        ("slurm", {"environment": {"packed": "$NOWHERE/x.tar.gz"}}, "not set here"),
    ],
)
def test_what_would_be_dropped_or_rejected_is_an_error(kind, tables, expected):
    with pytest.raises(SiteUnusable, match=re.escape(expected)):
        made(kind, **tables)


def test_gpus_are_asked_for_though_the_factory_forgets_them():
    assert "--gpus-per-node=2" in made("slurm", workers={"gpus": 2}).submission


def test_notebook_decides_how_many_and_how_large_within_what_the_site_allows():
    site = site_of("slurm", workers={"cores": 1, "memory": "1 GB", "min": 2, "max": 5})
    fitted = plan.fitted(site, plan.Intent(cores=4, min=0, max=50)).workers
    assert (fitted.cores, fitted.memory, fitted.min, fitted.max) == (4, 1024, 0, 5)
    assert plan.fitted(site, plan.Intent(max=1)).workers.min == 1


def test_queue_bounds_how_many():
    queues = [{"name": "debug", "max_workers": 2}]
    planned = made("slurm", scheduler={"queues": queues}, workers={"min": 3, "max": 9})
    assert planned.config["max-workers"] == 2
    assert planned.config["min-workers"] == 2


def test_as_many_workers_start_at_once_as_the_waiting_tasks_fill():
    site = site_of("slurm", workers={"cores": 4, "min": 1, "max": 10})
    assert [plan.config(site, waiting)["min-workers"] for waiting in (0, 1, 9, 1000)] == [1, 1, 3, 10]


def run_script(tmp_path, body, **environment):
    tables = {"scheduler": {"type": "slurm"}, "environment": environment}
    site = reading.site_of(tables, "test")
    planned = plan.make(site, Contact("h", 1), tmp_path, "nbw-1", environment={"PATH": "/usr/bin"})
    (tmp_path / "start-worker").write_text(planned.script)
    done = subprocess.run(
        ["sh", "start-worker", "sh", "-c", body],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "SLURM_JOB_ID": "77"},
    )
    return done.returncode, (tmp_path / "worker-77.log").read_text()


def test_script_gives_the_worker_its_path_variables_and_prologue_and_keeps_a_log(tmp_path):
    status, log = run_script(
        tmp_path,
        'echo "$PATH $X $Y"; exit 7',
        path=["/opt/it's here/bin"],
        variables={"X": "a b"},
        job_script_prologue=["export Y=2"],
    )
    assert status == 7
    assert "/opt/it's here/bin:/usr/bin:/bin a b 2\n" in log
    assert "job 77 on " in log
    assert "worker ended with status 7" in log


def test_script_ends_when_modules_cannot_be_loaded(tmp_path):
    status, log = run_script(tmp_path, "echo started", modules=["python/3"])
    assert status == 1
    assert "modules cannot be loaded: python/3" in log
    assert "started" not in log


def packed_with(tmp_path, cloudpickle):
    folder = tmp_path / "env" / "bin"
    folder.mkdir(parents=True)
    (folder / "mine").write_text("#!/bin/sh\necho found in ${0%/bin/mine}\n")
    (folder / "python3").write_text(f"#!/bin/sh\necho python3 of the archive; exit {int(not cloudpickle)}\n")
    for program in folder.iterdir():
        program.chmod(0o755)
    subprocess.run(["tar", "-czf", tmp_path / "env.tar.gz", "-C", tmp_path / "env", "bin"], check=True)
    (tmp_path / "node").mkdir()
    return str(tmp_path / "env.tar.gz"), f"TMPDIR={tmp_path}/node; export TMPDIR"


def test_script_unpacks_the_environment_on_the_node_and_removes_it_again(tmp_path):
    archive, prologue = packed_with(tmp_path, cloudpickle=True)
    status, log = run_script(tmp_path, "mine", packed=archive, job_script_prologue=[prologue])
    assert status == 0, log
    assert f"found in {tmp_path}/node/nbrewind-" in log
    assert list((tmp_path / "node").iterdir()) == []


def test_worker_does_not_begin_in_a_packed_environment_that_can_run_no_task(tmp_path):
    archive, prologue = packed_with(tmp_path, cloudpickle=False)
    status, log = run_script(tmp_path, "mine", packed=archive, job_script_prologue=[prologue])
    assert status == 1
    assert "error: the site's packed environment has no python3 with cloudpickle" in log
    assert "found" not in log


def test_worker_is_started_by_the_command_of_the_container(tmp_path):
    (tmp_path / "image").mkdir()
    (tmp_path / "image" / "python3").write_text("#!/bin/sh\nexit ${BROKEN:-0}\n")
    (tmp_path / "image" / "python3").chmod(0o755)
    container = f"env PATH={tmp_path}/image:/usr/bin:/bin INSIDE=yes"
    status, log = run_script(tmp_path, "echo inside: $INSIDE", container=container)
    assert (status, "inside: yes" in log) == (0, True)
    status, log = run_script(tmp_path, "echo inside: $INSIDE", container=f"{container} BROKEN=1")
    assert status == 1
    assert "error: the site's container has no python3 with cloudpickle" in log
