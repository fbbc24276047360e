"""Run the engine's own program of a library, and note what each call of its functions uses.

What the library itself reads before it takes calls, such as a model that its context loads, counts for every call.
So does what an earlier call in the same process read: it may have been kept. A call in a process of its own (the
engine's ``fork``) knows of no other.
"""

# ruff: noqa: BLE001 - nothing that goes wrong with noting may reach the user's function
from __future__ import annotations

import json  # noqa: F401 - calls find it done
import os
import sys
from typing import Any

from nbrewind.tasks.remote.report import Report, surroundings
from nbrewind.tasks.remote.surroundings import libraries
from nbrewind.tasks.remote.watch import start_watch


def serve(program: str, report: str) -> None:
    """Be the engine's program from here on."""
    module = type(sys)("__main__")
    names: dict[str, Any] = module.__dict__
    names.update(__file__=program, __name__="library")
    sys.modules["__main__"] = module
    calls = Calls(report)
    calls.starts()
    with open(program, "rb") as file:
        exec(compile(file.read(), program, "exec"), names)
    names["__name__"] = "__main__"
    engine, ready = names["remote_execute"], names["send_configuration"]

    def remote_execute(function: Any) -> Any:
        return calls.noted(engine(function))

    def send_configuration(*args: Any) -> Any:
        calls.started()
        return ready(*args)

    names.update(remote_execute=remote_execute, send_configuration=send_configuration)
    names["main"]()


class Calls:
    """What the calls of one library use."""

    def __init__(self, report: str) -> None:
        self.report = report
        self.watch = start_watch(os.path.abspath(report) + ".forks")
        self.begun = surroundings()

    def starts(self) -> None:
        """The library begins to make itself ready."""
        if self.watch is not None:
            self.watch.on = True

    def started(self) -> None:
        """The library takes calls from now on."""
        if self.watch is not None:
            self.watch.on = False
            self.watch.guarded("children", ())
        self.begun.setdefault("environment", {})["libraries"] = libraries()  # each call finds that done

    def noted(self, function: Any) -> Any:
        """A function of the engine's, which takes an event and answers with what became of it."""

        def call(event: Any) -> Any:
            report = self.begin(event)
            answer = None
            try:
                answer = function(event)
            finally:
                self.end(report, answer)
            return answer

        return call

    def begin(self, event: Any) -> Report | None:
        """A call begins in its sandbox."""
        try:
            report = Report(self.report, dict(self.begun))
            if self.watch is not None:
                self.watch.begin(os.getcwd(), report.path + ".forks")
                self.watch.arguments([event.get("fn_args"), event.get("fn_kwargs")])
                self.watch.on = True
            return report
        except Exception:
            return None

    def end(self, report: Report | None, answer: Any) -> None:
        """A call has ended."""
        if self.watch is not None:
            self.watch.on = False
        try:
            if report is not None:
                report.found["raised"] = not (isinstance(answer, dict) and answer.get("Success"))
                report.finish(self.watch)
        except Exception:
            return
