"""A process that is killed while it saves leaves checkpoints that are whole, or none."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nbrewind.state.checkpoint import CheckpointReader

SCRIPT = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from conftest import Notebook, Shelf
notebook = Notebook(Shelf(Path(sys.argv[1])))
notebook.run("import numpy as np; x = np.zeros(700_000); y = []")
print("ready", flush=True)
while True:
    notebook.run("x += 1; y.append(len(y))")
    notebook.save("x", "y")
"""


@pytest.mark.parametrize("seed", range(8))
def test_killed_at_any_moment(tmp_path, seed):
    script = tmp_path / "save.py"
    script.write_text(SCRIPT)
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(script), str(folder), str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        process.stdout.readline()
        time.sleep(random.Random(seed).uniform(0.0, 0.6))
        process.send_signal(signal.SIGKILL)
    for path in folder.glob("c*.h5"):
        reader = CheckpointReader(path)
        assert reader.untouched
        for entry in reader.index.entries.values():
            reader.stream(entry)
        for place in reader.index.buffers.values():
            if not place.base:
                reader.verify(place, memoryview(reader.read(place.offset, place.size)))
        reader.close()
