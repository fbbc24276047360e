"""Secrets that a notebook meets stay out of its record, and cost no reuse."""

from __future__ import annotations

import pytest

from nbrewind.record.redaction import MARK
from nbrewind.record.store import Record

pytestmark = pytest.mark.xdist_group("secrets")

TOKEN = "correct-horse-battery"
PASSWORD = "staple-of-the-notebook"
GITHUB = "ghp_" + "a1B2" * 9

CELLS = {
    "start": "import os, base64\nimport numpy as np",
    "read": "token = os.environ['A_TOKEN']",
    "show": "print('using', token); {'url': f'https://ann:{token}@host/x'}",
    "use": "length = len(token); length",
    "setting": "os.environ['DB_PASSWORD'] = 'staple' + '-of-the-notebook'",
    "later": "os.environ['WORKERS'] = '3'; values = np.arange(3)",
    "child": "!echo $WORKERS",
    "made": "found = 'gh' + 'p_' + 'a1B2' * 9; print(found)",
    "plain": "values.sum()",
}


def everything(folder):
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_secrets_stay_out_of_the_record(lab, monkeypatch):
    monkeypatch.setenv("A_TOKEN", TOKEN)
    first = lab.write(**CELLS).audit()
    recorded = everything(lab.record)
    for secret in (TOKEN, PASSWORD, GITHUB):
        assert secret.encode() not in recorded
    assert TOKEN in str(first.outputs), "what is shown live is not changed"

    again = lab.repeat()
    assert again.executed == ["setting"], "the value that it sets is not recorded; nothing else is lost"
    assert again.because("setting") == ["unsaved"]
    assert str(again.outputs) == str(first.outputs).replace(TOKEN, MARK).replace(GITHUB, MARK)
    assert everything(lab.record).count(TOKEN.encode()) == 0

    with Record.open(lab.record) as record:
        cells = {cell.cell_id: cell.redacted for cell in record.cells(record.runs()[0].id)}
    assert "the value of A_TOKEN, of which a keyed digest is kept" in cells["read"]
    assert any("a GitHub token" in text for text in cells["made"])
    assert cells["plain"] == ()

    edited = lab.edit(use="length = len(token) + 1; length").repeat()
    assert set(edited.executed) == {"setting", "use"}
    assert edited.actions["read"] == "rebuilt", "what holds a secret is made again when it is needed"
    monkeypatch.setenv("A_TOKEN", "another-secret-value")
    other = lab.repeat()
    assert {"read", "show", "use"} <= set(other.executed)
    assert {"start", "later", "child", "made", "plain"}.isdisjoint(other.executed)
