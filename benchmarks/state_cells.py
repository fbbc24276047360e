"""A notebook of 14 cells with 281 MB of state, what must be true of that state, and 24 changes in place.

All plain code: each recorder runs the same text.
"""

from __future__ import annotations

CELLS = [
    """
import collections, datetime, decimal, io, itertools, json, os, random
import matplotlib
matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
""",
    """
rng = np.random.default_rng(7)
big = rng.random(12_500_000)
same = big
window = big[1_000_000:2_000_000]
""",
    """
frame = pd.DataFrame({f"c{n}": rng.random(1_000_000) for n in range(10)})
frame["group"] = np.arange(len(frame)) % 100
""",
    """
frame["c0"] *= 2
frame.loc[frame["c1"] < 0.01, "c2"] = -1.0
""",
    """
class Ridge:
    def __init__(self, strength):
        self.strength = strength

    def fit(self, x, y):
        self.data = x
        self.weights = np.linalg.solve(x.T @ x + self.strength * np.eye(x.shape[1]), x.T @ y)
        return self

    def predict(self, x):
        return x @ self.weights * scale

scale = 1.0
""",
    """
design = rng.random((1_000_000, 9))
model = Ridge(0.5).fit(design, frame["c3"].to_numpy())
""",
    """
window[:3] = [-1.0, -2.0, -3.0]
""",
    """
handle = open("notes.txt", "w+")
handle.write("first line\\n")
handle.flush()
""",
    """
scaled = lambda value: value * scale

def counter():
    count = 0
    def step():
        nonlocal count
        count += 1
        return count
    return step

step = counter()
step()
""",
    """
nested = {"big": big, "frame": frame, "model": model, "order": ["z", "a", "m"]}
both = [nested, nested]
""",
    """
figure, axes = plt.subplots()
axes.plot([0, 1, 2], [4, 5, 3], label="line")
axes.set_title("a title")
""",
    """
step()
model.strength = 2.0
""",
    """
masked = np.ma.masked_less(rng.random(1_200_000), 0.5)
when = pd.date_range("2024-02-28", periods=3, freq="D", tz="Europe/Paris")
table = collections.OrderedDict(b=2, a=1)
""",
    """
draws = [round(float(rng.random()), 6), random.Random(3).random()]
print(draws[0])
""",
]
"""Arrays, views and aliases, a frame changed in place, a model, a generator, a file."""

CHECKS = [
    "[float(big[0]), float(big.sum()), big.shape]",
    "same is big",
    "bool(np.shares_memory(window, big))",
    "big[1_000_000:1_000_003].tolist()",
    "[frame.shape, list(map(str, frame.dtypes))]",
    "[float(frame['c0'].sum()), int((frame['c2'] == -1.0).sum())]",
    "type(model) is Ridge and isinstance(model, Ridge)",
    "model.data is design",
    "[model.weights.round(9).tolist(), model.strength]",
    "nested['big'] is big and nested['frame'] is frame",
    "both[0] is both[1] is nested",
    "nested['model'] is model",
    "[handle.name, handle.mode, handle.closed, handle.tell()]",
    "step()",
    "[axes.get_title(), axes.lines[0].get_ydata().tolist(), axes.figure is figure]",
    "[int(masked.count()), float(masked.sum())]",
    "[str(when.tz), when.freqstr, when.is_monotonic_increasing]",
    "list(table.items())",
    "round(float(rng.random()), 9)",
    "(globals().__setitem__('scale', 10.0), scaled(2), float(model.predict(np.ones((1, 9)))[0]))[1:]",
]
"""Expressions whose values must be those of the notebook that was never interrupted."""

SETUP = """
import array, bisect, collections, copy, datetime, decimal, functools, operator, types
import numpy as np
import pandas as pd

class Box:
    shared = [0]
    def __init__(self):
        self.value = 0
        self.items = []
    def add(self, item):
        self.items.append(item)
        return self

def held(first, into=[]):
    into.append(first)
    return into

def make():
    inner = []
    def put(value):
        inner.append(value)
        return inner
    return put

put = make()
box, other = Box(), Box()
boxes = {"a": box}
numbers = list(range(5))
inner = numbers
pairs = {"x": [1], "y": {"z": 2}}
unique = {1, 2}
queue = collections.deque([1, 2, 3], maxlen=5)
counts = collections.Counter("aab")
fallback = collections.defaultdict(list)
data = np.arange(12.0).reshape(3, 4)
row, turned = data[1], data.T
records = np.zeros(3, dtype=[("n", int), ("x", float)])
frame = pd.DataFrame({"n": [1, 2, 3], "t": list("abc")})
column = frame["n"]
series = pd.Series([1.0, 2.0], index=["a", "b"])
raw = bytearray(b"abc")
packed = array.array("i", [1, 2])
space = types.SimpleNamespace(a=1)
chosen = functools.partial(operator.add, 1)
objects = np.empty(2, dtype=object)
objects[0], objects[1] = [1], [2]
walk = iter([1, 2, 3])
"""
MUTATIONS = [
    "numbers.append(5)",
    "inner[0] = -1",
    "pairs['y']['z'] += 1",
    "pairs['x'] += [2]",
    "unique.discard(1)",
    "queue.rotate(1)",
    "counts.update('b')",
    "fallback['new']",
    "row[0] = -1.0",
    "turned += 1",
    "np.multiply(data, 2, out=data)",
    "records['x'][1] = 2.5",
    "frame.loc[0, 'n'] = 10",
    "frame.insert(1, 'k', 7)",
    "series['c'] = 3.0",
    "raw[0] = 65",
    "packed.append(3)",
    "boxes['a'].add(1)",
    "Box.shared.append(1)",
    "setattr(other, 'value', 3)",
    "held(4)",
    "put('p')",
    "space.__dict__.update(b=2)",
    "objects[0].append(9)",
]
"""Changes that bind no name anew."""
SEEN = [
    "numbers",
    "inner",
    "pairs['y']",
    "pairs['x']",
    "sorted(unique)",
    "list(queue)",
    "sorted(counts.items())",
    "sorted(fallback)",
    "data[1].tolist()",
    "turned.tolist()",
    "data.tolist()",
    "records.tolist()",
    "frame['n'].tolist()",
    "list(frame.columns)",
    "sorted(series.index)",
    "bytes(raw).decode()",
    "packed.tolist()",
    "box.items",
    "Box.shared",
    "other.value",
    "list(held.__defaults__[0])",
    "put.__closure__[0].cell_contents[:]",
    "sorted(vars(space))",
    "objects[0]",
]
"""Where each of them shows."""


def asked(expressions: list[str]) -> str:
    """A cell that prints what the expressions are worth, as JSON; an error is its name."""
    return f"""
import json as _json

def _worth(_text):
    try:
        return repr(eval(_text, globals()))
    except Exception as _error:
        return type(_error).__name__

print(_json.dumps([_worth(_text) for _text in {expressions!r}]))
"""
