"""A notebook's namespace for tests: cells are run with their source known, as IPython does."""

import linecache
import types

from nbrewind.tasks.content import Contents
from nbrewind.tasks.identity import NotebookIdentity
from nbrewind.tasks.keys import Draft, Key, draft_key
from nbrewind.tasks.software import Software
from nbrewind.tasks.spec import Call, Spec

_count = 0


class Notebook:
    def __init__(self, *cells, base="."):
        self.module = types.ModuleType("__main__")
        self.namespace = self.module.__dict__
        contents = Contents()
        self.contents = contents
        self.identity = NotebookIdentity(lambda: self.namespace, contents, Software(contents, base))
        for cell in cells:
            self.run(cell)

    def run(self, source):
        global _count
        _count += 1
        name = f"<notebook {_count}>"
        linecache.cache[name] = (len(source), None, source.splitlines(True), name)
        exec(compile(source, name, "exec"), self.namespace)

    def spec(self, call, **more):
        """Describe a Python task; `call` is an expression such as ``task(f, 1, y=2)``."""

        def task(function, *args, **kwargs):
            return Spec(kind="python", name="t", call=Call(function, args, kwargs), **more)

        return eval(call, {**self.namespace, "task": task})

    def key(self, call, **more):
        """The key of a Python task, or why there is none."""
        draft = draft_key(self.spec(call, **more), self.identity, self.contents)
        return draft.finish(self.contents) if isinstance(draft, Draft) else draft

    def parts(self, call, **more):
        key = self.key(call, **more)
        assert isinstance(key, Key), key
        return dict(key.ingredients)


def key_of(call, *cells, **more):
    key = Notebook(*cells).key(call, **more)
    assert isinstance(key, Key), key
    return key.digest
