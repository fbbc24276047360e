"""What libraries keep to themselves, and clean runs show: the numbers that they name their objects with."""

from __future__ import annotations

import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

LIBRARY = """
_made = 0

class Thing:
    _count = 0

    def __init__(self):
        self.name = f"thing {Thing._count}"
        type(self)._count += 1

class Special(Thing):
    pass

def label():
    global _made
    _made += 1
    return f"label {_made}"
"""


@pytest.fixture
def library(monkeypatch):
    """An installed library: folders of this name are no data to nbrewind."""
    with tempfile.TemporaryDirectory(prefix="nbrewind-library-") as folder:
        Path(folder, "counting.py").write_text(textwrap.dedent(LIBRARY))
        monkeypatch.setenv("PYTHONPATH", folder)
        yield


@pytest.mark.skipif(sys.version_info < (3, 12), reason="needs the interpreter's monitoring")
def test_what_a_library_counts_with_goes_on_as_in_a_clean_run(lab, library):
    lab.write(
        a="import counting",
        b="one = counting.Thing()",
        c="two = (counting.Thing() for _ in range(2)); counting.Special();",  # cannot be saved
        d="counting.label();",
        e="k = 1",
        f="print(counting.Thing().name, counting.label(), len(list(two)), counting.Thing().name, k)",
        g="print('apart')",
    )
    assert lab.audit().outputs == lab.clean()
    assert lab.repeat().executed == []
    lab.edit(e="k = 2")
    result = lab.repeat()
    assert result.outputs == lab.clean()
    assert result.executed == ["e", "f"]
    lab.edit(b="one = counting.Thing(), counting.Thing()")
    result = lab.repeat()
    assert result.outputs == lab.clean()
    assert "g" not in result.executed
