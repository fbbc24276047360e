"""Environments: what is looked at, what a difference means, and the files that are made of them."""

from __future__ import annotations

import copy
import json
import tomllib

import pytest

from nbrewind.environment import collecting, writing
from nbrewind.environment.comparing import compare

THEN = {
    "schema": 1,
    "stamp": "b3:then",
    "python": {"version": "3.13.5"},
    "packages": {
        "NumPy": {"version": "2.1.0", "files": "b3:a", "installer": "pip"},
        "scikit-learn": {"version": "1.5.0", "files": "b3:b", "installer": "pip"},
        "unused": {"version": "1.0", "files": "b3:c"},
        "own": {
            "version": "0.1",
            "origin": {
                "url": "https://ann:s3cret@git.example/own",
                "vcs_info": {"vcs": "git", "commit_id": "a" * 40},
                "subdirectory": "py",
            },
        },
        "beside": {
            "version": "0.2",
            "origin": {"url": "file:///home/ann/beside", "dir_info": {"editable": True}},
        },
    },
    "conda": [],
    "modules": ["gcc/12", "hdf5/1.14"],
    "system": {"libc": "glibc 2.36", "machine": "x86_64"},
    "cpu": {"model": "A", "features": ["avx2", "avx512f"]},
    "threads": {},
    "locale": {"LANG": "C.UTF-8"},
}
USED = {"numpy": 3, "scikit_learn": 2, "own": 1}


def changed(**layers):
    now = copy.deepcopy(THEN)
    now["stamp"] = "b3:now"
    for layer, values in layers.items():
        now[layer] = values if isinstance(values, list) else {**now[layer], **values}
    return compare(THEN, now, USED, 7)


def test_nothing_differs():
    assert changed() == []


def test_a_package_that_cells_used():
    (found,) = changed(packages={"NumPy": {"version": "2.4.0"}})
    assert (found.name, found.before, found.after, found.meaning, found.cells) == (
        "NumPy", "2.1.0", "2.4.0", "runs again", 3,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("packages", "meaning"),
    [
        ({"unused": {"version": "2.0"}}, "unused"),
        ({"scikit-learn": {"version": "1.5.0", "files": "b3:other"}}, "ignorable"),
        ({"own": {"version": "0.1", "origin": {"vcs_info": {"commit_id": "b" * 40}}}}, "ignorable"),
    ],
)
def test_other_packages(packages, meaning):
    (found,) = changed(packages=packages)
    assert found.meaning == meaning
    assert ("which reuse does not notice" in found.note) == (meaning == "ignorable")


def test_a_package_that_is_missing():
    now = copy.deepcopy(THEN) | {"stamp": "b3:now"}
    del now["packages"]["scikit-learn"]
    (found,) = compare(THEN, now, USED, 7)
    assert (found.before, found.after, found.meaning, found.cells) == ("1.5.0", "", "runs again", 2)


@pytest.mark.parametrize(
    ("version", "meaning", "cells"), [("3.13.9", "ignorable", 0), ("3.11.2", "runs again", 7)]
)
def test_python(version, meaning, cells):
    (found,) = changed(python={"version": version})
    assert (found.meaning, found.cells) == (meaning, cells)
    assert ("pickled" in found.note) == (meaning == "runs again")


def test_what_reuse_does_not_look_at():
    found = changed(
        cpu={"features": ["avx2"]},
        threads={"OMP_NUM_THREADS": "4"},
        locale={"LANG": "de_DE"},
        modules=["gcc/13"],
    )
    assert {one.meaning for one in found} == {"ignorable"}
    assert {(one.name, one.before, one.after) for one in found} == {
        ("features", "avx512f", "nothing else"),
        ("OMP_NUM_THREADS", "", "4"),
        ("LANG", "C.UTF-8", "de_DE"),
        ("modules", "gcc/12 hdf5/1.14", "gcc/13"),
    }


def test_what_matters_comes_first():
    found = changed(locale={"LANG": "x"}, packages={"NumPy": {"version": "9"}, "unused": {"version": "9"}})
    assert [one.meaning for one in found] == ["runs again", "unused", "ignorable"]


def test_looking(monkeypatch, tmp_path):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("LOADEDMODULES", "gcc/12:hdf5/1.14")
    found = collecting.collect()
    assert json.loads(collecting.as_bytes(found)) == found
    assert found["packages"]["numpy"]["version"]
    assert found["packages"]["numpy"]["files"].startswith("b3:")
    assert found["threads"]["OMP_NUM_THREADS"] == "3"
    assert found["modules"] == ["gcc/12", "hdf5/1.14"]
    assert collecting.stamp() == found["stamp"]
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert collecting.stamp() != found["stamp"]


def test_looking_once(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = collecting.collect_once()
    monkeypatch.setattr(collecting, "collect", lambda: pytest.fail("it looked again"))
    assert collecting.collect_once() == first
    (kept,) = (tmp_path / "nbrewind" / "environments").iterdir()
    monkeypatch.undo()
    kept.write_text("broken")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert collecting.collect_once() == first


def test_origins_keep_no_password():
    kept = collecting._origin('{"url": "https://ann:s3cret@git.example/own", "vcs_info": {}}')
    assert "s3cret" not in str(kept)
    assert collecting._origin("no json") == {}


def test_requirements():
    assert writing.requirements(THEN).splitlines() == [
        "# Python 3.13.5", "NumPy==2.1.0", "scikit-learn==1.5.0", "unused==1.0",
        f"own @ git+https://ann:[redacted]@git.example/own@{'a' * 40}#subdirectory=py",
        "# beside 0.2 came from a folder or file of the machine: file:///home/ann/beside",
    ]  # fmt: skip


def test_conda_environment():
    text = writing.conda_environment(THEN, "nb")
    assert text.startswith(
        "name: nb\nchannels:\n  - conda-forge\ndependencies:\n  - python=3.13.5\n  - pip\n  - pip:\n"
    )
    assert "      - NumPy==2.1.0" in text
    url = "https://conda.anaconda.org/bioconda/linux-64/numpy-2.1.0-py313_0.conda"
    conda = [{"name": "numpy", "version": "2.1.0", "build": "py313_0", "url": url, "md5": "abc"}]
    packages = {
        "numpy": {"version": "2.1.0", "installer": "conda"},
        "extra": {"version": "1.0", "installer": "pip"},
    }
    made = {**THEN, "conda": conda, "packages": packages}
    assert writing.conda_environment(made, "nb").splitlines()[1:] == [
        "channels:", "  - bioconda", "dependencies:", "  - numpy=2.1.0=py313_0", "  - pip:", "      - extra==1.0",
    ]  # fmt: skip
    assert writing.explicit(made) == f"@EXPLICIT\n{url}#abc\n"
    assert writing.explicit(THEN) == ""


def test_pylock():
    url = "https://files.example/numpy-2.1.0-cp313-manylinux.whl"
    files = {"numpy": {"url": url, "archive_info": {"hashes": {"sha256": "ab"}}}}
    lock = tomllib.loads(writing.pylock(THEN, files))
    assert (lock["lock-version"], lock["requires-python"]) == ("1.0", "==3.13.*")
    numpy, own = lock["packages"]
    assert numpy == {
        "name": "numpy",
        "version": "2.1.0",
        "wheels": [{"name": "numpy-2.1.0-cp313-manylinux.whl", "url": url, "hashes": {"sha256": "ab"}}],
    }
    assert own["vcs"]["commit-id"] == "a" * 40
    assert "s3cret" not in str(own)
