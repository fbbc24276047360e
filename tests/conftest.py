"""Shared by all tests: a notebook laboratory that compares repeats with clean runs."""

from __future__ import annotations

import pytest

from tests.lab import Lab


@pytest.fixture
def lab(tmp_path):
    return Lab(tmp_path)
