"""Edits that would defeat a careless repeat. Each must show what a clean run shows, with the fewest executions."""

from __future__ import annotations

import os
import textwrap

import pytest

CHAIN = {"a": "x = 3", "b": "y = x * 2", "c": "print(y)", "d": "z = 'apart'\nz"}


def check(lab, expected: list[str], **edit: str) -> None:
    """Audit, edit, repeat: equal to a clean run, and only these cells ran."""
    lab.edit(**edit)
    result = lab.repeat()
    assert result.outputs == lab.clean()
    assert result.executed == expected


def audited(lab, **cells: str):
    lab.write(**{name: textwrap.dedent(source).strip() for name, source in cells.items()})
    first = lab.audit()
    assert first.outcome.status == "ok"
    assert first.outputs == lab.clean()
    return lab


def test_nothing_changed(lab):
    check(audited(lab, **CHAIN), [])


def test_a_number_changed(lab):
    check(audited(lab, **CHAIN), ["a", "b", "c"], a="x = 4")


def test_an_equal_value_stops_the_change(lab):
    check(audited(lab, **CHAIN), ["a"], a="x = 1 + 2")


def test_comments_and_layout_run_nothing(lab):
    check(audited(lab, **CHAIN), [], a="# three\nx  =  3   # really", b="y = (x *\n     2)")


def test_an_independent_cell(lab):
    check(audited(lab, **CHAIN), ["d"], d="z = 'apart!'\nz")


def test_changed_and_changed_back(lab):
    audited(lab, **CHAIN)
    check(lab, ["a", "b", "c"], a="x = 4")
    check(lab, [], a="x = 3")


def test_a_semicolon_hides_a_value(lab):
    check(audited(lab, **CHAIN), ["d"], d="z = 'apart'\nz;")


def test_an_alias_that_is_new_sees_a_change_in_place(lab):
    audited(lab, a="a = [1]", b="other = 0", c="a.append(2)", d="print(other)")
    check(lab, ["b", "c", "d"], b="other = a")


def test_change_in_place_through_an_alias(lab):
    audited(lab, a="a = [1]", b="b = a", c="b.append(2)", d="print(a)")
    check(lab, ["c", "d"], c="b.append(3)")


def test_alias_becomes_a_copy(lab):
    audited(lab, a="a = [1]", b="b = a", c="b.append(2)", d="print(a, b)")
    check(lab, ["b", "c", "d"], b="b = list(a)")


def test_change_through_a_container(lab):
    audited(lab, a="inner = {'k': 1}\nbox = [inner]", b="box[0]['k'] = 2", c="print(inner)")
    check(lab, ["b", "c"], b="box[0]['k'] = 5")


def test_numpy_view(lab):
    audited(lab, a="import numpy as np\nn = np.zeros(4)", b="v = n[1:3]", c="v[:] = 7", d="print(n)")
    check(lab, ["c", "d"], c="v[:] = 8")


def test_view_survives_restoring(lab):
    audited(
        lab,
        a="import numpy as np\nn = np.zeros(4)",
        b="v = n[1:3]",
        c="k = 1",
        d="v[:] = k\nprint(n, np.shares_memory(v, n))",
    )
    check(lab, ["c", "d"], c="k = 2")


def test_global_read_by_a_function(lab):
    audited(lab, a="k = 2", b="def f(x):\n    return k * x", c="print(f(3))")
    check(lab, ["a", "c"], a="k = 5")


def test_helper_of_a_helper(lab):
    audited(
        lab,
        a="def h(x):\n    return x + 1",
        b="def g(x):\n    return h(x)",
        c="def f(x):\n    return g(x)",
        d="print(f(1))",
    )
    check(lab, ["a", "d"], a="def h(x):\n    return x + 100")


def test_function_rebound_sees_the_new_global(lab):
    audited(lab, a="x = 1\ndef f():\n    return x", b="x = 5", c="print(f())")
    check(lab, ["b", "c"], b="x = 6")


def test_closure_cell(lab):
    audited(
        lab,
        a="""
        def counter():
            n = 0
            def step():
                nonlocal n
                n += 1
                return n
            return step
        """,
        b="tick = counter()",
        c="tick(); tick()",
        d="k = 0",
        e="print(tick() + k)",
    )
    check(lab, ["d", "e"], d="k = 10")
    check(lab, ["c", "e"], c="tick(); tick(); tick()")


