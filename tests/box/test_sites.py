"""Notebooks whose workers a site file starts, through real schedulers."""

import json
import time

import nbformat
import pytest

from .boxes import NODES, PROGRAMS


@pytest.fixture
def notebook(run, tmp_path):
    """A notebook in the test's folder, which is seen in the box."""
    done = run("--bind", str(PROGRAMS), "python", f"{PROGRAMS}/scaled.py", "scaled.ipynb")
    assert done.returncode == 0, done.stderr
    return tmp_path / "scaled.ipynb"


def shown(path):
    """What the last cell printed, and the hosts that it returned."""
    printed, value = nbformat.read(path, 4).cells[-1].outputs
    return printed.text.strip(), eval(value.data["text/plain"])


def report(done):
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def free_nodes(run):
    """A site without jobs, before the test and after it: what a notebook starts by itself outlives it."""
    yield run("scancel", "--user=user")
    run("scancel", "--user=user")


def nothing_left(run):
    """Whether jobs and folders of workers are gone, within a while."""
    deadline = time.monotonic() + 40
    while run("sh", "-c", "squeue --noheader; ls ~/nbrewind-scratch").stdout:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True


def test_sites_of_the_box_are_known_by_name(run):
    known = report(run("nbrewind", "site", "list", "--json"))["sites"]
    assert [each["type"] for each in known if each["origin"] == "system" and each["name"] == "a"] == ["slurm"]


def test_sites_have_different_users_folders_and_software(run):
    look = (
        "import os, numpy, pandas, sys; "
        "print(os.path.expanduser('~'), sys.prefix, numpy.__version__, pandas.__version__)"
    )
    at = {name: run("--site", name, "python", "-c", look).stdout.split() for name in ("a", "b")}
    assert [at[name][0] for name in ("a", "b")] == ["/home/user", "/users/visitor"]
    assert all(here != there for here, there in zip(at["a"], at["b"], strict=True))
    for name, elsewhere in (("a", at["b"]), ("b", at["a"])):
        for path in elsewhere[:2]:
            assert run("--site", name, "test", "-e", path).returncode == 1


def test_notebook_runs_at_the_site_that_is_named_whatever_it_says_itself(run, notebook, tmp_path):
    first = report(run("nbrewind", "audit", "scaled.ipynb", "--site", "a", "-o", "one.ipynb", "-q", "--json"))
    assert first["tasks"]["submitted"] == 4
    printed, hosts = shown(tmp_path / "one.ipynb")
    assert printed == "[0, 1, 2, 3] True False"
    assert set(hosts) <= set(NODES)
    again = report(run("nbrewind", "repeat", "scaled.ipynb", "--site", "a", "-q", "--json"))
    assert {cell["action"] for cell in again["cells"]} == {"restored"}
    changed = ("-p", "last", "7", "-o", "two.ipynb", "-q", "--json")
    second = report(run("nbrewind", "repeat", "scaled.ipynb", "--site", "a", *changed))
    assert (second["tasks"]["reused"], second["tasks"]["submitted"]) == (3, 1)
    assert shown(tmp_path / "two.ipynb")[0] == "[0, 1, 2, 21] True False"
    assert nothing_left(run)


def test_environment_of_the_submitter_stays_out_of_jobs(run, notebook, tmp_path):
    done = run(
        "env", "SECRET_TOKEN=x", "nbrewind", "audit", "scaled.ipynb", "--site", "a", "-o", "one.ipynb", "-q"
    )
    assert done.returncode == 0, done.stderr
    assert shown(tmp_path / "one.ipynb")[0].endswith("False")


def test_unknown_queue_is_told_in_the_schedulers_words(run, notebook, tmp_path):
    (tmp_path / "bad.toml").write_text('[site]\nextends = "a"\n[scheduler]\nqueue = "nosuch"\nqueues = []\n')
    deadline = ("--worker-deadline", "20", "-q")
    done = run("nbrewind", "audit", "scaled.ipynb", "--site", "bad.toml", *deadline, timeout=100)
    assert done.returncode == 3
    assert "invalid partition specified: nosuch" in done.stdout + done.stderr
    assert nothing_left(run)


