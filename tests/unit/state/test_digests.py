"""Equal values have equal digests whatever their history; values that differ in anything have different ones."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest
from state_samples import DIFFERENT, EQUAL


@pytest.mark.parametrize(("one", "other"), EQUAL.values(), ids=EQUAL)
def test_equal_values_have_equal_digests(notebook, one, other):
    assert notebook.run(one).digest() == notebook.run(other).digest()


@pytest.mark.parametrize("texts", DIFFERENT.values(), ids=DIFFERENT)
def test_different_values_have_different_digests(notebook, texts):
    found: dict[str, str] = {}
    for text in texts:
        digest = notebook.run(f"x = {text}").digest()
        assert digest not in found, f"{text} and {found[digest]}"
        found[digest] = text


@pytest.mark.parametrize("texts", DIFFERENT.values(), ids=DIFFERENT)
def test_digests_are_repeatable(notebook, texts):
    for text in texts:
        assert notebook.run(f"x = {text}").digest() == notebook.run(f"x = {text}").digest(), text


def test_other_processes_agree(notebook, tmp_path):
    """Hash seeds change the order of sets and dictionaries of identity; nothing of it may show."""
    cells = [f"x = {text}" for texts in DIFFERENT.values() for text in texts]
    script = tmp_path / "digest.py"
    script.write_text(
        textwrap.dedent(
            """
            import json, linecache, sys, types
            from nbrewind.state import Analyser
            sys.modules["__main__"] = types.ModuleType("__main__")
            namespace = vars(sys.modules["__main__"])
            for number, cell in enumerate(json.load(sys.stdin)):
                name = f"<cell {number}>"
                linecache.cache[name] = (len(cell), None, [cell], name)
                exec(compile(cell, name, "exec"), namespace)
                print(Analyser(namespace).covariables(["x"])[0].digest)
            """
        )
    )
    import json

    seen = []
    for seed in ("0", "1", "77"):
        environment = {
            **os.environ,
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "PYTHONWARNINGS": "ignore",
        }
        done = subprocess.run(
            [sys.executable, script],
            input=json.dumps(cells),
            capture_output=True,
            text=True,
            env=environment,
            check=True,
        )
        seen.append(done.stdout.split())
    assert seen[0] == seen[1] == seen[2]
    assert len(seen[0]) == len(cells)
    assert seen[0] == [notebook.run(cell).digest() for cell in cells]