def test_default_argument_that_remembers(lab):
    audited(lab, a="def f(x, seen=[]):\n    seen.append(x)\n    return list(seen)", b="f(1)", c="print(f(2))")
    check(lab, ["b", "c"], b="f(9)")


def test_class_attribute(lab):
    audited(
        lab,
        a="class C:\n    n = 0\n    def bump(self):\n        type(self).n += 1",
        b="c = C()",
        c="c.bump()",
        d="print(C.n)",
    )
    check(lab, ["c", "d"], c="c.bump(); c.bump()")


def test_isinstance_after_restoring(lab):
    audited(lab, a="class C:\n    pass", b="c = C()", c="k = 1", d="print(isinstance(c, C), type(c) is C, k)")
    check(lab, ["c", "d"], c="k = 2")


def test_property_with_a_side_effect(lab):
    audited(
        lab,
        a="class P:\n    def __init__(self):\n        self.n = 0\n    @property\n    def v(self):\n        self.n += 1\n        return self.n",
        b="p = P()",
        c="p.v",
        d="print(p.n)",
    )
    check(lab, ["c", "d"], c="p.v, p.v")


def test_shadowed_builtin(lab):
    audited(lab, a="pass", b="print(sum([1, 2]))")
    check(lab, ["a", "b"], a="sum = max")


def test_deleted_variable(lab):
    audited(lab, a="x = 1\ny = 2", b="pass", c="print('x' in globals(), y)")
    lab.edit(b="del x")
    assert lab.repeat().outputs == lab.clean()


def test_name_in_a_query_string(lab):
    audited(
        lab,
        a="import pandas as pd\ndf = pd.DataFrame({'x': [1, 2, 3]})",
        b="cut = 1",
        c="print(len(df.query('x > @cut')))",
    )
    check(lab, ["b", "c"], b="cut = 2")


def test_exec_and_eval(lab):
    audited(lab, a="k = 2", b="exec('w = k * 10')", c="print(eval('w + 1'))")
    lab.edit(a="k = 3")
    result = lab.repeat()
    assert result.outputs == lab.clean()


def test_data_frame_changed_in_place(lab):
    audited(
        lab,
        a="import pandas as pd\ndf = pd.DataFrame({'x': [1, 2, 3]})",
        b="df.loc[0, 'x'] = 10",
        c="print(df.x.sum())",
    )
    check(lab, ["b", "c"], b="df.loc[0, 'x'] = 20")


def test_file_read(lab):
    (lab.folder / "data.txt").write_text("1")
    audited(lab, a="text = open('data.txt').read()", b="print(int(text) + 1)", c="print('apart')")
    (lab.folder / "data.txt").write_text("2")
    check(lab, ["a", "b"])


def test_file_only_touched(lab):
    (lab.folder / "data.txt").write_text("1")
    audited(lab, a="text = open('data.txt').read()", b="print(int(text) + 1)")
    os.utime(lab.folder / "data.txt", (1, 1))
    check(lab, [])


def test_file_written_and_tampered_with(lab):
    audited(
        lab,
        a="k = 1",
        b="with open('out.txt', 'w') as f:\n    f.write(str(k))",
        c="print(open('out.txt').read())",
    )
    (lab.folder / "out.txt").write_text("tampered")
    result = lab.repeat()
    assert result.executed == []
    assert (lab.folder / "out.txt").read_text() == "1"
    (lab.folder / "out.txt").unlink()
    assert lab.repeat().executed == []
    assert (lab.folder / "out.txt").read_text() == "1"
    check(lab, ["a", "b", "c"], a="k = 2")


def test_two_inputs_swapped(lab):
    (lab.folder / "p.txt").write_text("1")
    (lab.folder / "q.txt").write_text("2")
    audited(
        lab, a="p = open('p.txt').read()", b="q = open('q.txt').read()", c="print(p, q)", d="print('apart')"
    )
    (lab.folder / "p.txt").write_text("2")
    (lab.folder / "q.txt").write_text("1")
    check(lab, ["a", "b", "c"])