def test_walltime_over_the_limit_of_the_queue_is_told_before_anything_runs(run, notebook, tmp_path):
    (tmp_path / "long.toml").write_text('[site]\nextends = "a"\n[scheduler]\nwalltime = "48:00:00"\n')
    done = run("nbrewind", "audit", "scaled.ipynb", "--site", "long.toml", "-q", timeout=60)
    assert done.returncode == 3
    assert "walltime 48:00:00 is more than 24:00:00" in done.stdout + done.stderr


def test_mistakes_of_a_site_file_are_told_before_anything_runs(run, notebook, tmp_path):
    (tmp_path / "wrong.toml").write_text('[scheduler]\ntype = "slrum"\n')
    done = run("nbrewind", "audit", "scaled.ipynb", "--site", "wrong.toml")
    assert done.returncode == 2
    assert "line 2: scheduler.type: 'slrum' is none of" in done.stderr


def test_jobs_are_cancelled_when_the_kernel_is_killed(run, notebook, tmp_path):
    source = nbformat.read(notebook, 4)
    wait = "import os, pathlib, time\npathlib.Path('kernel').write_text(str(os.getpid()))\ntime.sleep(100)"
    source.cells[-1].source = wait
    nbformat.write(source, notebook)
    work = (
        "nbrewind audit scaled.ipynb --site a -q & "
        "while [ ! -s kernel ]; do sleep 0.1; done; squeue --noheader --states=R; kill -KILL $(cat kernel); wait"
    )
    done = run("sh", "-c", work, timeout=100)
    assert "nbw-" in done.stdout, done.stderr
    assert nothing_left(run)


@pytest.mark.parametrize("name", ["a", "b"])
def test_check_finds_nothing_wrong_with_the_sites_of_the_box(run, name):
    checks = report(run("--site", name, "nbrewind", "site", "check", name, "--json"))["checks"]
    assert {each["check"] for each in checks if each["state"] == "ok"} >= {
        "probe job",
        "way back",
        "cloudpickle",
    }
    assert all(each["state"] == "ok" for each in checks)


@pytest.mark.parametrize(
    ("text", "check", "found"),
    [
        ('[scheduler]\nqueue = "nosuch"\nqueues = []', "submission", "invalid partition specified: nosuch"),
        ('[network]\ninterface = ""\naddress = "10.99.0.1"', "way back", "10.99.0.1"),
        ('[paths]\nscratch = "/tmp/only-here"', "probe job", "no answer"),
        ("[security]\ntls = true\n[scheduler]\naccount_required = true", "queue", "set NBREWIND_ACCOUNT"),
    ],
)
def test_check_says_what_is_wrong(run, tmp_path, text, check, found):
    (tmp_path / "bad.toml").write_text(f'[site]\nextends = "a"\n{text}\n')
    done = run("nbrewind", "site", "check", "bad.toml", "--wait", "8", "--json")
    bad = [each for each in json.loads(done.stdout)["checks"] if each["state"] == "bad"]
    assert done.returncode == 3
    assert [each["check"] for each in bad] == [check]
    assert found in bad[0]["found"]
    assert bad[0]["remedy"]


def test_notebook_of_one_site_runs_its_changed_tasks_at_another(run, notebook, tmp_path):
    first = report(run("nbrewind", "audit", "scaled.ipynb", "--site", "a", "-q", "--json"))
    assert first["tasks"]["submitted"] == 4
    there = ("--site", "b", "nbrewind", "repeat", "scaled.ipynb", "--site", "b")
    unchanged = report(run(*there, "-q", "--json"))
    assert (unchanged["tasks"]["reused"], unchanged["tasks"]["submitted"]) in [(0, 0), (4, 0)]
    second = report(run(*there, "-p", "last", "7", "-o", "two.ipynb", "-q", "--json"))
    assert (second["tasks"]["reused"], second["tasks"]["submitted"]) == (3, 1)
    printed, hosts = shown(tmp_path / "two.ipynb")
    assert printed == "[0, 1, 2, 21] True False"
    assert set(hosts) & {"b1", "b2"}
    assert set(hosts) <= {*NODES, "b1", "b2"}


def write(run, name, *options):
    done = run("--bind", str(PROGRAMS), "python", f"{PROGRAMS}/scaled.py", name, *options)
    assert done.returncode == 0, done.stderr


def tasks(done):
    found = report(done)["tasks"]
    return found["reused"], found["submitted"]


