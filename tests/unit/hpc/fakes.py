"""A memo and a journal in memory."""

from collections import Counter
from pathlib import Path

from nbrewind.errors import RecordBroken
from nbrewind.record.digests import digest_bytes, digest_file


class FakeMemo:
    run = "run-1"

    def __init__(self):
        self.tasks, self.blobs, self.broken = {}, {}, False

    def find(self, key):
        found = self.tasks.get(key)
        return found if found is not None and found.status == "done" else None

    def recent(self, cell_id, known):
        return [
            run for key, run in reversed(self.tasks.items()) if key not in known and run.cell_id == cell_id
        ]

    def add(self, task_run):
        if self.broken:
            raise OSError(28, "No space left on device")
        self.tasks[task_run.key] = task_run

    def put(self, data):
        digest = digest_bytes(data)
        self.blobs[digest] = data
        return digest

    def put_file(self, path):
        digest = digest_file(path)
        self.blobs[digest] = Path(path).read_bytes()
        return digest

    def get(self, digest):
        if digest not in self.blobs:
            raise RecordBroken(f"{digest} is gone")
        return self.blobs[digest]

    def get_file(self, digest, path, mode):
        Path(path).write_bytes(self.get(digest))
        Path(path).chmod(mode)


class FakeJournal:
    fresh = False

    def __init__(self):
        self.counts, self.notices, self.reads, self.writes, self.tallies = Counter(), [], [], [], []
        self.causes = []

    def cell_id(self):
        return "cell-1"

    def cell_source(self):
        return ""

    def launched(self, command):
        self.counts["launched"] += 1

    def namespace(self):
        return {}

    def file_read(self, path):
        self.reads.append(path)

    def file_written(self, path):
        self.writes.append(path)

    def task_reused(self, task_run):
        self.counts["reused"] += 1

    def task_submitted(self, name):
        self.counts["submitted"] += 1

    def task_finished(self, task_run):
        self.counts[task_run.status] += 1

    def effect(self, what):
        self.counts[what] += 1

    def notice(self, text):
        self.notices.append(text)

    def task_causes(self, causes):
        self.causes += [(one.ingredient, one.before, one.after, one.count) for one in causes]

    def progress(self, tallies):
        self.tallies.append(tallies)


class FakeIdentity:
    def value(self, value, where):
        return digest_bytes(repr(value).encode())

    def function(self, function):
        return {"function": function.__name__}