def test_local_module_edited(lab):
    (lab.folder / "helper.py").write_text("def f(x):\n    return x + 1\n")
    audited(lab, a="from helper import f", b="k = 1", c="print(f(k))", d="print('apart')")
    (lab.folder / "helper.py").write_text("def f(x):\n    return x + 100\n")
    lab.edit()
    result = lab.repeat()
    assert result.outputs == lab.clean()
    assert "c" in result.executed
    assert "d" not in result.executed


def test_written_by_a_child_process(lab):
    audited(
        lab,
        a="k = 1",
        b="import subprocess\nsubprocess.run(['sh', '-c', f'echo {k} > made.txt'])",
        c="print(open('made.txt').read())",
    )
    (lab.folder / "made.txt").unlink()
    result = lab.repeat()
    assert (lab.folder / "made.txt").read_text() == "1\n"
    lab.edit(a="k = 2")
    assert lab.repeat().outputs == lab.clean()
    assert result.outputs[2]


def test_random_state(lab):
    audited(
        lab, a="import random\nrandom.seed(1)", b="x = random.random()", c="y = random.random()\nprint(y)"
    )
    check(lab, ["a", "b", "c"], a="import random\nrandom.seed(2)")


def test_reseeding_to_the_same_state(lab):
    audited(lab, a="import random\nrandom.seed(1)", b="random.seed(1)", c="print(random.random())")
    lab.edit(a="import random\nrandom.seed(2)")
    assert lab.repeat().outputs == lab.clean()


def test_numpy_random_state(lab):
    audited(
        lab,
        a="import numpy as np\nnp.random.seed(0)",
        b="k = 1",
        c="x = np.random.rand() + k",
        d="print(x, np.random.rand())",
    )
    check(lab, ["b", "c", "d"], b="k = 2")


def test_environment_variable(lab):
    audited(lab, a="import os\nos.environ['WHO'] = 'me'", b="k = 1", c="print(os.environ['WHO'], k)")
    check(lab, ["b", "c"], b="k = 2")
    check(lab, ["a", "c"], a="import os\nos.environ['WHO'] = 'you'")


def test_working_folder(lab):
    (lab.folder / "sub").mkdir()
    (lab.folder / "sub" / "f.txt").write_text("below")
    (lab.folder / "f.txt").write_text("above")
    audited(lab, a="import os\nos.chdir('sub')", b="k = 1", c="print(open('f.txt').read(), k)")
    check(lab, ["b", "c"], b="k = 2")
    lab.edit(a="import os")
    assert lab.repeat().outputs == lab.clean()


def test_generator_is_rebuilt(lab):
    audited(lab, a="g = (i * i for i in range(10))", b="next(g); next(g)", c="k = 0", d="print(next(g) + k)")
    check(lab, ["c", "d"], c="k = 100")


def test_rebuilding_repeats_no_outside_effect(lab):
    audited(
        lab,
        a="with open('log.txt', 'a') as f:\n    f.write('x')\ng = (i for i in range(5))",
        b="k = 0",
        c="print(next(g) + k)",
    )
    lab.edit(b="k = 7")
    lab.repeat()
    assert (lab.folder / "log.txt").read_text() in ("x", "xx")


def test_inserted_deleted_moved_and_split_cells(lab):
    audited(lab, a="x = 1", b="y = x + 1", c="print(y)")
    lab.cells = {"a": "x = 1", "new": "w = 5", "b": "y = x + 1", "c": "print(y)"}
    check(lab, ["new"])
    lab.cells = {"a": "x = 1", "c": "print(y)", "b": "y = x + 1"}
    lab.edit()
    result = lab.repeat()
    assert result.outputs == lab.clean()
    lab.cells = {"a": "x = 1", "b": "y = x", "b2": "y = y + 1", "c": "print(y)"}
    lab.edit()
    result = lab.repeat()
    assert result.outputs == lab.clean()
    assert "c" not in result.executed


def test_a_failing_cell_runs_again(lab):
    lab.write(a="x = 0", b="print(1 / x)")
    assert lab.audit().outcome.exit_code == 1
    result = lab.repeat()
    assert result.outcome.exit_code == 1
    assert result.actions == {"a": "restored", "b": "failed"}
    check(lab, ["a", "b"], a="x = 2")


