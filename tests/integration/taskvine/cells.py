"""Run cells under the engine's interception in this process, as a kernel would; print what happened as JSON.

Called as ``python cells.py RECORD CELLS.json [OPTIONS.json]``; ``RECORD`` of ``-`` runs the cells bare.
"""

import contextlib
import faulthandler
import io
import json
import linecache
import sys
import time
import traceback
import types
from collections import Counter

main = types.ModuleType("__main__")


class Journal:
    def __init__(self, fresh):
        self.fresh, self.cell = fresh, "c0"
        self.counts, self.notices, self.reads, self.writes, self.effects = Counter(), [], set(), set(), set()
        self.runs, self.tallies, self.causes = [], [], []

    def cell_id(self):
        return self.cell

    def cell_source(self):
        return ""

    def namespace(self):
        return main.__dict__

    def file_read(self, path):
        self.reads.add(path)

    def file_written(self, path):
        self.writes.add(path)

    def task_reused(self, run):
        self.counts["reused"] += 1

    def task_submitted(self, name):
        self.counts["submitted"] += 1

    def task_finished(self, run):
        self.counts[run.status] += 1
        self.runs.append(run)

    def effect(self, what):
        self.effects.add(what)

    def notice(self, text):
        self.notices.append(text)

    def launched(self, started):
        pass

    def task_causes(self, causes):
        self.causes += [(one.ingredient, one.before, one.after, one.count) for one in causes]

    def progress(self, tallies):
        self.tallies.append(
            [[one.reused, one.done, one.failed, one.running, one.waiting, one.workers] for one in tallies]
        )


def record_text(folder, digest):
    from nbrewind.record.store import Record

    with Record.open(folder, readonly=True) as record:
        return record.blob(digest).decode() if digest else ""


def run(record_folder, cells, options):
    from nbrewind import hpc
    from nbrewind.record.model import Run
    from nbrewind.record.store import Record
    from nbrewind.tasks.memo import RecordMemo

    record = Record.open(record_folder)
    writer = record.begin(
        Run(id="", kind="audit", notebook=options.pop("notebook", "test"), started=time.time())
    )
    journal = Journal(options.pop("fresh", False))
    hpc.install(RecordMemo(record, writer), journal, hpc.EngineOptions(**options))
    try:
        report = execute(cells, journal, hpc.cell_finished)
    finally:
        hpc.shutdown()
        hpc.uninstall()
    names = {each.environment for each in journal.runs if each.environment}
    environments = {name: json.loads(record.blob(name)) for name in names}
    writer.end("ok")
    record.close()
    report |= {
        **{name: journal.counts[name] for name in ("reused", "submitted", "done", "failed", "cancelled")},
        "notices": journal.notices,
        "tallies": journal.tallies,
        "causes": journal.causes,
        "reads": sorted(journal.reads),
        "writes": sorted(journal.writes),
        "effects": sorted(journal.effects),
        "runs": [
            {
                "name": each.name,
                "status": each.status,
                "result": each.result,
                "exit_code": each.exit_code,
                "attempts": each.attempts,
                "host": each.host,
                "stdout": record_text(record_folder, each.stdout),
                "key": each.key,
                "ingredients": dict(each.ingredients),
                "inputs": [seen.name for seen in each.inputs if seen.kind != "place"],
                "environment": environments.get(each.environment),
            }
            for each in journal.runs
        ],
    }
    return report


def execute(cells, journal=None, after=lambda: None):
    sys.modules["__main__"] = main
    printed, errors, seconds = [], [], []
    for number, source in enumerate(cells):
        if journal is not None:
            journal.cell = f"c{number}"
        name = f"<cell {hash(source)}>"
        linecache.cache[name] = (len(source), None, source.splitlines(True), name)
        out = io.StringIO()
        started = time.perf_counter()
        try:
            with contextlib.redirect_stdout(out):
                exec(compile(source, name, "exec"), main.__dict__)
        except Exception as error:
            errors.append(f"{type(error).__name__}: {error}")
            traceback.print_exc()
        seconds.append(time.perf_counter() - started)
        after()
        printed.append(out.getvalue())
    return {"printed": printed, "errors": errors, "seconds": seconds}


if __name__ == "__main__":
    faulthandler.dump_traceback_later(90, exit=True)
    folder, cells_file, *rest = sys.argv[1:]
    with open(cells_file) as file:
        cells = json.load(file)
    options = json.loads(rest[0]) if rest else {}
    report = execute(cells) if folder == "-" else run(folder, cells, options)
    print("\n@@@" + json.dumps(report), flush=True)
