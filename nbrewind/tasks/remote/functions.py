"""Run one pickled function, as the wrapper of the engine does."""

# ruff: noqa: BLE001 - an exception of the function is its result
from __future__ import annotations

import sys
from typing import Any

from nbrewind.tasks.remote.report import Report, surroundings
from nbrewind.tasks.remote.watch import start_watch


def result_of(argument: Any) -> Any:
    """Load the result of another task where an argument stands for it."""
    import cloudpickle

    if isinstance(argument, dict) and "VineFutureFile" in argument:
        with open(argument["VineFutureFile"], "rb") as file:
            return cloudpickle.load(file)
    return argument


def load(paths: list[str], report: Report) -> Any:
    """Load function and arguments; what keeps them from loading is for the user, as from the engine, and for us."""
    stage = "cloudpickle"
    try:
        import cloudpickle

        stage = "function"
        with open(paths[0], "rb") as file:
            function = cloudpickle.load(file)
        stage = "arguments"
        with open(paths[1], "rb") as file:
            args, kwargs = cloudpickle.load(file)
    except BaseException as error:
        report.trouble(stage, error)
        report.finish(None)
        raise
    return function, args, kwargs


def show(result: Any) -> int:
    """Print a result; return how many bytes that took."""
    data = (str(result) + "\n").encode(sys.stdout.encoding or "utf-8", "backslashreplace")
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.flush()
    return len(data)


def main(argv: list[str], serialize: bool, futures: bool, shown: bool = False) -> None:
    """Do what the engine's wrapper does: Work Queue's prints the result, and an exception is one."""
    output_file = argv[2]
    report = Report("s_" + output_file[2:], surroundings())
    report.start()
    function, args, kwargs = load(argv, report)
    import cloudpickle

    if futures:
        args = [result_of(argument) for argument in args]
        print(args, kwargs)
    watch = start_watch(report.path + ".forks")
    error = None
    try:
        if watch is not None:
            watch.arguments([args, kwargs])
            watch.on = True
        result = function(*args, **kwargs)
    except Exception as raised:
        result = error = raised
    finally:
        if watch is not None:
            watch.on = False
        with open(output_file, "wb") as file:
            if serialize:
                cloudpickle.dump(result, file)
            else:
                file.write(result)
        if isinstance(error, ImportError):
            report.trouble("run", error)
        if shown:
            report.found["raised"] = error is not None
            report.found["shown"] = show(result)
        report.finish(watch)
    if error is not None and not shown:
        raise error
