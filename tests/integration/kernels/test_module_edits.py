"""What cells set on modules, libraries and pyplot: later cells see it after its cell was restored, edited or removed."""

from __future__ import annotations

import textwrap

from tests.lab import Lab

CONFIG = """
import itertools

x = 1
items = []
ids = itertools.count()


class Model:
    scale = 1

    def run(self):
        return self.scale * x


class Settings:
    level = 1


settings = Settings()


def show():
    return x, items, settings.level
"""


def audited(lab: Lab, **cells: str) -> Lab:
    lab.write(**{name: textwrap.dedent(source).strip() for name, source in cells.items()})
    first = lab.audit()
    assert first.outcome.status == "ok"
    assert first.outputs == lab.clean()
    return lab


def check(lab: Lab, expected: list[str], rebuilt: list[str] | None = None, **edit: str) -> None:
    lab.edit(**edit)
    result = lab.repeat()
    assert result.outputs == lab.clean()
    assert result.executed == expected
    if rebuilt is not None:
        assert [cell for cell, action in result.actions.items() if action == "rebuilt"] == rebuilt


def test_state_of_a_module_beside_the_notebook(lab):
    (lab.folder / "config.py").write_text(CONFIG)
    audited(
        lab,
        imports="import config\nfrom config import items, settings, Model",
        x="config.x = 5",
        items="items.append(7)",
        settings="settings.level = 3",
        scale="Model.scale = 4",
        ids="_ = next(config.ids)",
        k="k = 1",
        show="print(config.show(), Model().run(), next(config.ids), k, config.items is items)",
    )
    check(lab, ["k", "show"], k="k = 2")
    for edit in (
        {"x": "config.x = 6"},
        {"items": "items.append(8)"},
        {"settings": "settings.level = 9", "scale": "Model.scale = 9"},
    ):
        result = lab.edit(**edit).repeat()
        assert result.outputs == lab.clean()
        assert {*edit, "show"} <= set(result.executed)
        assert "k" not in result.executed


def test_attributes_set_on_libraries(lab):
    audited(
        lab,
        imports="import math\nimport pandas as pd\nfrom fractions import Fraction\nframe = pd.DataFrame({'x': [1, 2]})",
        patch="_sqrt = math.sqrt\ndef patched(x):\n    return _sqrt(x) + 100\nmath.sqrt = patched",
        method="pd.DataFrame.twice = lambda self: self * 2",
        tag="def mark():\n    setattr(Fraction, 'tag', 'hi')",
        call="mark()",
        k="k = 1",
        show="print(math.sqrt(4), frame.twice().x.sum(), Fraction(1, 2).tag, k)",
        apart="print('apart')",
    )
    check(lab, ["k", "show"], k="k = 2")
    check(lab, ["method", "show"], method="pd.DataFrame.twice = lambda self: self * 3")
    check(lab, ["tag", "call", "show"], tag="def mark():\n    setattr(Fraction, 'tag', 'ho')")
    check(lab, ["patch", "show"], patch="pass")


def test_calls_whose_effect_is_out_of_sight_are_made_again(lab):
    audited(
        lab,
        imports="import csv, io\nfrom collections.abc import Sequence\nimport pandas as pd\nclass S:\n    pass",
        dialect="csv.register_dialect('semi', delimiter=';')",
        register="Sequence.register(S)",
        accessor="""
        @pd.api.extensions.register_dataframe_accessor('geo')
        class Geo:
            def __init__(self, frame):
                self.frame = frame
            def total(self):
                return int(self.frame.x.sum())
        """,
        magic="""
        from IPython.core.magic import register_line_magic
        @register_line_magic
        def hello(line):
            return 'hello ' + line
        """,
        k="k = 1",
        show="print(next(csv.reader(io.StringIO('a;b'), 'semi')), isinstance(S(), Sequence), k)\n"
        "print(pd.DataFrame({'x': [1, 2]}).geo.total())",
        hail="word = %hello $k\nprint(word)",
    )
    check(lab, ["k", "show", "hail"], ["dialect", "register", "accessor", "magic"], k="k = 2")
    # a magic that nobody knows may read anything
    check(lab, ["dialect", "show", "hail"], dialect="csv.register_dialect('semi', delimiter=',')")


def test_logging_as_the_notebook_configured_it(lab):
    audited(
        lab,
        imports="import logging, sys",
        basic="logging.basicConfig(level=logging.INFO, format='%(levelname)s:%(message)s', stream=sys.stdout)",
        quiet="logging.getLogger('quiet').setLevel(logging.ERROR)",
        k="k = 1",
        say="logging.info('hello %s', k)\nlogging.getLogger('quiet').warning('unheard')",
    )
    check(lab, ["k", "say"], k="k = 2")
    check(lab, ["quiet", "say"], quiet="pass")


def test_the_current_figure_over_cells(lab):
    audited(
        lab,
        imports="import matplotlib\nmatplotlib.use('agg')\nimport matplotlib.pyplot as plt",
        make="fig, ax = plt.subplots()",
        plot="plt.plot([1, 2]);",
        k="k = 1",
        title="plt.title(str(k))\nprint(plt.gcf() is fig, len(ax.lines), ax.get_title(), plt.get_fignums())",
    )
    check(lab, ["k", "title"], k="k = 2")
    check(lab, ["plot", "title"], plot="plt.plot([1, 2]); plt.plot([3]);")


def test_subclasses_that_were_restored_are_there(lab):
    audited(
        lab,
        base="class Base:\n    pass",
        one="class One(Base):\n    pass",
        k="k = 1",
        show="print([each.__name__ for each in Base.__subclasses__()], k)",
    )
    check(lab, ["k", "show"], k="k = 2")
    lab.edit(one="class Other(Base):\n    pass")
    assert lab.repeat().outputs == lab.clean()


def test_a_task_of_the_event_loop_is_made_again(lab):
    audited(
        lab,
        a="import asyncio\nasync def work(n):\n    await asyncio.sleep(0.01)\n    return n",
        b="task = asyncio.create_task(work(3))",
        c="k = 1",
        d="print(await task, k)",
    )
    check(lab, ["c", "d"], c="k = 2")
