"""Decisions about tasks: reuse, run, record."""

import pytest
from fakes import FakeIdentity, FakeJournal, FakeMemo

from nbrewind.hpc.options import EngineOptions
from nbrewind.hpc.session import Session
from nbrewind.hpc.tickets import Hit, Miss, Returned
from nbrewind.tasks.content import Contents
from nbrewind.tasks.spec import Call, Input, Output, Spec


@pytest.fixture
def session():
    return Session(FakeMemo(), FakeJournal(), EngineOptions(), FakeIdentity(), Contents())


def again(session):
    """The same record in a later session."""
    return Session(session.memo, FakeJournal(), EngineOptions(), FakeIdentity(), Contents())


def command(**more):
    return Spec(**{"kind": "command", "name": "echo", "command": "echo hi", **more})


def back(**more):
    values = {"exit_code": 0, "result": "success", "stdout": "hi\n", "host": "n1 10.0.0.1:2", "started": 1.0}
    return Returned(
        **{**values, "finished": 2.0, "seconds": 0.5, "resources": {"measured.cores": 1.0}, **more}
    )


def run(session, spec, returned=None):
    miss = session.decide(spec, session.identity)
    assert isinstance(miss, Miss), miss
    return session.returned(session.submitted(spec, miss, "fake"), returned or back())


def test_miss_then_hit(session):
    done = run(session, command())
    assert (done.status, done.host, done.engine, done.cell_id) == ("done", "n1 10.0.0.1:2", "fake", "cell-1")
    later = again(session)
    hit = later.decide(command(), later.identity)
    assert isinstance(hit, Hit)
    assert hit.stdout == "hi\n"
    assert session.journal.counts == {"submitted": 1, "done": 1}


@pytest.mark.parametrize(
    ("returned", "kind"),
    [
        (back(exit_code=3, stdout="boom\n"), "exit code 3"),
        (back(result="output missing"), "output missing"),
        (back(result="cancelled", exit_code=-1, cancelled=True), ""),
    ],
)
def test_failed_tasks_are_never_reused(session, returned, kind):
    done = run(session, command(), returned)
    assert done.status == ("cancelled" if returned.cancelled else "failed")
    session.failures.flush()
    assert kind in "".join(session.journal.notices)
    assert bool(session.journal.notices) == bool(kind)
    assert isinstance(again(session).decide(command(), FakeIdentity()), Miss)


def test_outputs_are_stored_and_put_back(session, tmp_path):
    path = tmp_path / "deep" / "out.txt"
    path.parent.mkdir()
    spec = command(
        outputs=(Output("out", "file", str(path)), Output("log", "file", str(tmp_path / "no"), "failure"))
    )
    path.write_text("made")
    path.chmod(0o750)
    done = run(session, spec)
    assert [file.path for file in done.files] == ["out"]
    assert session.journal.writes == [str(path)]
    path.unlink()
    path.parent.rmdir()
    assert isinstance(again(session).decide(spec, FakeIdentity()), Hit)
    assert path.read_text() == "made"
    assert path.stat().st_mode & 0o777 == 0o750


def test_output_that_is_in_place_is_left_alone(session, tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("made")
    spec = command(outputs=(Output("out", "file", str(path)),))
    run(session, spec)
    before = path.stat().st_mtime_ns
    assert isinstance(again(session).decide(spec, FakeIdentity()), Hit)
    assert path.stat().st_mtime_ns == before


def test_result_of_a_python_task(session, tmp_path):
    spec = Spec(kind="python", name="f", call=Call(len, ([1],), {}))
    (tmp_path / "o").write_bytes(b"pickled")
    run(session, spec, back(output=str(tmp_path / "o")))
    assert again(session).decide(spec, FakeIdentity()).output == b"pickled"


def test_lost_content_runs_again(session):
    run(session, command())
    session.memo.blobs.clear()
    later = again(session)
    miss = later.decide(command(), later.identity)
    assert isinstance(miss, Miss)
    assert miss.kind == "lost"
    assert "runs again" in later.journal.notices[0]


def test_full_disk_does_not_reach_the_user(session):
    session.memo.broken = True
    done = run(session, command())
    assert (done.status, done.key) == ("done", "")
    assert "could not be recorded" in session.journal.notices[0]


def test_fresh(session):
    run(session, command())
    later = again(session)
    later.journal.fresh = True
    assert later.decide(command(), later.identity).kind == "fresh"


def test_inputs_are_told_to_the_cell(session, tmp_path):
    (tmp_path / "in").write_text("x")
    session.decide(command(inputs=(Input("in", "file", str(tmp_path / "in")),)), session.identity)
    assert session.journal.reads == [str(tmp_path / "in")]


def test_folder_is_told_to_the_cell_file_by_file(session, tmp_path):
    (tmp_path / "d" / "e").mkdir(parents=True)
    (tmp_path / "d" / "e" / "f").write_text("x")
    session.decide(command(inputs=(Input("d", "file", str(tmp_path / "d")),)), session.identity)
    assert session.journal.reads == [str(tmp_path / "d" / "e" / "f")]


def test_input_that_changes_while_the_task_runs(session, tmp_path):
    (tmp_path / "in").write_text("one")
    spec = command(inputs=(Input("in", "file", str(tmp_path / "in")),))
    miss = session.decide(spec, session.identity)
    ticket = session.submitted(spec, miss, "fake")
    (tmp_path / "in").write_text("two")
    assert session.returned(ticket, back()).key == ""
    assert "changed while it ran" in session.journal.notices[0]


def test_content_of_files_on_workers(session):
    assert session.content("b3:key", "met", "out") is None
    session.keep("b3:key", "met", "out", b"content")
    assert session.content("b3:key", "met", "out") == b"content"
    assert session.content("b3:key", "met", "other") is None
    assert session.content("b3:key", "met something else", "out") is None


def test_told_once(session):
    session.tell_once("x")
    session.tell_once("x")
    session.tell_once("")
    assert session.journal.notices == ["x"]


def test_values_are_recorded_in_short(session):
    spec = Spec(kind="python", name="f", call=Call(len, (33, [1, 2]), {"scale": "x" * 5000}))
    done = run(session, spec)
    assert done.previews["arg0"] == "33"
    assert done.previews["arg1"] == "list of 2: [1, 2]"
    assert sum(map(len, done.previews.values())) < 700