def test_async_cells(lab):
    audited(
        lab,
        a="import asyncio\nasync def f(x):\n    await asyncio.sleep(0)\n    return x * k",
        b="k = 2",
        c="print(await f(4))",
    )
    check(lab, ["b", "c"], b="k = 3")


def test_magics(lab):
    audited(
        lab,
        a="k = 2",
        b="%%capture shown\nprint(k)",
        c="print(shown.stdout)",
        d="%env NBW_TEST=1\nimport os",
        e="print(os.environ['NBW_TEST'])",
    )
    check(lab, ["a", "b", "c"], a="k = 3")


def test_shell_escape_expands_a_variable(lab):
    audited(lab, a="who = 'me'", b="!echo hello {who}", c="print('apart')")
    check(lab, ["a", "b"], a="who = 'you'")


def test_results_by_underscore(lab):
    audited(lab, a="x = 3\nx * 2", b="print(_ + 1)")
    check(lab, ["a", "b"], a="x = 4\nx * 2")


def test_results_by_underscore_after_restoring(lab):
    audited(lab, a="x = 3\nx * 2", b="k = 1", c="print(_ + k)")
    check(lab, ["b", "c"], b="k = 2")


def test_star_import(lab):
    audited(lab, a="from math import *", b="k = 2", c="print(sqrt(k))")
    check(lab, ["b", "c"], b="k = 3")


def test_global_statement(lab):
    audited(lab, a="n = 0\ndef up():\n    global n\n    n += 1", b="up()", c="print(n)")
    check(lab, ["b", "c"], b="up(); up()")


def test_walrus_and_comprehension_scopes(lab):
    audited(lab, a="data = [1, 2, 3]", b="total = sum(y := v for v in data)", c="print(total, y)")
    check(lab, ["a", "b", "c"], a="data = [1, 2, 4]")


def test_object_made_by_a_redefined_class(lab):
    audited(
        lab,
        a="class C:\n    def v(self):\n        return 1",
        b="c = C()",
        c="class C:\n    def v(self):\n        return 2",
        d="k = 0",
        e="print(c.v(), C().v(), k)",
    )
    check(lab, ["d", "e"], d="k = 1")


def test_figures_and_lambdas(lab):
    audited(
        lab,
        a="import matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nf = lambda x: x * k\nplt.close(fig)",
        b="k = 2",
        c="ax.plot([1, f(2)])\nprint(len(ax.lines), f(3), ax.figure is fig)",
    )
    check(lab, ["b", "c"], b="k = 3")


@pytest.mark.parametrize(
    "value", ["float('nan')", "-0.0", "{3, 1, 2}", "(1, [2])", "b'x'", "{'b': 1, 'a': 2}", "range(4)", "1j"]
)
def test_values_come_back(lab, value):
    audited(lab, a=f"v = {value}", b="k = 1", c="print(repr(v), type(v).__name__, k)")
    check(lab, ["b", "c"], b="k = 2")


def test_list_that_a_generator_holds(lab):
    audited(
        lab,
        a="data = [1, 2, 3]\ng = (data.pop() for _ in range(3))",
        b="k = 0",
        c="next(g)",
        d="print(data, k)",
        e="print(next(g), data)",
    )
    check(lab, ["b", "d"], b="k = 1")
    check(lab, ["e"], e="print(next(g), data, 'again')")


def test_change_seen_through_what_cannot_be_saved(lab):
    audited(
        lab, a="data = [1, 2, 3]\ng = (x for x in data)", b="data.append(4)", c="k = 0", d="print(list(g), k)"
    )
    check(lab, ["c", "d"], c="k = 1")
    check(lab, ["b", "d"], b="data.append(5)")


def test_list_changed_through_the_last_result(lab):
    audited(lab, a="x = [1]\nx", b="k = 4", c="_.append(k)", d="print(x)")
    check(lab, ["b", "c", "d"], b="k = 5")


def test_results_by_number(lab):
    audited(lab, a="x = 3\nx * 2", b="x + 1", c="k = 1", d="print(Out[1] + _2 + k, __)")
    check(lab, ["c", "d"], c="k = 2")


