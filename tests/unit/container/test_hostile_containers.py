"""Containers that were made to do harm are refused by name, and leave nothing behind."""

from __future__ import annotations

import json
import os
import struct
import warnings
import zipfile

import pytest
from click.testing import CliRunner

from nbrewind import cli
from nbrewind.container.archive import opened
from nbrewind.container.opening import open_into, read_listing
from nbrewind.container.places import notebook_in, opened_at
from nbrewind.errors import ContainerError, ContainerTooNew, RecordTooNew
from nbrewind.record.store import Record
from tests.unit.container.forging import DEVICE, LINK, PIPE, Forged

NOTEBOOK = "analysis.ipynb"


@pytest.fixture
def forged(packed):
    return Forged(packed)


@pytest.fixture
def refused(tmp_path):
    """Opens a container that must be refused with these words, and looks whether anything was left."""

    def check(container, *words, error=ContainerError):
        place = tmp_path / "target" / "here"
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(error) as caught, opened(container) as source:
            open_into(source, read_listing(source), place)
        for word in words:
            assert word in str(caught.value)
        left = [path for path in sorted(tmp_path.rglob("*")) if path not in before]
        assert left in ([], [tmp_path / "target"])

    return check


def write(forged, tmp_path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of duplicates
        return forged.zip(tmp_path / "evil.zip", **options)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("../evil", "leads out"),
        ("a/../../evil", "leads out"),
        ("..", "leads out"),
        ("/tmp/evil", "absolute"),
        ("C:/evil", "absolute"),
        ("a\\..\\..\\evil", "backslash"),
        ("a//evil", "empty parts"),
        ("./evil", "empty parts"),
        ("evil\x1b[2J", "control"),
        ("evil\u202etxt", "control"),
        ("nul.txt", "other systems"),
        ("evil.", "other systems"),
        ("e" * 300, "too long"),
        ("/".join("e" * 70), "too long"),
    ],
)
def test_names_that_lead_elsewhere(forged, tmp_path, refused, path, why):
    refused(write(forged.add(path), tmp_path), why)


def test_such_a_name_in_the_manifest_alone(forged, tmp_path, refused):
    forged.listed("in.txt")["path"] = "../in.txt"
    refused(write(forged, tmp_path), "../in.txt", "leads out")


@pytest.mark.parametrize(("mode", "what"), [(LINK, "a link"), (DEVICE, "a device"), (PIPE, "a pipe")])
def test_what_is_no_plain_file(forged, tmp_path, refused, mode, what):
    refused(write(forged.entry("odd", b"/etc/passwd", external_attr=mode << 16), tmp_path), "'odd'", what)


def test_links_and_pipes_in_a_folder(forged, tmp_path, refused):
    folder = forged.folder(tmp_path / "linked")
    (folder / "in.txt").unlink()
    (folder / "in.txt").symlink_to("/etc/hostname")
    refused(folder, "'in.txt'", "a link")
    (folder / "in.txt").unlink()
    os.mkfifo(folder / "in.txt")
    refused(folder, "'in.txt'", "a pipe")


def test_a_folder_in_a_folder_that_is_a_link(forged, tmp_path, refused):
    folder = forged.folder(tmp_path / "linked")
    record = folder / "analysis.nbrewind"
    record.rename(tmp_path / "moved")
    record.symlink_to(tmp_path / "moved")
    refused(folder, "analysis.nbrewind/", "a link")


@pytest.mark.parametrize("first", ["in.txt", "IN.TXT", "ＩＮ.txt", "in.txt/evil"])
def test_two_members_that_would_be_one_file(forged, tmp_path, refused, first):
    refused(write(forged.entry(first), tmp_path), "in.txt")


def test_folders_that_differ_in_case(forged, tmp_path, refused):
    refused(write(forged.add("data/a").add("Data/b"), tmp_path), "only in case")


def test_a_compressed_member(forged, tmp_path, refused):
    forged.add("zeros", bytes(50_000_000))
    refused(write(forged, tmp_path, compression=zipfile.ZIP_DEFLATED), "compressed")


def test_members_that_share_their_bytes(forged, tmp_path, refused):
    """The better zip bomb: many names for one content."""
    forged.add("one", b"z" * 100_000).add("two", b"z" * 100_000)
    place = write(forged, tmp_path)
    data = bytearray(place.read_bytes())
    entries = {name: at for name in ("one", "two") if (at := data.rfind(name.encode()) - 46) > 0}
    offset = data[entries["one"] + 42 : entries["one"] + 46]
    data[entries["two"] + 42 : entries["two"] + 46] = offset
    place.write_bytes(data)
    refused(place, "overlap")


