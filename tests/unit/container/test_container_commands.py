"""``pack``, ``open``, ``inspect`` and ``verify`` as others may rely on them."""

from __future__ import annotations

import json
import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner

from nbrewind import cli
from nbrewind.container.places import is_container, notebook_in
from tests.unit.container.forging import Forged


def run(*arguments):
    return CliRunner().invoke(cli.main, list(map(str, arguments)))


def told(*arguments, code=0):
    done = run(*arguments, "--json")
    assert done.exit_code == code, done.output
    return json.loads(done.stdout)


def test_pack_tells_what_it_writes_before_and_after(study, tmp_path):
    foreseen = told("pack", study.path, "-o", tmp_path / "c.zip", "--dry-run")
    assert foreseen["written"] is False
    assert not (tmp_path / "c.zip").exists()
    done = told("pack", study.path, "-o", tmp_path / "c.zip")
    assert done["written"] is True
    assert done["parts"] == foreseen["parts"]
    assert done["parts"]["data"] == {"files": 1, "bytes": 6}
    listed = told("inspect", tmp_path / "c.zip")
    assert listed["digest"] == done["digest"]
    assert listed["size"] == done["size"]


def test_pack_without_out_writes_beside_the_notebook(study):
    assert run("pack", study.path).exit_code == 0
    assert is_container(str(study.folder / "analysis.zip"))


def test_pack_says_which_data_changed_since_it_was_read(study, tmp_path):
    (study.folder / "in.txt").write_text("other\n")
    done = run("pack", study.path, "-o", tmp_path / "c.zip")
    assert done.exit_code == 0
    assert "in.txt has changed since" in " ".join(done.stderr.split())


def test_pack_does_not_write_into_a_folder_that_is_in_use(study, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    for place in (tmp_path / "mine", tmp_path / "absent" / "c.zip"):
        done = run("pack", study.path, "-o", place)
        assert done.exit_code == 2
        assert "-o" in done.stderr


def test_a_failed_pack_leaves_what_was_there(study, tmp_path):
    assert run("pack", study.path, "-o", tmp_path / "c.zip").exit_code == 0
    before = (tmp_path / "c.zip").read_bytes()
    done = run("pack", study.path, "-o", tmp_path / "c.zip", "--sign", tmp_path / "absent")
    assert done.exit_code == 2
    assert (tmp_path / "c.zip").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_inspect_says_who_ran_it_where(study, packed):
    body = told("inspect", packed)
    (one,) = body["runs"]
    assert (one["id"], one["user"], one["host"], one["status"]) == (study.runs[0], "ada", "alpha", "ok")
    assert one["cells"] == {"executed": 3}
    assert one["tasks"] == {"reused": 0, "submitted": 1, "failed": 0}
    assert body["signature"]["status"] == "unsigned"
    shown = run("inspect", packed).stdout
    for word in (study.runs[0], "ada@alpha", "3 executed", "1 submitted", "unsigned"):
        assert word in shown


def test_open_names_the_folder_and_finds_it_again(packed, tmp_path):
    first = told("open", packed)
    assert first["folder"] == str(tmp_path / "analysis.opened")
    assert told("open", packed) == first
    assert notebook_in(first["folder"]) == tmp_path / "analysis.opened" / "analysis.ipynb"


def test_another_container_of_that_name_gets_a_folder_of_its_own(study, packed, tmp_path):
    first = told("open", packed)
    study.run()
    study.pack(packed)
    assert told("open", packed)["folder"] == first["folder"] + "-2"
    assert told("open", packed)["folder"] == first["folder"] + "-2"


def test_an_opened_folder_does_not_verify_once_it_was_worked_in(packed):
    folder = told("open", packed)["folder"]
    done = run("verify", folder)
    assert done.exit_code == 2


@pytest.mark.parametrize("name", ["absent.zip", "notes.txt", "empty"])
def test_what_is_no_container(tmp_path, name):
    (tmp_path / "notes.txt").write_text("no zip\n")
    (tmp_path / "empty").mkdir()
    for command in ("open", "inspect", "verify"):
        done = run(command, tmp_path / name)
        assert done.exit_code == 2
        assert name in "".join(done.stderr.split())


# -- on the web


class _Ranges(SimpleHTTPRequestHandler):
    """Serves a folder, parts of files too, and counts what it sends."""

    sent = 0
    ranges = True

    def log_message(self, *_):
        """Silence."""

    def do_GET(self):
        found = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        with open(self.translate_path(self.path), "rb") as file:
            data = file.read()
        status, start, end = 200, 0, len(data)
        if found and self.ranges:
            status = 206
            start = int(found[1]) if found[1] else max(len(data) - int(found[2]), 0)
            end = min(int(found[2]) + 1, len(data)) if found[1] and found[2] else len(data)
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(data)}")
        self.send_header("Content-Length", str(end - start))
        self.end_headers()
        self.wfile.write(data[start:end])
        type(self).sent += end - start


@pytest.fixture
def served(tmp_path):
    """The address of a file in this test's folder."""
    handler = type("Handler", (_Ranges,), {"sent": 0})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(tmp_path)))
    server.handle_error = lambda *_: None  # clients go away when they have seen enough
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield lambda name: f"http://127.0.0.1:{server.server_port}/{name}", handler
    server.shutdown()
    server.server_close()
    thread.join()


def test_inspect_transfers_little_of_a_container_on_the_web(study, tmp_path, served):
    address, handler = served
    study.run(large=bytes(20_000_000))
    study.pack(tmp_path / "large.zip")
    assert (
        told("inspect", address("large.zip"))["digest"] == told("inspect", tmp_path / "large.zip")["digest"]
    )
    assert handler.sent < 1_000_000
    assert run("verify", address("large.zip")).exit_code == 0


def test_a_container_on_the_web_is_opened_here(packed, tmp_path, served, monkeypatch):
    address, _ = served
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert told("open", address("analysis.zip"))["folder"] == str(tmp_path / "here" / "analysis.opened")


def test_a_server_without_ranges_and_one_that_has_nothing(packed, served):
    address, handler = served
    handler.ranges = False
    done = run("inspect", address("analysis.zip"))
    assert done.exit_code == 2
    assert "download it first" in " ".join(done.stderr.split())
    done = run("inspect", "http://127.0.0.1:9/x.zip")
    assert done.exit_code == 2
    assert "http://127.0.0.1:9/x.zip" in "".join(done.stderr.split())


def test_a_hostile_file_on_the_web_is_refused_as_one_on_disk(packed, tmp_path, served):
    address, _ = served
    forged = Forged(packed)
    forged.members["in.txt"] = b"HELLO\n"
    forged.zip(tmp_path / "evil.zip")
    done = run("verify", address("evil.zip"))
    assert done.exit_code == 2
    assert "'in.txt' is damaged" in " ".join(done.stderr.split())
