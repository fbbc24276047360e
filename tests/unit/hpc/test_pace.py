"""When tallies are shown, and what is said of the time that is left."""

from types import SimpleNamespace

import pytest
from fakes import FakeJournal

from nbrewind.hpc.pace import INTERVAL, QUIET, Estimate, Pace
from nbrewind.kernels.live_line import PROGRESS, LiveLine
from nbrewind.tasks.tally import Tally


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_nothing_is_shown_of_what_is_over_at_once(clock):
    pace = Pace(FakeJournal(), clock)
    assert not pace.due()
    clock.now += QUIET - 0.1
    assert not pace.due()
    pace.cell_finished()
    clock.now += 1
    assert not pace.due()


def test_shown_now_and_then_with_all_managers_of_the_cell(clock):
    journal = FakeJournal()
    pace = Pace(journal, clock)
    pace.due()
    clock.now += QUIET
    assert pace.due()
    pace.show(Tally("a", done=1))
    assert not pace.due()
    clock.now += INTERVAL
    assert pace.due()
    pace.show(Tally("b"))
    pace.show(Tally("a", done=2))
    assert journal.tallies[-1] == (Tally("a", done=2), Tally("b"))
    pace.cell_finished()
    pace.show(Tally("b"))
    assert journal.tallies[-1] == (Tally("b"),)


def test_estimate(clock):
    estimate = Estimate(clock)
    assert estimate.seconds(0) == 0
    assert estimate.seconds(5) is None
    for _ in range(11):
        estimate.one_came_back()
        clock.now += 2
    assert estimate.seconds(5) == pytest.approx(5 * 22 / 10)


class Kernel:
    iopub_socket = None

    def __init__(self):
        self.sent = []

    def send_response(self, socket, kind, content):
        self.sent.append((kind, content))


class Tap:
    def unseen(self):
        from contextlib import nullcontext

        return nullcontext()


TALLY = Tally("on port 9123", reused=3, done=2, failed=1, running=4, waiting=10, workers=2, left=75.0)


def test_one_display_is_drawn_anew_and_one_line_is_left():
    kernel = Kernel()
    live = LiveLine(kernel, Tap(), quiet=False)
    live.show([TALLY])
    live.show([TALLY])
    live.end()
    live.end()
    kinds = [kind for kind, _ in kernel.sent]
    assert kinds == ["display_data", "update_display_data", "update_display_data"]
    assert len({content["transient"]["display_id"] for _, content in kernel.sent}) == 1
    assert all("nbrewind" in content["metadata"] for _, content in kernel.sent)
    shown = [content["data"]["text/plain"] for _, content in kernel.sent]
    assert shown[0] == (
        "[nbrewind] tasks of manager on port 9123: 3 reused, 2 done, 4 running, 10 waiting, 1 failed; "
        "2 workers, about 1 min 15 s left"
    )
    assert (
        shown[2]
        == "[nbrewind] tasks of manager on port 9123: 3 reused, 2 done, 4 running, 10 waiting, 1 failed"
    )
    assert 'max="20" value="6"' in kernel.sent[0][1]["data"]["text/html"]
    live.show([TALLY])
    assert kernel.sent[-1][0] == "display_data"


def test_a_headless_run_is_told_and_shown_nothing():
    kernel = Kernel()
    live = LiveLine(kernel, Tap(), quiet=True)
    live.show([TALLY])
    live.end()
    assert [kind for kind, _ in kernel.sent] == [PROGRESS, PROGRESS]
    assert Tally(**kernel.sent[0][1]["tallies"][0]) == TALLY
    assert kernel.sent[1][1] == {"tallies": []}


def test_a_kernel_that_cannot_send_does_not_fail_the_cell():
    broken = SimpleNamespace(iopub_socket=None, send_response=lambda *a: 1 / 0)
    LiveLine(broken, Tap(), quiet=False).show([TALLY])
