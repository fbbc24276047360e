"""Who made a container, and what that opens."""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile

import pytest
from click.testing import CliRunner

from nbrewind import cli
from nbrewind.record.store import Record
from tests.unit.container.forging import Forged

pytestmark = pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="needs ssh-keygen")


def run(*arguments):
    return CliRunner().invoke(cli.main, list(map(str, arguments)))


def told(*arguments, code=0):
    done = run(*arguments, "--json")
    assert done.exit_code == code, done.output
    return json.loads(done.stdout)


@pytest.fixture
def keys(tmp_path):
    """Two keys, and a list that allows the first."""
    for name in ("ada", "eve"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", tmp_path / name], check=True
        )
    public = (tmp_path / "ada.pub").read_text().split()
    (tmp_path / "allowed").write_text(f"ada@example.org {public[0]} {public[1]}\n")
    return tmp_path


@pytest.fixture
def signed(study, keys):
    """The container signed by a name."""

    def make(name):
        place = keys / f"by-{name}.zip"
        assert run("pack", study.path, "-o", place, "--sign", keys / name).exit_code == 0
        return place

    return make


def test_a_trusted_signer_is_named_and_what_came_is_reused(signed, keys, study):
    place = signed("ada")
    body = told("verify", place, "--allowed-signers", keys / "allowed")
    assert body["signature"]["status"] == "trusted"
    assert body["signature"]["signer"] == "ada@example.org"
    assert body["signature"]["key"].startswith("ED25519 SHA256:")
    opened = told("open", place, "-o", keys / "work", "--allowed-signers", keys / "allowed")
    assert opened["trusted"] is True
    with Record.open(keys / "work" / "analysis.nbrewind", create=False) as record:
        assert not record.is_barred(study.runs[0])


def test_an_unknown_signer_is_not_trusted(signed, keys):
    place = signed("eve")
    assert run("verify", place, "--allowed-signers", keys / "allowed").exit_code == 4
    assert told("verify", place)["signature"]["status"] == "unknown"
    assert told("open", place, "-o", keys / "work", "--allowed-signers", keys / "allowed")["trusted"] is False
    assert told("open", place, "-o", keys / "work", "--trust")["trusted"] is True


def test_an_unsigned_container_is_not_trusted(packed, keys):
    assert run("verify", packed, "--allowed-signers", keys / "allowed").exit_code == 4
    done = run("verify", packed)
    assert done.exit_code == 0
    assert "unsigned" in done.output


@pytest.mark.parametrize("command", ["open", "repeat", "verify"])
def test_what_was_changed_after_it_was_signed_is_refused(signed, keys, command):
    forged = Forged(signed("ada"))
    evil = forged.put("in.txt", b"other\n").zip(keys / "evil.zip")
    done = run(command, evil, "--allowed-signers", keys / "allowed")
    assert done.exit_code == 4
    assert "changed after it was signed" in " ".join(done.output.split())
    assert not list(keys.glob("evil.opened*"))


def test_a_signature_for_something_else_does_not_count(signed, keys, study):
    """Signatures are bound to containers: one that the same key made for a file elsewhere says nothing."""
    forged = Forged(signed("ada"))
    evil = forged.put("in.txt", b"other\n").zip(keys / "evil.zip")
    with zipfile.ZipFile(evil) as archive:
        (keys / "m").write_bytes(archive.read("nbrewind-container.json"))
    subprocess.run(
        ["ssh-keygen", "-q", "-Y", "sign", "-n", "file", "-f", keys / "ada", keys / "m"], check=True
    )
    forged.members["nbrewind-container.json.sig"] = (keys / "m.sig").read_bytes()
    evil = forged.zip(keys / "evil2.zip")
    assert run("verify", evil, "--allowed-signers", keys / "allowed").exit_code == 4
    assert run("open", evil, "-o", keys / "work").exit_code == 4


@pytest.mark.parametrize(
    "junk", [b"", b"junk", b"-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n"]
)
def test_a_signature_that_is_none(signed, keys, junk):
    forged = Forged(signed("ada"))
    forged.members["nbrewind-container.json.sig"] = junk
    done = run("verify", forged.zip(keys / "evil.zip"), "--allowed-signers", keys / "allowed")
    assert done.exit_code == 4


def test_signing_with_the_same_key_gives_the_same_bytes(study, keys):
    for name in ("one.zip", "two.zip"):
        assert run("pack", study.path, "-o", keys / name, "--sign", keys / "ada").exit_code == 0
    assert (keys / "one.zip").read_bytes() == (keys / "two.zip").read_bytes()


def test_without_ssh_keygen_no_signature_is_trusted_and_none_can_be_made(signed, keys, study, monkeypatch):
    place = signed("ada")
    monkeypatch.setenv("PATH", str(keys))
    assert run("verify", place, "--allowed-signers", keys / "allowed").exit_code == 4
    assert told("open", place, "-o", keys / "work", "--allowed-signers", keys / "allowed")["trusted"] is False
    done = run("pack", study.path, "-o", keys / "x.zip", "--sign", keys / "ada")
    assert done.exit_code == 2
    assert "ssh-keygen" in done.stderr


def test_keys_and_lists_that_cannot_be_used(study, packed, keys):
    for key in (keys / "absent", keys / "allowed"):
        done = run("pack", study.path, "-o", keys / "x.zip", "--sign", key)
        assert done.exit_code == 2
        assert "--sign" in done.output
        assert not (keys / "x.zip").exists()
    assert run("verify", packed, "--allowed-signers", keys / "absent").exit_code == 2