def test_file_opened_in_c(lab):
    make = "import h5py\nwith h5py.File('d.h5', 'w') as f:\n    f['x'] = {}"
    lab.write(make=make.format(1))
    lab.audit()
    audited(lab, a="import h5py", b="with h5py.File('d.h5') as f:\n    x = int(f['x'][()])", c="print(x)")
    lab.cells = {"make": make.format(2)}
    lab.edit().clean()
    import h5py

    with h5py.File(lab.folder / "d.h5", "w") as file:
        file["x"] = 2
    lab.write(a="import h5py", b="with h5py.File('d.h5') as f:\n    x = int(f['x'][()])", c="print(x)")
    check(lab, ["b", "c"])


def test_file_asked_for(lab):
    audited(
        lab,
        a="from pathlib import Path\nimport os",
        b="print(Path('flag').exists(), os.path.isfile('other'))",
    )
    check(lab, [])
    (lab.folder / "flag").write_text("")
    check(lab, ["b"])
    (lab.folder / "other").write_text("")
    check(lab, ["b"])


def test_expected_exception_is_restored(lab):
    lab.tags = {"b": ["raises-exception"]}
    lab.write(a="x = 0", b="1 / x", c="print('on')")
    first = lab.audit()
    assert first.outcome.exit_code == 0
    result = lab.repeat()
    assert (result.executed, result.outputs) == ([], first.outputs)


def test_file_held_open_over_cells(lab):
    audited(
        lab,
        a="f = open('o.txt', 'w')",
        b="f.write('one\\n');",
        c="k = 1",
        d="f.write(f'{k}\\n'); f.close()",
        e="print(open('o.txt').read())",
    )
    lab.edit(c="k = 2")
    assert lab.repeat().outputs == lab.clean()
    lab.edit(b="f.write('uno\\n');")
    assert lab.repeat().outputs == lab.clean()


def test_file_read_through_a_handle(lab):
    (lab.folder / "in.txt").write_text("1\n2\n")
    audited(lab, a="f = open('in.txt')", b="print(f.readline())", c="print(f.readline())")
    (lab.folder / "in.txt").write_text("1\n20\n")
    lab.edit()
    assert lab.repeat().outputs == lab.clean()


def test_database_connection(lab):
    audited(
        lab,
        a="import sqlite3\ndb = sqlite3.connect('x.db')\ndb.execute('drop table if exists t')\ndb.execute('create table t(v)');",
        b="db.execute('insert into t values (1)'); db.commit();",
        c="k = 1",
        d="print(db.execute('select * from t').fetchall(), k)",
    )
    lab.edit(c="k = 2")
    assert lab.repeat().outputs == lab.clean()


def test_writes_through_a_connection_or_handler_of_an_earlier_cell(lab):
    audited(
        lab,
        a="import logging, sqlite3\nlog = logging.getLogger('own')\nlog.setLevel('INFO')\n"
        "log.addHandler(logging.FileHandler('out.log', mode='w'))",
        b="db = sqlite3.connect('x.db')\ndb.execute('drop table if exists t')\ndb.execute('create table t(v)')\ndb.commit()",
        c="db.execute('insert into t values (1)'); db.commit()",
        d="log.info('one')",
        k="k = 1",
        e="log.info('two')\nprint(db.execute('select * from t').fetchall(), open('out.log').read(), k)",
    )
    result = lab.edit(k="k = 2").repeat()
    assert result.outputs == lab.clean()
    result = lab.edit(c="db.execute('insert into t values (5)'); db.commit()").repeat()
    assert result.outputs == lab.clean()
    assert "e" in result.executed


def test_class_of_an_instance_redefined_twice(lab):
    audited(
        lab,
        a="class C:\n    def v(self):\n        return 1",
        b="p = C()",
        c="class C:\n    def v(self):\n        return 2",
        d="print(p.v())",
    )
    lab.edit(a="class C:\n    def v(self):\n        return 10")
    assert lab.repeat().outputs == lab.clean()


def test_warnings_of_the_compiler_are_shown_once(lab):
    audited(lab, a="x = 1\nprint(x is 1)", b="print('apart')")
    check(lab, [])


