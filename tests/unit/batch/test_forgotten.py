"""Workers whose kernel was killed are found again, and what listens is told."""

import fcntl
import json
import os
import socket

import pytest

from nbrewind.batch import forgotten, listening


@pytest.fixture
def crew(tmp_path, monkeypatch):
    """Noted workers with a job each, whose cancel command keeps a list."""
    monkeypatch.setattr(forgotten, "notes", lambda: tmp_path / "notes")
    monkeypatch.setattr(forgotten, "BEGINNING", 0.0)

    def make(name):
        folder = tmp_path / name
        folder.mkdir()
        cancel = ["sh", "-c", f'echo "$@" >> {tmp_path}/cancelled', "cancel"]
        about = {"command": [], "environment": dict(os.environ), "cancel": cancel, "ask": None}
        (folder / "guardian.json").write_text(json.dumps(about))
        (folder / "batch.log").write_text("job 7 submitted\njob 8 submitted\njob 7 complete\n")
        (folder / "alive").touch()
        forgotten.note(folder, "slurm", "login", 9123, password=True, tls=False)
        return folder

    return make


def test_jobs_that_nobody_looks_after_are_found_and_cancelled(crew, tmp_path):
    folder = crew("nbw-1")
    (found,) = forgotten.found()
    assert (found.name, found.state, found.jobs) == ("nbw-1", "forgotten", ("8",))
    assert (found.port, found.password, found.tls) == (9123, True, False)
    assert forgotten.cancel(found)
    assert (tmp_path / "cancelled").read_text() == "8\n"
    assert not folder.exists()
    assert forgotten.found() == []
    assert list((tmp_path / "notes").iterdir()) == []


def test_jobs_of_a_living_guardian_are_left_alone(crew, tmp_path):
    folder = crew("nbw-1")
    with (folder / "alive").open("w") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)
        (found,) = forgotten.found()
        assert found.state == "running"
        assert not forgotten.cancel(found)
    assert not (tmp_path / "cancelled").exists()


def test_workers_that_are_just_starting_are_not_taken_for_forgotten(crew, monkeypatch):
    monkeypatch.setattr(forgotten, "BEGINNING", 60.0)
    crew("nbw-1")
    assert [each.state for each in forgotten.found()] == ["running"]


def test_broken_notes_hide_no_others(crew, tmp_path):
    crew("nbw-1")
    (tmp_path / "notes" / "broken.json").write_text("{")
    assert [each.name for each in forgotten.found()] == ["nbw-1"]


def test_what_cannot_be_noted_stops_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(forgotten, "notes", lambda: tmp_path / "file" / "notes")
    forgotten.note(tmp_path, "slurm", "login", 1, password=True, tls=True)
    assert forgotten.found() == []


def test_ports_that_others_can_reach_are_told_with_their_process():
    with socket.create_server(("0.0.0.0", 0)) as outside, socket.create_server(("127.0.0.1", 0)) as inside:
        found = {each.port: each for each in listening.listeners() if each.process == os.getpid()}
        assert found[outside.getsockname()[1]].everywhere
        assert "python" in found[outside.getsockname()[1]].command
        assert inside.getsockname()[1] not in found
