"""Which environment variables a cell is said to have read, and what they were."""

from __future__ import annotations

import os

import pytest

from nbrewind.cells.ambient import EnvironmentReads

KEY, OTHER = "NBREWIND_TEST_KEY", "NBREWIND_TEST_OTHER"


@pytest.fixture
def cell(monkeypatch):
    """Runs code as a cell; returns what it is said to have read."""
    kind = type(os.environ)
    namespace = {"os": os}
    reads = EnvironmentReads(namespace)
    reads.install()
    monkeypatch.setenv(KEY, "before")
    monkeypatch.delenv(OTHER, raising=False)

    def run(code):
        reads.start()
        exec(code, namespace)
        return reads.stop()

    yield run
    os.environ.__class__ = kind


@pytest.mark.parametrize(
    "code",
    [
        "os.environ['{key}']",
        "os.getenv('{key}')",
        "os.environ['{key}'] = 'x'; os.environ['{key}'] = 'y'; os.environ['{key}']",
        "del os.environ['{key}']; os.environ.get('{key}')",
        "os.environ.update({{'{key}': 'z'}}); os.environ.get('{key}')",
        "os.environ.pop('{key}')",
        "os.environ['{key}']; os.environ['{key}'] = 'later'",
    ],
)
def test_what_is_read_is_what_was_there_before_the_cell(cell, code):
    assert cell(code.format(key=KEY)) == {KEY: "before"}


def test_a_variable_that_is_not_there(cell):
    assert cell(f"os.environ.get('{OTHER}')") == {OTHER: None}
    assert cell(f"os.environ['{OTHER}'] = '1'; os.getenv('{OTHER}')") == {OTHER: None}


def test_setting_reads_nothing(cell):
    assert cell(f"os.environ['{KEY}'] = 'x'") == {}
    assert os.environ[KEY] == "x"


def test_what_libraries_look_up_is_left_out(cell):
    assert cell("import tempfile; tempfile._candidate_tempdir_list()") == {}
