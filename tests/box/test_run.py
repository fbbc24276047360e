"""What a command sees that ``hpc/box run`` starts, and what its caller sees of it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .boxes import CHECKOUT, NODES, PROGRAM

# Counts the signal that its argument names, for a while after the first.
COUNT_SIGNALS = """
import signal, sys, time
seen = []
signal.signal(int(sys.argv[1]), lambda number, frame: seen.append(number))
print("ready", flush=True)
while not seen:
    time.sleep(0.01)
time.sleep(0.3)
print(len(seen), "seen", flush=True)
raise SystemExit(5)
"""

# Runs a command in a terminal of its own and presses Ctrl-C when it is ready.
PRESS_CTRL_C = """
import os, pty, sys
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.argv[1], sys.argv[1:])
text = b""
while b"ready" not in text:
    text += os.read(terminal, 100)
os.write(terminal, b"\\x03")
try:
    while data := os.read(terminal, 100):
        text += data
except OSError:
    pass
print(text.decode().splitlines()[-1], os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_command_runs_as_an_ordinary_user_on_the_login_node(run):
    done = run("sh", "-c", "id -un; id -u; hostname; echo $HOME; touch ~/mine && rm ~/mine; cat /etc/shadow")
    assert done.stdout.split() == ["user", "1000", "a-login", "/home/user"]
    assert "denied" in done.stderr


def test_current_folder_is_at_its_own_path_and_files_in_it_are_the_callers(run, tmp_path):
    (tmp_path / "given").write_text("question\n")
    done = run("sh", "-c", "pwd; cat given; echo answer > made")
    assert done.stdout == f"{tmp_path}\nquestion\n"
    assert (tmp_path / "made").read_text() == "answer\n"
    assert (tmp_path / "made").stat().st_uid == os.geteuid()


def test_current_folder_is_seen_on_every_node(run, tmp_path):
    done = run("srun", "--nodes=4", "sh", "-c", "hostname | tee on-$(hostname)")
    assert sorted(done.stdout.split()) == NODES, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"on-{node}" for node in NODES]


def test_folder_that_was_made_anew_is_seen_anew(run, tmp_path):
    folder = tmp_path / "again"
    for content in ("old", "new"):
        folder.mkdir()
        (folder / "content").write_text(content)
        done = run("srun", "--nodes=4", "cat", "content", cwd=folder)
        assert done.stdout == 4 * content, done.stderr
        shutil.rmtree(folder)


def test_folder_behind_a_link_is_seen_at_both_paths(run, tmp_path, tmp_path_factory):
    link = tmp_path_factory.mktemp("links") / "link"
    link.symlink_to(tmp_path)
    done = run("--bind", str(link), "sh", "-c", f"touch {link}/x && ls {tmp_path}")
    assert done.stdout == "x\n", done.stderr


def test_other_folders_are_not_seen_unless_bound(run, tmp_path, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "data").write_text("1\n")
    assert run("cat", f"{other}/data").returncode == 1
    assert run("--bind", str(other), "--", "cat", f"{other}/data").stdout == "1\n"


def test_checkout_can_only_be_read_from_elsewhere(run):
    assert run("touch", f"{CHECKOUT}/hpc/made").returncode == 1


@pytest.mark.parametrize("folder", ["/", "/usr/share", "/etc"])
def test_system_folder_is_refused(run, folder):
    done = run("true", cwd=folder)
    assert done.returncode == 3
    assert folder in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_input_output_and_exit_status_pass_through(run):
    done = run("sh", "-c", "cat; echo trouble >&2; exit 7", stdin="some\ninput\n")
    assert (done.returncode, done.stdout, done.stderr) == (7, "some\ninput\n", "trouble\n")


@pytest.mark.parametrize(
    ("command", "status"),
    [(["no-such-command"], 127), (["/etc/hostname"], 126), (["sh", "-c", "kill -KILL $$"], 137)],
)
def test_exit_status_of_what_could_not_run_is_the_shells(run, command, status):
    assert run(*command).returncode == status


def test_arguments_arrive_as_they_are(run):
    done = run("--", "printf", "%s|", "a b", "", "$HOME", "--site", "*")
    assert done.stdout == "a b||$HOME|--site|*|"


@pytest.mark.parametrize(
    "arguments", [["--site", "z", "true"], ["--bind", "/no/such", "true"], ["--odd", "true"], []]
)
def test_wrong_usage_is_one_line(run, arguments):
    done = run(*arguments)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_environment_is_that_of_a_login(run, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "x")
    monkeypatch.setenv("NBREWIND_SOMETHING", "y")
    done = run("env")
    assert "SECRET_TOKEN" not in done.stdout
    assert "NBREWIND_SOMETHING=y" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_signal_reaches_the_command_once(box, tmp_path, number):
    process = box.start("python", "-c", COUNT_SIGNALS, str(int(number)), cwd=tmp_path)
    process.send_signal(number)
    out, _ = process.communicate(timeout=20)
    assert (process.returncode, out) == (5, "1 seen\n")


def test_interrupt_from_a_terminal_reaches_the_command_once(box, tmp_path):
    command = [PROGRAM, "run", "python", "-c", COUNT_SIGNALS, str(int(signal.SIGINT))]
    done = subprocess.run(
        [sys.executable, "-c", PRESS_CTRL_C, *command],
        cwd=tmp_path,
        env=box.environment,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stdout.endswith("1 seen 5\n"), done.stderr


def test_command_dies_with_its_killed_caller(box, run, tmp_path):
    process = box.start("sh", "-c", "echo $$ > pid; echo ready; exec sleep 1000", cwd=tmp_path)
    process.kill()
    process.communicate(timeout=20)
    deadline = time.monotonic() + 10
    while run("kill", "-0", (tmp_path / "pid").read_text().strip()).returncode == 0:
        assert time.monotonic() < deadline


def test_machines_settings_are_out_of_reach(run):
    before = Path("/proc/sys/kernel/core_pattern").read_text()
    assert run("sh", "-c", "echo mine > /proc/sys/kernel/core_pattern").returncode != 0
    assert Path("/proc/sys/kernel/core_pattern").read_text() == before


def test_start_is_quick(run):
    started_at = time.monotonic()
    for _ in range(10):
        run("true")
    assert (time.monotonic() - started_at) / 10 < 0.5
