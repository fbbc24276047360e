"""What goes into a container comes out of it, the same at any place."""

from __future__ import annotations

import json
import zipfile

import nbformat
import pytest

from nbrewind.container.archive import opened
from nbrewind.container.manifest import digest_of
from nbrewind.container.opening import open_into, read_listing, verify
from nbrewind.errors import ContainerError, UsageError
from nbrewind.record.digests import digest_bytes
from nbrewind.record.store import Record
from tests.unit.container.conftest import LARGE


def open_at(container, folder):
    with opened(container) as source:
        return open_into(source, read_listing(source), folder)


def test_packing_twice_gives_the_same_bytes(study, tmp_path):
    study.pack(tmp_path / "one.zip")
    study.pack(tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_a_folder_holds_the_same_files_as_a_zip(study, tmp_path, packed):
    folder = tmp_path / "analysis"
    study.pack(folder)
    with zipfile.ZipFile(packed) as archive:
        inside = {name: archive.read(name) for name in archive.namelist()}
    beside = {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
    assert inside == beside


def test_large_members_begin_on_a_page(packed):
    with zipfile.ZipFile(packed) as archive, open(packed, "rb") as file:
        info = next(info for info in archive.infolist() if "/objects/" in info.filename)
        file.seek(info.header_offset + 26)
        sizes = file.read(4)
        begin = (
            info.header_offset
            + 30
            + int.from_bytes(sizes[:2], "little")
            + int.from_bytes(sizes[2:], "little")
        )
        file.seek(begin)
        assert begin % 4096 == 0
        assert file.read(len(LARGE)) == LARGE


@pytest.mark.parametrize("form", ["analysis.zip", "analysis"])
@pytest.mark.parametrize("bag", [False, True])
def test_a_container_opens_anywhere(study, tmp_path, form, bag):
    study.pack(tmp_path / form, bag=bag)
    at = open_at(tmp_path / form, tmp_path / "there" / "work")
    assert at.notebook == tmp_path / "there" / "work" / "analysis.ipynb"
    assert (at.folder / "in.txt").read_text() == "hello\n"
    assert (at.folder / "helper.py").is_file()
    with Record.open(at.folder / "analysis.nbrewind", create=False) as record:
        assert [run.id for run in record.runs()] == study.runs
        assert record.blob(digest_bytes(LARGE)) == LARGE


def test_the_notebook_in_it_has_the_outputs_of_the_last_run(study, tmp_path):
    study.run(output="another\n")
    study.pack(tmp_path / "c")
    book = nbformat.read(tmp_path / "c" / "analysis.ipynb", as_version=4)
    nbformat.validate(book)
    assert book.cells[2].outputs[0].text == "another\n"
    assert not nbformat.read(study.path, as_version=4).cells[2].outputs


def test_an_edited_cell_gets_no_recorded_output(study, tmp_path):
    book = nbformat.read(study.path, as_version=4)
    book.cells[2].source = "print(b, b)"
    nbformat.write(book, study.path)
    study.pack(tmp_path / "c")
    assert not nbformat.read(tmp_path / "c" / "analysis.ipynb", as_version=4).cells[2].outputs


def test_a_new_run_adds_to_the_opened_record_and_packs_back(study, packed, tmp_path):
    at = open_at(packed, tmp_path / "work")
    study.folder, study.path, study.record = at.folder, at.notebook, at.folder / "analysis.nbrewind"
    study.run(user="bob", host="beta", kind="repeat")
    back = study.pack(tmp_path / "back.zip")
    assert [(run.user, run.host, run.kind) for run in back.runs] == [
        ("ada", "alpha", "audit"),
        ("bob", "beta", "repeat"),
    ]
    with opened(tmp_path / "back.zip") as source:
        verify(source, read_listing(source).manifest)


def test_since_writes_only_what_is_new_and_opens_onto_the_rest(study, packed, tmp_path):
    at = open_at(packed, tmp_path / "work")
    new = study.run(large=LARGE[::-1])
    later = study.pack(tmp_path / "later.zip", since=study.runs[0])
    assert [m.path for m in later.members if m.role == "record"] == [
        f"analysis.nbrewind/objects/{digest_bytes(LARGE[::-1])[3:5]}/{digest_bytes(LARGE[::-1])[5:]}",
        "analysis.nbrewind/record.json",
        f"analysis.nbrewind/runs/{new}.log",
    ]
    assert later.base.run == study.runs[0]
    with pytest.raises(ContainerError, match="open the container of that run there first"):
        open_at(tmp_path / "later.zip", tmp_path / "elsewhere")
    at.notebook.write_text("edited here")
    open_at(tmp_path / "later.zip", at.folder)
    assert at.notebook.with_name("analysis.before-1.ipynb").read_text() == "edited here"
    with Record.open(at.folder / "analysis.nbrewind", create=False) as record:
        assert [run.id for run in record.runs()] == study.runs
        assert record.blob(digest_bytes(LARGE[::-1])) == LARGE[::-1]


def test_state_tasks_and_data_can_be_left_out(study, tmp_path):
    everything = study.pack(tmp_path / "all.zip", state="all")
    bare = study.pack(tmp_path / "bare.zip", state="none", tasks="none", data="reference")
    assert any("/objects/" in member.path for member in everything.members)
    assert not any("/objects/" in member.path for member in bare.members)
    assert [reference.path for reference in bare.references] == ["./in.txt"]
    at = open_at(tmp_path / "bare.zip", tmp_path / "bare")
    with Record.open(at.folder / "analysis.nbrewind", create=False) as record:
        assert len(record.cells(study.runs[0])) == 3
        assert list(record.tasks()) == []


def test_an_opened_record_is_not_evidence_until_it_is_trusted(study, packed, tmp_path):
    at = open_at(packed, tmp_path / "work")
    folder = at.folder / "analysis.nbrewind"
    code, task = digest_bytes(study.sources[0].encode()), digest_bytes(b"task 1")
    with Record.open(folder, create=False) as record:
        assert list(record.traces(code)) == []
        assert record.task(task) is None
        assert record.is_barred(study.runs[0])
        assert len(record.cells(study.runs[0])) == 3
    at.foreign.trust()
    with Record.open(folder, create=False) as record:
        assert len(list(record.traces(code))) == 1
        assert record.task(task) is not None


def test_a_container_cannot_say_that_it_is_trusted(study, tmp_path):
    study.pack(tmp_path / "c")
    first = open_at(tmp_path / "c", tmp_path / "work")
    first.foreign.trust()
    about = tmp_path / "c" / "analysis.nbrewind" / "record.json"
    for claim in ({}, {"foreign": {"logs": [], "container": "", "token": first.foreign.token}}):
        plain = {name: value for name, value in json.loads(about.read_text()).items() if name != "foreign"}
        about.write_text(json.dumps(plain | claim))
        manifest = json.loads((tmp_path / "c" / "nbrewind-container.json").read_text())
        for member in manifest["members"]:
            if member["path"].endswith("record.json"):
                member.update(size=about.stat().st_size, digest=digest_of(about.read_bytes()))
        (tmp_path / "c" / "nbrewind-container.json").write_text(json.dumps(manifest))
        at = open_at(tmp_path / "c", tmp_path / f"work{len(claim)}")
        assert not at.foreign.trusted


def test_what_garbage_collection_keeps_of_foreign_runs_stays_foreign(study, packed, tmp_path):
    at = open_at(packed, tmp_path / "work")
    folder = at.folder / "analysis.nbrewind"
    study.record = folder
    study.run()
    with Record.open(folder, create=False) as record:
        record.gc(keep_runs=1)
    with Record.open(folder, create=False) as record:
        own = {path.name for path in (folder / "runs").iterdir()} - set(record.foreign.logs)
        assert own == {f"{study.runs[1]}.log"}
        assert any(name.startswith("pack-") for name in record.foreign.logs)


def test_a_notebook_without_runs_is_not_packed(study, tmp_path):
    study.path = study.path.rename(study.path.with_name("other.ipynb"))
    with pytest.raises(UsageError, match=r"audit other\.ipynb"):
        study.pack(tmp_path / "c.zip")
    assert list(tmp_path.glob("*.zip")) == []
