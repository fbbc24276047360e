"""Results that stay on workers: what made them counts for whoever takes them."""

import pytest
from conftest import COLLECT, IMPORT, STOP, WORKERS
from test_calls import needs_libraries

CHAIN = """
def load(path):
    with open(path) as f: return f.read()
def count(name):
    import cloudpickle
    with open(name, "rb") as f: return cloudpickle.load(f).upper()
def loaded():
    t = vine.PythonTask(load, HERE + "/shared.txt")
    t.enable_temp_output()
    m.submit(t)
    return t
def counted(t, note=""):
    u = vine.PythonTask(count, "given")
    u.add_input(t.output_file, "given")
    u.set_env_var("NOTE", note)
    m.submit(u)
"""
SHOW = "print([t.output for i, t in sorted(results.items()) if not t._tmp_output_enabled])"


def run(bench, *cells):
    report = bench.run(IMPORT + f"HERE = {str(bench.folder)!r}", WORKERS, CHAIN, *cells, COLLECT, SHOW, STOP)
    assert report.errors == []
    return report, report.printed[-2].strip()


def test_file_that_the_producer_opened(bench):
    shared = bench.folder / "shared.txt"
    use = "counted(loaded())"
    shared.write_text("one")
    first, shown = run(bench, use)
    assert (first.submitted, shown) == (2, "['ONE']")
    again, shown = run(bench, use)
    assert (again.reused, again.submitted, shown) == (2, 0, "['ONE']")
    shared.write_text("two")
    edited, shown = run(bench, use)
    assert (edited.submitted, shown) == (2, "['TWO']")
    again, shown = run(bench, use)
    assert (again.reused, again.submitted, shown) == (2, 0, "['TWO']")


@pytest.mark.slow
def test_producer_that_ran_again_without_its_consumer(bench):
    shared = bench.folder / "shared.txt"
    shared.write_text("one")
    run(bench, "counted(loaded())")
    shared.write_text("two")
    alone, _ = run(bench, "loaded()")
    assert (alone.reused, alone.submitted) == (0, 1)
    both, shown = run(bench, "counted(loaded())")
    assert (both.reused, both.submitted, shown) == (1, 1, "['TWO']")


@pytest.mark.slow
def test_content_that_was_fetched_before(bench):
    shared = bench.folder / "shared.txt"
    shared.write_text("one")
    fetch = """
import cloudpickle
t = m.wait(20)
m.fetch_file(t.output_file)
print(cloudpickle.loads(t.output_file.contents()))
"""
    assert run(bench, "t = loaded()", fetch)[0].printed[4] == "one\n"
    shared.write_text("two")
    run(bench, "t = loaded()")
    assert run(bench, "t = loaded()", fetch)[0].printed[4] == "two\n"
    again, shown = run(bench, "t = loaded()", "counted(t)")
    assert (again.submitted, shown) == (1, "['TWO']")


LIBRARY = """
def load(path):
    with open(path) as f: return f.read()
def fail_on(path):
    return 1 / len(open(path).read())
def shifted(x):
    from ndcctools.taskvine.utils import load_variable_from_library
    return x + load_variable_from_library("shift")
def setup(path):
    with open(path) as f: return {"shift": int(f.read())}
lib = m.create_library_from_functions(
    "lib", load, fail_on, shifted, add_env=False, exec_mode=MODE, library_context_info=[setup, [HERE + "/shift.txt"], {}]
)
lib.set_cores(1)
lib.set_function_slots(1)
m.install_library(lib)
def call(name, *args, temp=False):
    t = vine.FunctionCall("lib", name, *args)
    if temp: t.enable_temp_output()
    m.submit(t)
"""


@needs_libraries
@pytest.mark.parametrize("mode", ["fork", pytest.param("direct", marks=pytest.mark.slow)])
def test_what_calls_open(bench, mode):
    use = "call('load', HERE + '/shared.txt'); call('shifted', 1)"

    def calls():
        return run(bench, f"MODE = {mode!r}" + LIBRARY, use)

    (bench.folder / "shared.txt").write_text("one")
    (bench.folder / "shift.txt").write_text("5")
    first, shown = calls()
    assert shown == "['one', 6]"
    assert {"./shared.txt", "./shift.txt"} == {name for each in first.runs for name in each["inputs"]}
    again, shown = calls()
    assert (again.reused, again.submitted, shown) == (2, 0, "['one', 6]")
    (bench.folder / "shared.txt").write_text("two")
    edited, shown = calls()
    assert (edited.submitted in ({"fork": {1}, "direct": {1, 2}}[mode]), shown) == (True, "['two', 6]")
    (bench.folder / "shift.txt").write_text("7")
    edited, shown = calls()
    assert (edited.submitted, shown) == (2, "['two', 8]")


@needs_libraries
def test_call_that_raises_where_nobody_sees_it(bench):
    use = "call('fail_on', HERE + '/shared.txt', temp=True); call('load', HERE + '/shared.txt', temp=True)"
    (bench.folder / "shared.txt").write_text("")
    (bench.folder / "shift.txt").write_text("5")

    def calls(**options):
        cells = IMPORT + f"HERE = {str(bench.folder)!r}; MODE = 'fork'", WORKERS, LIBRARY, use, COLLECT, STOP
        return bench.run(*cells, **options)

    first = calls()
    assert (first.submitted, first.done, first.failed) == (2, 1, 1)
    assert any("fail_on" in text for text in first.notices)
    again = calls()
    assert (again.reused, again.submitted, again.failed) == (1, 1, 1)
    blind = calls(record="blind", observe=False)
    assert (blind.submitted, blind.failed) == (2, 0)
    assert any("never reused" in text or "not reused" in text for text in blind.notices)
    assert calls(record="blind", observe=False).submitted == 2