def test_a_directory_that_says_it_is_huge(packed, tmp_path, refused):
    data = bytearray(packed.read_bytes())
    struct.pack_into("<L", data, data.rfind(b"PK\5\6") + 12, 1 << 31)
    (tmp_path / "evil.zip").write_bytes(data)
    refused(tmp_path / "evil.zip", "too large")


def test_a_member_that_says_it_is_larger_than_the_file(packed, tmp_path, refused):
    data = bytearray(packed.read_bytes())
    at = data.rfind(b"in.txt") - 46
    struct.pack_into("<LL", data, at + 20, 1 << 30, 1 << 30)
    (tmp_path / "evil.zip").write_bytes(data)
    refused(tmp_path / "evil.zip", "'in.txt'", "cut short")


def test_a_local_header_with_another_name(packed, tmp_path, refused):
    data = bytearray(packed.read_bytes())
    with zipfile.ZipFile(packed) as archive:
        at = archive.getinfo("in.txt").header_offset + 30
    data[at : at + 6] = b"ev.txt"
    (tmp_path / "evil.zip").write_bytes(data)
    refused(tmp_path / "evil.zip", "'in.txt'", "another name")


@pytest.mark.parametrize("kept", [0, 1, 21, 500, -1, -30, -5000])
def test_a_zip_that_is_cut_short(packed, tmp_path, refused, kept):
    data = packed.read_bytes()
    (tmp_path / "evil.zip").write_bytes(data[:kept])
    refused(tmp_path / "evil.zip")


def test_a_truncated_member_of_a_folder(forged, tmp_path, refused):
    folder = forged.folder(tmp_path / "cut")
    (folder / "in.txt").write_text("he")
    refused(folder, "'in.txt'", "2 bytes")


@pytest.mark.parametrize("path", ["in.txt", "helper.py", NOTEBOOK, "analysis.nbrewind/record.json"])
def test_content_with_another_digest(forged, tmp_path, refused, path):
    forged.members[path] = bytes(reversed(forged.members[path]))
    refused(write(forged, tmp_path), repr(path), "digest")


def test_a_member_that_is_missing(forged, tmp_path, refused):
    del forged.members["in.txt"]
    refused(write(forged, tmp_path), "'in.txt'", "missing")


def test_a_member_that_the_manifest_does_not_name(forged, tmp_path, refused):
    refused(write(forged.entry("sitecustomize.py"), tmp_path), "'sitecustomize.py'", "not in its manifest")


def test_what_was_added_to_a_folder_does_not_come_along(forged, tmp_path):
    folder = forged.folder(tmp_path / "c")
    (folder / "numpy.py").write_text("raise SystemExit")
    with opened(folder) as source:
        at = open_into(source, read_listing(source), tmp_path / "work")
    assert not (at.folder / "numpy.py").exists()
    done = CliRunner().invoke(cli.main, ["verify", str(folder)])
    assert done.exit_code == 2
    assert "numpy.py" in done.stderr


@pytest.mark.parametrize(
    "change",
    [
        {"size": 7},
        {"size": -1},
        {"size": True},
        {"size": "6"},
        {"size": 6.0},
        {"digest": "blake3:00"},
        {"digest": None},
        {"role": "virus"},
        {"role": "record"},
        {"path": ""},
        {"path": 3},
        {"path": None},
    ],
)
def test_a_manifest_that_lies_about_a_member(forged, tmp_path, refused, change):
    forged.listed("in.txt").update(change)
    refused(write(forged, tmp_path))


@pytest.mark.parametrize(
    "change",
    [
        {"notebook": "other.ipynb"},
        {"notebook": "../analysis.ipynb"},
        {"notebook": "in.txt"},
        {"notebook": None},
        {"record": "elsewhere"},
        {"members": {}},
        {"members": [1]},
        {"members": None},
        {"runs": [{"id": "x"}]},
        {"references": 3},
        {"format": 0},
        {"format": True},
        {"format": "1"},
        {"format": None},
        {"base": {"run": "x", "members": [{"path": "/etc/passwd", "size": 0, "digest": "", "role": "data"}]}},
    ],
)
def test_a_manifest_that_lies_about_the_whole(forged, tmp_path, refused, change):
    forged.manifest.update(change)
    refused(write(forged, tmp_path))


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b"3", b'"' + b"x" * 1000 + b'"', b"[" * 100_000, b'{"format": NaN}', b"\xff\xfe"],
)
def test_a_manifest_that_is_none(forged, tmp_path, refused, raw):
    refused(write(forged, tmp_path, manifest=raw), "nbrewind-container.json")


@pytest.mark.parametrize("moment", [float("inf"), -1.0, 1e300])
def test_a_run_at_no_time(forged, tmp_path, refused, moment):
    forged.manifest["runs"][0]["started"] = moment
    refused(write(forged, tmp_path))


