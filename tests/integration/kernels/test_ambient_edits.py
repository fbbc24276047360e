"""Settings that no variable holds: what reads them must see them after its setter was restored, edited or removed.

One notebook holds all of them, since each run of it starts a kernel.
"""

from __future__ import annotations

import textwrap

IMPORTS = """
import os, sys, time, locale, decimal, warnings
import numpy as np
import pandas as pd
frame = pd.DataFrame({"x": [1 / 3] * 9})
"""
SETTINGS = {
    "printing": ("np.set_printoptions(precision={})", (3, 4), "print(np.array([1 / 3]), k)"),
    "shown": ("pd.set_option('display.max_rows', {})", (4, 6), "print(frame, k)"),
    "decimals": ("decimal.getcontext().prec = {}", (5, 6), "print(decimal.Decimal(1) / 3, k)"),
    "depth": ("sys.setrecursionlimit({})", (5000, 6000), "print(sys.getrecursionlimit(), k)"),
    "mask": (
        "before = os.umask(0o0{})",
        (77, 27),
        "open('f', 'w').close()\nprint(oct(os.stat('f').st_mode), k)\nos.remove('f')",
    ),
    "place": ("locale.setlocale(locale.LC_TIME, '{}');", ("C.UTF-8", "C"), "print(locale.setlocale(locale.LC_TIME), k)"),
    "zone": (
        "os.environ['TZ'] = '{}'; time.tzset()",
        ("Asia/Tokyo", "Asia/Kolkata"),
        "print(time.localtime(0).tm_hour, time.localtime(0).tm_min, k)",
    ),
    "quiet": ("warnings.simplefilter('{}')", ("ignore", "always"), "print(float((np.array([float(k)]) / 0)[0]))"),
}  # fmt: skip


def cells(**choice: int) -> dict[str, str]:
    """The notebook with each setting at its first value, or at the one chosen."""
    made = {"imports": textwrap.dedent(IMPORTS).strip()}
    for name, (source, values, _) in SETTINGS.items():
        made[name] = source.format(values[choice.get(name, 0)])
    made["k"] = "k = 1"
    made.update({f"read_{name}": reader for name, (_, _, reader) in SETTINGS.items()})
    return made


def check(lab, expected: set[str]) -> None:
    result = lab.repeat()
    assert result.outputs == lab.clean()
    assert set(result.executed) == expected


def readers(names) -> set[str]:
    return {f"read-{name}" for name in names}


def test_settings_of_restored_cells_are_in_force(lab):
    lab.write(**cells())
    assert lab.audit().outputs == lab.clean()
    lab.edit(k="k = 2")
    check(lab, {"k", *readers(SETTINGS)})


def test_an_edited_setting_runs_its_readers_alone(lab):
    lab.write(**cells())
    assert lab.audit().outcome.status == "ok"
    edited = ("printing", "shown", "decimals", "mask", "zone")
    lab.edit(**cells(**dict.fromkeys(edited, 1)))
    check(lab, {*edited, *readers(edited)})
    others = tuple(SETTINGS.keys() - set(edited))
    lab.edit(**dict.fromkeys(others, "pass"), k="k = 1")
    result = lab.repeat()
    assert result.outputs == lab.clean()
    assert not readers({*edited} - {"shown"}) & set(result.executed)  # pandas has asked about warnings


def test_what_ipython_shows_depends_on_its_settings(lab):
    lab.write(
        x="x = 1 / 3",
        digits="%precision 3",
        every="%config InteractiveShell.ast_node_interactivity = 'all'",
        apart="print('apart')",
        y="y = 2",
        shown="y\nx",
    )
    assert lab.audit().outputs == lab.clean()
    lab.edit(y="y = 3")
    check(lab, {"y", "shown"})
    lab.edit(digits="%precision 5")
    result = lab.repeat()
    assert result.outputs == lab.clean()
    assert "shown" in result.executed
    assert "y" not in result.executed
    lab.edit(every="pass")
    result = lab.repeat()
    assert result.outputs == lab.clean()


def test_the_backend_of_figures_is_restored(lab):
    lab.write(
        a="import matplotlib\nmatplotlib.use('agg')\nimport matplotlib.pyplot as plt",
        b="k = 1",
        c="figure = plt.figure()\nprint(matplotlib.get_backend(), k)",
    )
    assert lab.audit().outputs == lab.clean()
    lab.edit(b="k = 2")
    check(lab, {"b", "c"})
