"""The notebook's Python as an archive for workers."""

import os
import sys
import tarfile
import types

import pytest

from nbrewind.batch import packing, reading
from nbrewind.errors import SiteUnusable


def site_with(packed):
    return reading.site_of({"scheduler": {"type": "slurm"}, "environment": {"packed": packed}}, "test")


@pytest.fixture
def venv(tmp_path):
    packages = tmp_path / "venv" / "lib" / "python3.13" / "site-packages"
    (packages / "one-1.0.dist-info").mkdir(parents=True)
    (packages / "one-1.0.dist-info" / "RECORD").write_text("one.py,sha256=x,1\n")
    (packages / "one.py").write_text("1")
    (tmp_path / "venv" / "pyvenv.cfg").write_text("home = /usr/bin\n")
    return tmp_path / "venv"


def test_archive_is_made_once_and_again_when_something_is_installed(tmp_path, venv):
    told = []
    paths = [
        packing.ready(site_with("auto"), told.append, venv, tmp_path / "cache").environment.packed
        for _ in range(2)
    ]
    assert paths[0] == paths[1]
    assert len(told) == 1
    with tarfile.open(paths[0]) as archive:
        assert "./lib/python3.13/site-packages/one.py" in archive.getnames()
    (venv / "lib" / "python3.13" / "site-packages" / "one-1.0.dist-info" / "RECORD").write_text("other")
    again = packing.ready(site_with("auto"), told.append, venv, tmp_path / "cache").environment.packed
    assert again != paths[0]
    assert len(told) == 2
    assert not list((tmp_path / "cache").glob("*.part*"))


def test_archives_that_nobody_uses_go(tmp_path, venv):
    old = tmp_path / "cache" / "old.tar.gz"
    old.parent.mkdir()
    old.write_text("")
    os.utime(old, (0, 0))
    packing.ready(site_with("auto"), prefix=venv, folder=old.parent)
    assert not old.exists()


def test_named_archive_is_left_as_it_is(tmp_path):
    site = site_with("/images/py.tar.gz")
    assert packing.ready(site, folder=tmp_path / "cache") is site
    assert not (tmp_path / "cache").exists()


def test_python_of_the_system_is_refused_with_a_remedy(tmp_path):
    with pytest.raises(SiteUnusable, match="run nbrewind in a virtual or conda environment"):
        packing.ready(site_with("auto"), prefix=tmp_path, folder=tmp_path / "cache")


def test_conda_environments_are_packed_by_conda_pack(tmp_path, monkeypatch):
    (tmp_path / "env" / "conda-meta").mkdir(parents=True)
    (tmp_path / "env" / "conda-meta" / "numpy-2.0-0.json").write_text("{}")
    asked = {}

    def pack(**options):
        asked.update(options)
        with open(options["output"], "w") as file:
            file.write("packed")

    module = types.SimpleNamespace(pack=pack, CondaPackException=ValueError, __spec__=object())
    monkeypatch.setitem(sys.modules, "conda_pack", module)
    made = packing.ready(site_with("auto"), prefix=tmp_path / "env", folder=tmp_path / "cache")
    assert open(made.environment.packed).read() == "packed"
    assert asked["prefix"] == str(tmp_path / "env")
    (tmp_path / "env" / "conda-meta" / "numpy-2.1-0.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "conda_pack", None)
    with pytest.raises(SiteUnusable, match="conda install -c conda-forge conda-pack"):
        packing.ready(site_with("auto"), prefix=tmp_path / "env", folder=tmp_path / "cache")


def test_folder_that_cannot_be_written_is_told_with_a_remedy(tmp_path, venv):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(SiteUnusable, match="XDG_CACHE_HOME"):
        packing.ready(site_with("auto"), prefix=venv, folder=tmp_path / "cache")
