"""Where the tests of the box can run, and the box that they share."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .boxes import Box

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = None
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        reason = "a box needs root on Debian"
    elif "NBREWIND_ENGINE_ROOT" in os.environ:
        reason = "a box is started from the machine, not from another root"
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.box)
            item.add_marker(pytest.mark.timeout(900))  # the first one may have to build the private Debian
            item.add_marker(pytest.mark.xdist_group("box"))
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    folder = tmp_path_factory.mktemp("box")
    box = Box(f"tests-{os.getpid()}")
    done = box.call("up", cwd=folder, timeout=800)
    assert done.returncode == 0, done.stderr
    yield box
    box.call("down", cwd=folder)


@pytest.fixture
def run(box: Box, tmp_path: Path) -> Run:
    """Run a command in the box, in a folder of the test's own."""

    def call(*command: str, **options: object) -> subprocess.CompletedProcess[str]:
        return box.call("run", *command, **{"cwd": tmp_path, **options})

    return call
