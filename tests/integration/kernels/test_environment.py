"""The environment that a run records, and what the command line says of another one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from nbrewind.cli import main
from nbrewind.record.store import Record
from nbrewind.report import environments

pytestmark = pytest.mark.xdist_group("environment")


def test_recorded_compared_and_written(lab, tmp_path, monkeypatch):
    lab.write(a="import numpy as np; x = np.arange(3)", b="x.sum()").audit()
    with Record.open(lab.record) as record:
        run, found = environments.last_recorded(record)
        assert run.id == record.runs()[-1].id
        assert environments.differences(record) == []
        assert environments.users(record.cells(run.id))["numpy"] >= 1
    lab.repeat()
    with Record.open(lab.record) as record:
        assert len({run.environment for run in record.runs()}) == 1, "equal environments are kept once"

    shown = CliRunner().invoke(main, ["env", str(lab.path), "--json"])
    assert json.loads(shown.output)["environment"] == found

    made = CliRunner().invoke(main, ["env", str(lab.path), "-o", str(tmp_path / "env"), "--offline"])
    assert made.exit_code == 0, made.output
    assert {path.name for path in (tmp_path / "env").iterdir()} >= {"environment.yml", "requirements.txt"}
    assert "numpy==" in (tmp_path / "env" / "requirements.txt").read_text().lower()

    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    out = tmp_path / "out.json"
    told = CliRunner().invoke(main, ["repeat", str(lab.path), "--json", str(out)])
    assert told.exit_code == 0, told.output
    assert "OMP_NUM_THREADS absent → 7" in told.output + getattr(told, "stderr", "")
    (differing,) = json.loads(Path(out).read_text())["environment"]
    assert (differing["name"], differing["meaning"]) == ("OMP_NUM_THREADS", "ignorable")
