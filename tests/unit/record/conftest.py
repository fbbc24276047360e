from pathlib import Path

import pytest

from nbrewind.record.store import Record


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "nb.nbrewind"


@pytest.fixture
def record(folder: Path):
    with Record.open(folder) as opened:
        yield opened