def test_files_listed_by_a_child(lab):
    (lab.folder / "d.txt").write_text("")
    audited(lab, a="y = !ls *.txt", b="print(y)")
    (lab.folder / "e.txt").write_text("")
    lab.edit()
    assert lab.repeat().outputs == lab.clean()


def test_parts_of_a_package_that_were_imported(lab):
    audited(
        lab,
        a="import wsgiref\nfrom wsgiref import headers",
        b="import email.mime.audio",
        c="print(wsgiref.headers.Headers([]).items(), email.mime.audio.__name__)",
    )
    check(lab, ["c"], c="print(wsgiref.headers.Headers([]).keys(), email.mime.audio.__name__)")


def test_what_a_function_remembers(lab):
    audited(
        lab,
        a="from functools import lru_cache\n@lru_cache\ndef f(x):\n    print('working', x)\n    return [x]",
        b="f(1).append(7); f(2)",
        c="k = 1",
        d="print(f(1), f.cache_info(), k)",
    )
    check(lab, ["c", "d"], c="k = 2")
    check(lab, ["b", "d"], b="f(1)")


def test_a_thread_that_runs_on(lab):
    audited(
        lab,
        a="import threading, time\nres = []",
        b="def work():\n    time.sleep(0.3)\n    res.append(1)\nthreading.Thread(target=work).start()",
        c="time.sleep(0.8)",
        d="print(res)",
        e="print('apart')",
    )
    lab.edit(b="def work():\n    time.sleep(0.3)\n    res.append(2)\nthreading.Thread(target=work).start()")
    result = lab.repeat()
    assert result.outputs == lab.clean()
    assert "e" not in result.executed


def test_classes_that_answer_nothing(lab):
    audited(
        lab,
        a="class Mute:\n    def __getattribute__(self, name):\n        raise RuntimeError(name)\nmute = Mute()",
        b="class Odd:\n    @property\n    def __class__(self):\n        raise RuntimeError('class')\nodd = Odd()\nodd.x = 3",
        c="k = 1",
        d="print(type(mute).__name__, odd.x, k)",
    )
    result = lab.edit(c="k = 2").repeat()
    assert result.outputs == lab.clean()
    assert result.outcome.warnings == []


def test_functions_named_by_an_underscore(lab):
    audited(
        lab,
        a="from functools import singledispatch\n@singledispatch\ndef f(x):\n    return 'any'\n@f.register\ndef _(x: int):\n    return 'int'",
        b="k = 1",
        c="print(f(1), f('a'), k)",
    )
    check(lab, ["b", "c"], b="k = 2")


def test_a_folder_that_is_emptied(lab):
    audited(
        lab,
        a="import os, shutil\nshutil.rmtree('out', ignore_errors=True)\nos.makedirs('out')",
        b="with open('out/a.txt', 'w') as f:\n    f.write('1')",
        c="os.rename('out/a.txt', 'out/b.txt')",
        d="print(os.listdir('out'))",
    )
    lab.edit(c="os.rename('out/a.txt', 'out/c.txt')")
    assert lab.repeat().outputs == lab.clean()
    lab.edit(b="with open('out/a.txt', 'w') as f:\n    f.write('2')")
    assert lab.repeat().outputs == lab.clean()


def test_a_file_that_the_cell_found_missing_and_made(lab):
    audited(
        lab,
        a="import os\nif not os.path.exists('made.txt'):\n    with open('made.txt', 'w') as f:\n        f.write('1')",
        b="k = 1",
        c="print(open('made.txt').read(), k)",
    )
    check(lab, ["b", "c"], b="k = 2")


def test_what_comes_over_the_network(lab):
    (lab.folder / "page.txt").write_text("1")
    audited(
        lab,
        a="""
        import http.server, threading, urllib.request
        class Page(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                with open('page.txt', 'rb') as f:
                    self.wfile.write(f.read())
            def log_message(self, *_):
                pass
        server = http.server.HTTPServer(('127.0.0.1', 0), Page)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        """,
        b="text = urllib.request.urlopen(f'http://127.0.0.1:{server.server_port}').read()",
        c="print(text)",
    )
    (lab.folder / "page.txt").write_text("2")
    result = lab.repeat()
    assert result.outputs == lab.clean()
    assert "b" in result.executed