@pytest.mark.parametrize(
    "path",
    [
        "analysis.nbrewind/index.sqlite",
        "analysis.nbrewind/locks/record.lock",
        "analysis.nbrewind/runs/../../x.log",
        "analysis.nbrewind/checkpoints/x/y.h5",
        "analysis.nbrewind/objects/ab/x",
    ],
)
def test_what_is_no_part_of_a_record(forged, tmp_path, refused, path):
    refused(write(forged.add(path, role="record"), tmp_path))


@pytest.mark.parametrize(
    "path", ["other.nbrewind/record.json", "Analysis.NBrewind/runs/x.log", "sub/a.nbrewind/runs/x.log"]
)
def test_a_second_record(forged, tmp_path, refused, path):
    refused(write(forged.add(path), tmp_path))


def test_a_newer_format_names_the_version_that_is_needed(forged, tmp_path, refused):
    forged.manifest.update(format=2, nbrewind="9.9")
    refused(write(forged, tmp_path), "install nbrewind 9.9", error=ContainerTooNew)


def test_what_is_there_is_not_overwritten(packed, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    done = CliRunner().invoke(cli.main, ["open", str(packed), "-o", str(tmp_path / "mine")])
    assert done.exit_code == 2
    assert os.listdir(tmp_path / "mine") == ["thesis.txt"]


def test_a_target_that_is_a_link_is_not_followed(packed, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    done = CliRunner().invoke(cli.main, ["open", str(packed), "-o", str(tmp_path / "link")])
    assert done.exit_code == 2
    assert os.listdir(tmp_path / "real") == []


def test_the_command_line_names_the_container_the_member_and_the_matter(forged, tmp_path):
    place = write(forged.entry("odd", external_attr=LINK << 16), tmp_path)
    for command in ("open", "inspect", "verify", "repeat"):
        done = CliRunner().invoke(cli.main, [command, str(place)])
        assert done.exit_code == 2, done.output
        text = " ".join(done.stderr.split())
        assert str(place) in text.replace(" ", "") or "evil.zip" in text
        assert "'odd' is a link" in text


def test_terminal_codes_of_a_manifest_are_not_passed_on(forged, tmp_path):
    forged.manifest["runs"][0].update(user="\x1b]0;owned\x07ada", status="ok\x1b[2J")
    done = CliRunner().invoke(cli.main, ["inspect", str(write(forged, tmp_path))])
    assert done.exit_code == 0
    assert "\x1b" not in done.output


def test_a_record_that_is_no_record_is_refused(forged, tmp_path, refused):
    forged.put("analysis.nbrewind/record.json", json.dumps({"schema": 99, "nbrewind": "9.9"}).encode())
    refused(write(forged, tmp_path), "9.9", error=RecordTooNew)


@pytest.mark.parametrize("bad", ["log", "link", "absent"])
def test_a_container_that_claims_to_go_on_from_what_is_there(forged, packed, study, tmp_path, bad):
    """It replaces nothing that is recorded, and follows no link out of the folder."""
    with opened(packed) as source:
        at = open_into(source, read_listing(source), tmp_path / "work")
    log = f"analysis.nbrewind/runs/{study.runs[0]}.log"
    forged.manifest["base"] = {"run": "x", "members": []}
    if bad == "log":
        forged.put(log, b"nothing of the kind")
    elif bad == "link":
        (tmp_path / "outside").mkdir()
        (at.folder / "data").symlink_to(tmp_path / "outside")
        forged.add("data/evil")
    else:
        at.folder.rename(tmp_path / "moved")
    before = (tmp_path / "work" / log).read_bytes() if bad != "absent" else b""
    with pytest.raises(ContainerError), opened(write(forged, tmp_path)) as source:
        open_into(source, read_listing(source), tmp_path / "work")
    assert bad == "absent" or (tmp_path / "work" / log).read_bytes() == before
    assert not (tmp_path / "outside" / "evil").exists()


def test_a_folder_that_says_it_was_opened_here_is_opened_all_the_same(forged, packed, study, tmp_path):
    """Its record lists none of its logs as foreign: worked in as it is, they would count as the user's own."""
    digest = json.loads(CliRunner().invoke(cli.main, ["inspect", str(packed), "--json"]).stdout)["digest"]
    claim = {"schema": 1, "foreign": {"logs": [], "container": digest, "token": "f" * 64}}
    shipped = forged.folder(tmp_path / "analysis.opened")
    (shipped / "analysis.nbrewind" / "record.json").write_text(json.dumps(claim))
    assert opened_at(shipped) == ""
    assert notebook_in(str(shipped)) is None
    done = CliRunner().invoke(cli.main, ["open", str(packed), "--json"])
    at = json.loads(done.stdout)
    assert at["folder"] == str(tmp_path / "analysis.opened-2")
    with Record.open(tmp_path / "analysis.opened-2" / "analysis.nbrewind", create=False) as record:
        assert record.is_barred(study.runs[0])
