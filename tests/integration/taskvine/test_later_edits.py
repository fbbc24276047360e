"""Temporary files: after an edit far down a chain, only what the missed task needs runs again."""

from conftest import COLLECT, IMPORT, STOP, WORKERS

CHAIN = """
import os
def step(command, *inputs):
    t = vine.Task(f"{command}; echo ran >> $LOG")  # by its variable: a file that a command names is an input
    t.set_env_var("LOG", LOG)
    t.set_cores(1)
    for number, file in enumerate(inputs):
        t.add_input(file, f"in{number}")
    made = m.declare_temp()
    t.add_output(made, "out")
    m.submit(t)
    return made
left = step("echo left > out")
right = step("echo right > out")
joined = step("cat in0 in1 > out", left, right)
alone = step("echo alone > out")
last = vine.Task(f"cat in; echo {LAST}")
last.set_cores(1)
last.add_input(joined, "in")
m.submit(last)
other = vine.Task("cat in")
other.set_cores(1)
other.add_input(alone, "in")
m.submit(other)
"""


def test_producers_run_again_only_for_who_needs_them(bench):
    log = bench.folder / "ran.txt"

    def run(last):
        log.unlink(missing_ok=True)
        start = IMPORT + f"LAST, LOG = {last!r}, {str(log)!r}"
        show = "print(last.std_output, other.std_output, sorted(results), m.stats.tasks_submitted)"
        report = bench.run(start, WORKERS, CHAIN, COLLECT, show, STOP)
        assert report.errors == []
        assert (
            report.printed[4]
            == f"left\nright\n{last}\n alone\n [1, 2, 3, 4, 5, 6] {report.printed[4].split()[-1]}\n"
        )
        return report, len(log.read_text().splitlines()) if log.exists() else 0

    first, ran = run("one")
    assert (first.submitted, ran) == (6, 4)
    again, ran = run("one")
    assert (again.submitted, again.reused, ran) == (0, 6, 0)
    edited, ran = run("two")
    assert (edited.submitted, edited.reused, ran) == (1, 5, 3)
