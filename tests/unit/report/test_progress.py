"""What a headless run shows: bars in a terminal, a line a minute in a log, nothing when told to be quiet."""

import io

import pytest
from rich.console import Console

from nbrewind.report.progress import INTERVAL, ConsoleProgress
from nbrewind.tasks.tally import Tally

TALLY = Tally("on port 9123", reused=3, done=2, failed=1, running=4, waiting=10, workers=2, left=75.0)
DONE = {"index": 0, "action": "executed", "because": [], "seconds": 1.0}


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def progress(terminal, **options):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=120)
    clock = Clock()
    found = ConsoleProgress(console, clock=clock, **options)
    found.begin(2)
    found.cell(0, "x = [1]")
    return found, clock, console.file


def test_a_line_a_minute_in_a_log():
    shown, clock, file = progress(False)
    for second in range(int(3.5 * INTERVAL)):
        clock.now = float(second)
        shown.tasks([TALLY])
    shown.tasks([])
    shown.close()
    lines = file.getvalue().splitlines()
    assert len(lines) == 3
    expected = (
        "cell   0  tasks: 3 reused, 2 done, 4 running, 10 waiting, 1 failed; 2 workers, about 75.0 s left"
    )
    assert lines[0].strip() == expected


def test_a_bar_a_manager_in_a_terminal():
    shown, _, file = progress(True)
    shown.tasks([TALLY, Tally("other", running=1)])
    shown.tasks([TALLY])
    shown.done(DONE)
    shown.close()
    text = file.getvalue()
    assert "cell 0 of 2" in text
    assert "x = [1]" in text
    assert "3 reused, 2 done" in text
    assert "executed" in text
    shown.tasks([TALLY])


@pytest.mark.parametrize("terminal", [True, False])
def test_quiet(terminal):
    shown, clock, file = progress(terminal, quiet=True)
    clock.now = 1000.0
    shown.tasks([TALLY])
    shown.done(DONE)
    shown.close()
    assert file.getvalue() == ""
