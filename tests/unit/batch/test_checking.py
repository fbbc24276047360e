"""What the doctor of sites finds on this machine."""

import socket

import pytest

from nbrewind.batch import checking, reading

pytestmark = pytest.mark.engine


def checks(tmp_path, **tables):
    site = reading.site_of(
        {"scheduler": {"type": "local"}, "environment": {"path": ["auto"]}, **tables}, "test"
    )
    return {each.check: each for each in checking.check(site, tmp_path / "beside", patience=20)}


def test_this_machine_is_fit_and_nothing_stays(tmp_path):
    found = checks(tmp_path)
    assert [each.check for each in found.values() if each.state != "ok"] == []
    assert {"probe job", "way back", "Python", "cloudpickle", "clock", "scratch", "locks"} <= set(found)
    assert not list((tmp_path / "beside" / "crews").iterdir())


def test_folder_that_cannot_be_made_is_a_finding(tmp_path):
    (tmp_path / "file").write_text("")
    found = checks(tmp_path, paths={"scratch": str(tmp_path / "file")})
    assert found["scratch"].state == "bad"
    assert "paths.scratch" in found["scratch"].remedy


def test_range_without_a_free_port_is_a_finding(tmp_path):
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = checks(tmp_path, network={"port_range": [port, port]})
    assert found["ports"].state == "bad"


def test_missing_commands_are_a_finding(tmp_path):
    found = checks(tmp_path, scheduler={"type": "condor"})
    assert "condor_submit" in found["commands"].found
