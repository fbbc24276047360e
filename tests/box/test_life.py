"""Starting and stopping: once, at the same time, after a crash; and that nothing remains."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from .boxes import PROGRAM, Box


@pytest.fixture
def own(tmp_path):
    """A box of the test's own, down."""
    box = Box(f"life-{os.getpid()}")
    yield box
    box.call("down", cwd=tmp_path)


def folder_of(box, cwd):
    """The folder that an `up` box says it is in."""
    return Path(box.call("status", cwd=cwd).stdout.splitlines()[0].rsplit(" ", 1)[1])


def first_process(folder):
    return json.loads((folder / "info.json").read_text())["child-pid"]


def mounts():
    return sorted(line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())


def networks():
    return sorted(os.listdir("/sys/class/net"))


def processes(text):
    """Command lines on this machine that contain a text, but for zombies and this one."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if text in line and int(path.parent.name) != os.getpid():
            found.append(line)
    return found


def test_up_twice_is_one_box_and_down_leaves_nothing(own, tmp_path):
    before = mounts(), networks()
    assert own.call("status", cwd=tmp_path).stdout == "down\n"
    assert own.call("up", cwd=tmp_path).returncode == 0
    folder = folder_of(own, tmp_path)
    process = first_process(folder)
    assert own.call("up", cwd=tmp_path).returncode == 0
    assert first_process(folder) == process
    left_alone = own.start("sh", "-c", "echo ready; sleep 1000", cwd=tmp_path)
    assert own.call("down", cwd=tmp_path).returncode == 0
    assert left_alone.wait(timeout=10) == 128 + signal.SIGKILL
    left_alone.stdout.close()
    assert own.call("status", cwd=tmp_path).stdout == "down\n"
    assert not folder.exists()
    assert processes(str(folder)) == []
    assert (mounts(), networks()) == before
    assert own.call("down", cwd=tmp_path).returncode == 0


def test_several_ups_at_once_make_one_box(own, tmp_path):
    ups = [
        subprocess.Popen([PROGRAM, "up"], cwd=tmp_path, env=own.environment, stderr=subprocess.DEVNULL)
        for _ in range(3)
    ]
    assert [up.wait(timeout=60) for up in ups] == [0, 0, 0]
    assert len([line for line in processes(str(folder_of(own, tmp_path))) if "cluster hub" in line]) == 2


def test_run_starts_the_box_and_says_so(own, tmp_path):
    done = own.call("run", "hostname", cwd=tmp_path)
    assert done.stdout == "a-login\n"
    assert "starting the cluster in a box" in done.stderr
    assert own.call("run", "hostname", cwd=tmp_path).stderr == ""


def test_crashed_box_is_replaced(own, tmp_path):
    own.call("up", cwd=tmp_path)
    folder = folder_of(own, tmp_path)
    os.kill(first_process(folder), signal.SIGKILL)
    deadline = time.monotonic() + 10
    while own.call("status", cwd=tmp_path).stdout != "down\n":
        assert time.monotonic() < deadline
    assert own.call("run", "hostname", cwd=tmp_path).stdout == "a-login\n"
    assert own.call("down", cwd=tmp_path).returncode == 0
    assert not folder.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_interrupted_up_leaves_a_box_that_down_or_up_puts_right(own, tmp_path, number):
    up = subprocess.Popen(
        [PROGRAM, "up"], cwd=tmp_path, env=own.environment, stderr=subprocess.DEVNULL, start_new_session=True
    )
    time.sleep(0.4)
    os.killpg(up.pid, number)
    up.wait(timeout=20)
    assert own.call("run", "hostname", cwd=tmp_path).stdout == "a-login\n"


def test_daemons_do_not_hold_the_callers_output_open(own, tmp_path):
    done = subprocess.run(
        [PROGRAM, "up"],
        cwd=tmp_path,
        env=own.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
    )
    assert done.returncode == 0