DEADLINE = ("--worker-deadline", "60", "-q", "--json")


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["taskvine", "work_queue"])
@pytest.mark.parametrize("launch", ["commands", "job"])
def test_workers_by_commands_start_again_at_home_and_are_the_sites_elsewhere(
    run, free_nodes, tmp_path, engine, launch
):
    write(run, "by.ipynb", engine, launch)
    assert tasks(run("nbrewind", "audit", "by.ipynb", *DEADLINE)) == (0, 4)
    assert tasks(run("nbrewind", "repeat", "by.ipynb", *DEADLINE)) == (0, 0)
    at_home = run("nbrewind", "repeat", "by.ipynb", "-p", "last", "5", *DEADLINE, "-o", "one.ipynb")
    assert tasks(at_home) == (3, 1)
    assert shown(tmp_path / "one.ipynb")[0].startswith("[0, 1, 2, 15]")
    there = ("--site", "b", "nbrewind", "repeat", "by.ipynb", "--site", "b", "-p", "last", "7")
    assert tasks(run(*there, *DEADLINE, "-o", "two.ipynb")) == (3, 1)
    printed, hosts = shown(tmp_path / "two.ipynb")
    assert printed.startswith("[0, 1, 2, 21]")
    assert set(hosts) & {"b1", "b2"}
    assert not set(hosts) & {"a-login", "b-login"}


@pytest.mark.slow
def test_packed_environment_is_made_once_and_is_the_workers(run, free_nodes, notebook, tmp_path):
    bare = '[site]\nextends = "a"\n[environment]\npath = []\njob_script_prologue = ["PATH=/usr/bin:/bin"]\n'
    (tmp_path / "bare.toml").write_text(bare)
    (tmp_path / "packed.toml").write_text(f'{bare}packed = "auto"\n')
    done = run("nbrewind", "audit", "scaled.ipynb", "--site", "bare.toml", *DEADLINE)
    assert "cloudpickle is missing there (its python3 is /usr/bin/python3)" in done.stderr + done.stdout
    here = ("env", f"XDG_CACHE_HOME={tmp_path}/cache", "nbrewind")
    checks = report(run(*here, "site", "check", "packed.toml", "--json"))["checks"]
    assert all(each["state"] == "ok" for each in checks)
    archives = list((tmp_path / "cache").rglob("*.tar.gz"))
    assert len(archives) == 1
    before = archives[0].stat().st_ino
    done = run(
        *here, "audit", "scaled.ipynb", "--site", "packed.toml", "-o", "one.ipynb", *DEADLINE, timeout=200
    )
    assert tasks(done)[1] == 4
    assert set(shown(tmp_path / "one.ipynb")[1]) <= set(NODES)
    assert [path.stat().st_ino for path in (tmp_path / "cache").rglob("*.tar.gz")] == [before]


@pytest.mark.slow
def test_work_queue_notebook_of_one_site_runs_its_changed_tasks_at_another(run, free_nodes, tmp_path):
    write(run, "wq.ipynb", "work_queue")
    assert tasks(run("nbrewind", "audit", "wq.ipynb", "--site", "a", "-o", "one.ipynb", *DEADLINE)) == (0, 4)
    assert set(shown(tmp_path / "one.ipynb")[1]) <= set(NODES)
    assert tasks(run("nbrewind", "repeat", "wq.ipynb", "--site", "a", *DEADLINE)) == (0, 0)
    there = ("--site", "b", "nbrewind", "repeat", "wq.ipynb", "--site", "b", "-p", "last", "7")
    assert tasks(run(*there, "-o", "two.ipynb", *DEADLINE)) == (3, 1)
    printed, hosts = shown(tmp_path / "two.ipynb")
    assert printed.startswith("[0, 1, 2, 21]")
    assert set(hosts) & {"b1", "b2"}
    assert nothing_left(run)


@pytest.mark.slow
def test_evicted_workers_are_made_up_for(run, notebook):
    source = nbformat.read(notebook, 4)
    source.cells[2].source = source.cells[2].source.replace(
        "    import os, socket\n", "    import os, socket, time; time.sleep(5)\n"
    )
    nbformat.write(source, notebook)
    work = (
        "nbrewind audit scaled.ipynb --site a -q --json & "
        "while ! squeue --noheader --states=R | grep -q nbw; do sleep 0.2; done; sleep 2; "
        "scancel --user=user; wait"
    )
    done = run("sh", "-c", work, timeout=200)
    assert json.loads(done.stdout)["tasks"] == {
        **json.loads(done.stdout)["tasks"],
        "submitted": 4,
        "failed": 0,
    }
