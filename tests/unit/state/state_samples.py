"""Cells that leave values in ``x``: pairs that are equal, and lists in which no two are."""

from __future__ import annotations

import sys

# Each pair of cells leaves x with an equal value.
EQUAL = {
    "sets built in another order": ("x = {f'k{i}' for i in range(99)}", "x = set(f'k{i}' for i in reversed(range(99)))"),
    "sets with holes": ("x = set(range(9)) - {3}", "x = set(range(900)); x &= set(range(9)); x.discard(3)"),
    "sets of tuples": ("x = {(i, str(i)) for i in range(50)}", "x = {(i, str(i)) for i in range(49, -1, -1)}"),
    "sets of mixed types": ("x = {1, 'a', 2.5, None, b'x'}", "x = {b'x', None, 2.5, 'a', 1}"),
    "frozen sets in sets": ("x = {frozenset('ab'), frozenset('cd')}", "x = {frozenset('dc'), frozenset('ba')}"),
    "interned strings": ("x = ['ab c', 'ab c']", "x = ['ab c', ' '.join(['ab', 'c'])]"),
    "one tuple twice": ("t = (1, 2); x = [t, t]", "x = [(1, 2), tuple([1, 2])]"),
    "one float twice": ("f = 1.5; x = [f, f]", "x = [float('1.5'), float('1.5')]"),
    "large int twice": ("i = 10**50; x = [i, i]", "x = [10**50, int('1' + '0' * 50)]"),
    "list with spare room": ("x = [1, 2]", "x = [1, 2, 3]; x.pop()"),
    "dict with holes": ("x = {'a': 1, 'c': 2}", "x = {'a': 1, 'b': 0, 'c': 2}; del x['b']"),
    "bytes and joined": ("x = b'abcd' * 9", "x = b''.join([b'abcd'] * 9)"),
    "instance attributes": (
        "class A: pass\nx = A(); x.p = 1; x.q = 2",
        "class A: pass\nx = A(); x.__dict__.update(p=1, q=2)",
    ),
    "attribute removed again": ("class A: pass\nx = A(); x.p = 1", "class A: pass\nx = A(); x.p = 1; x.q = 2; del x.q"),
    "layout of code": ("def x(a, b=2):\n    return a + b", "# why\n\ndef x(a,\n      b=2):  # note\n    return (a + b)"),
    "lambda moved": ("x = lambda q: q + 1", "\n\ny = 3;  x = (lambda   q:\n   q + 1)"),
    "quotes": ("def x(): return 'a'", 'def x(): return "a"'),
    "class moved": ("class x:\n  p = 1\n  def m(self): return 1", "\n\nclass x:\n\n  def m(self):\n    return 1\n  p = 1"),
    "views": ("import numpy as np; x = np.arange(10)[2:5]", "import numpy as np; x = np.arange(2, 5)"),
    "steps": ("import numpy as np; x = np.arange(10)[::2]", "import numpy as np; x = np.arange(0, 10, 2)"),
    "orders": (
        "import numpy as np; x = np.arange(6.).reshape(2, 3)",
        "import numpy as np; x = np.asfortranarray(np.arange(6.).reshape(2, 3))",
    ),
    "transposed twice": ("import numpy as np; x = np.ones((3, 4))", "import numpy as np; x = np.ones((4, 3)).T"),
    "large orders": (
        "import numpy as np; x = np.arange(600_000.).reshape(3, 200, 1000)",
        "import numpy as np; x = np.asfortranarray(np.arange(600_000.).reshape(3, 200, 1000))",
    ),
    "read-only": ("import numpy as np; x = np.ones(3)", "import numpy as np; x = np.ones(3); x.flags.writeable = False"),
    "padding": (
        "import numpy as np; x = np.zeros(4, np.dtype([('a', 'i1'), ('b', 'f8')], align=True)); x['a'] = 1",
        "import numpy as np; x = np.frombuffer(bytes(range(64)), np.dtype([('a', 'i1'), ('b', 'f8')], align=True)).copy();"
        "x['a'] = 1; x['b'] = 0",
    ),
    "long doubles": (
        "import numpy as np; x = np.array([1, 2], np.longdouble)",
        "import numpy as np; x = np.frombuffer(b'\\xff' * 32, np.longdouble).copy(); x[0] = 1; x[1] = 2",
    ),
    "object arrays": (
        "import numpy as np; x = np.array(['a', None, 1], object)",
        "import numpy as np; x = np.array([0, 'a', None, 1], object)[1:]",
    ),
    "byte order named": (
        "import numpy as np; x = np.ones(3, '<f8')",
        f"import numpy as np; x = np.ones(3, '{'=' if sys.byteorder == 'little' else '<'}f8')",
    ),
    "consolidated frames": (
        "import pandas as pd; x = pd.DataFrame({'a': [1., 2.], 'b': [3., 4.]})",
        "import pandas as pd; x = pd.DataFrame({'a': [1., 2.]}); x['b'] = [3., 4.]",
    ),
    "frame columns taken": (
        "import pandas as pd; x = pd.DataFrame({'a': [1, 2], 'b': ['u', 'v']})",
        "import pandas as pd; x = pd.DataFrame({'c': 0, 'b': ['u', 'v'], 'a': [1, 2]}, index=[0, 1])[['a', 'b']]"
        ".reset_index(drop=True)",
    ),
    "index caches": (
        "import pandas as pd; x = pd.Series([1, 2], index=['a', 'b'])",
        "import pandas as pd; x = pd.Series([1, 2], index=['a', 'b']); x.loc['b']; x.index.is_unique; repr(x)",
    ),
    "masked values": (
        "import pandas as pd; x = pd.array([1, None, 3], dtype='Int64')",
        "import pandas as pd; x = pd.array([1, 2, 3], dtype='Int64'); x[1] = None",
    ),
    "frame after use": (
        "import pandas as pd; x = pd.DataFrame({'a': [2, 1]})",
        "import pandas as pd; x = pd.DataFrame({'a': [2, 1]}); x.groupby('a').sum(); x.describe(); x.to_string(); x.loc[1]",
    ),
    "paths": ("import pathlib; x = pathlib.Path('a/b')", "import pathlib; x = pathlib.Path('a') / 'b'; hash(x); str(x); x.parts"),
    "patterns": ("import re; x = re.compile('a+')", "import re; x = re.compile('a+', 0); x.match('aa')"),
    "fractions": ("from fractions import Fraction as F; x = F(1, 2)", "from fractions import Fraction as F; x = F(2, 4)"),
    "deques": (
        "from collections import deque; x = deque([1, 2, 3])",
        "from collections import deque; x = deque([0, 1, 2]); x.append(3); x.popleft()",
    ),
    "counters": ("from collections import Counter; x = Counter('aab')", "from collections import Counter; x = Counter(a=2, b=1)"),
    "cached properties of code": (
        "def x(): return 1",
        "def x(): return 1\nimport inspect; inspect.signature(x); x.__annotations__; x.__dict__",
    ),
    "slot names": (
        "class A: pass\nx = A",
        "import pickle\nclass A: pass\ntry: pickle.dumps(A())\nexcept Exception: pass\nx = A",
    ),
}  # fmt: skip

# The values of each list all differ.
DIFFERENT = {
    "kinds of one": ["1", "1.0", "True", "'1'", "b'1'", "1+0j", "[1]", "(1,)", "{1}", "frozenset([1])", "{1: 1}", "None"],
    "empty": ["[]", "()", "{}", "set()", "frozenset()", "''", "b''", "bytearray()", "None", "0", "False", "range(0)"],
    "zeros": ["0.0", "-0.0", "0", "0j", "-0j", "complex(-0.0, 0)", "False"],
    "not a number": [
        "float('nan')",
        "-float('nan')",
        "__import__('struct').unpack('<d', b'\\x01\\0\\0\\0\\0\\0\\xf8\\x7f')[0]",
    ],
    "order": ["{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}", "[('a', 1), ('b', 2)]"],
    "nesting": ["[[1], [2]]", "[[1, 2], []]", "[[], [1, 2]]", "[1, [2]]", "[[1], 2]", "[[[1]], [2]]", "[1, 2]"],
    "shared": ["[[], []]", "(lambda q: [q, q])([])", "[[], [], []]"],
    "shared more": ["(lambda a, b: [a, b, a, b])([], [])", "(lambda a, b: [a, b, b, a])([], [])", "[[], [], [], []]"],
    "recursive": [
        "(lambda q: (q.append(q), q)[1])([])",
        "(lambda q: (q.append([q]), q)[1])([])",
        "(lambda q, r: (q.append(r), r.append(q), q)[2])([], [])",
        "[[]]",
    ][:2] + ["[[]]"],
    "keys": ["{1: 'a'}", "{True: 'a'}", "{1.0: 'a'}", "{(1,): 'a'}"],
    "text": ["'é'", "'e\\u0301'", "'\\ud800'", "'\\udfff'", "b'\\xc3\\xa9'", "'é\\0'"],
    "integers": ["2**31", "2**31 - 1", "-2**31", "2**63", "2**64", "-1", "255", "256", "10**400"],
    "dtypes": [
        f"__import__('numpy').zeros(4, '{kind}')"
        for kind in ("f8", "f4", ">f8", "i8", "u8", "i4", "?", "c8", "S4", "U4", "M8[s]", "M8[ns]", "m8[s]", "O", "V8", "g")
    ],
    "shapes": [f"__import__('numpy').zeros({shape})" for shape in ("6", "(2, 3)", "(3, 2)", "(6, 1)", "(1, 6)", "()", "(0, 3)", "(3, 0)")],
    "arrays": [
        "__import__('numpy').array([0.0, 1])",
        "__import__('numpy').array([-0.0, 1])",
        "__import__('numpy').array([1, 0.0])",
        "__import__('numpy').rec.array([0.0, 1])",
        "__import__('numpy').ma.array([0.0, 1])",
        "__import__('numpy').ma.array([0.0, 1], mask=[True, False])",
        "__import__('numpy').ma.array([0.0, 1], mask=[False, True])",
        "__import__('numpy').ma.array([0.0, 1], mask=[False, True], fill_value=7)",
        "[0.0, 1.0]",
    ],
    "scalars": [
        "1.0", "__import__('numpy').float64(1)", "__import__('numpy').float32(1)", "__import__('numpy').array(1.0)",
        "__import__('numpy').int64(1)", "__import__('numpy').bool_(True)", "__import__('numpy').str_('1')",
    ],
    "fields": [
        f"__import__('numpy').zeros(2, {kind})"
        for kind in ("[('a', 'i4'), ('b', 'i4')]", "[('b', 'i4'), ('a', 'i4')]", "[('a', 'i4'), ('b', 'f4')]", "'i8'")
    ],
    "shared memory": [
        "(lambda a: [a, a])(__import__('numpy').arange(4.))",
        "(lambda a: [a, a[:]])(__import__('numpy').arange(4.))",
        "(lambda a: [a, a.copy()])(__import__('numpy').arange(4.))",
    ],
    "where views lie": [
        "(lambda a: [a, a[:2]])(__import__('numpy').zeros(4))",
        "(lambda a: [a, a[1:3]])(__import__('numpy').zeros(4))",
        "(lambda a: [a, a[::2]])(__import__('numpy').zeros(4))",
        "(lambda a: [a, a[2:]])(__import__('numpy').zeros(4))",
        "(lambda a: [a, a[:2].copy()])(__import__('numpy').zeros(4))",
    ],
    "frames": [
        f"__import__('pandas').DataFrame({text})"
        for text in (
            "{'a': [1, 2], 'b': [3, 4]}", "{'b': [3, 4], 'a': [1, 2]}", "{'a': [1., 2], 'b': [3, 4]}",
            "{'a': [1, 2], 'b': [3, 4]}, index=[1, 0]", "{'a': [1, 2], 'b': [3, 4]}, index=[0, 1]",
            "{'a': [1, 2], 'b': [3, 4]}, index=['0', '1']", "{'a': ['1', '2'], 'b': [3, 4]}",
            "{'a': [1, 2], 'b': [3, 4]}, dtype='int32'", "{'a': [1, 2], 'b': [3, 4]}, dtype='Int64'",
            "{'a': [1, 2], 'b': [3, 4]}, dtype=object", "{'a': [1, 2], 'b': [3, 5]}", "{'a': [1, 2]}",
            "{'a': [1, 2], 'b': [3, 4]}, index=__import__('pandas').RangeIndex(2, name='i')",
        )
    ],
    "attrs": [
        "__import__('pandas').Series([1])",
        "(lambda s: (s.attrs.update(unit='m'), s)[1])(__import__('pandas').Series([1]))",
        "__import__('pandas').Series([1], name='n')",
        "__import__('pandas').Series([1]).set_flags(allows_duplicate_labels=False)",
        "__import__('pandas').DataFrame([1])",
    ],
    "time zones": [
        f"__import__('pandas').to_datetime(['2020-01-01 12:00']){text}"
        for text in ("", ".tz_localize('UTC')", ".tz_localize('Europe/Rome')", ".tz_localize('Etc/GMT-1')", ".as_unit('s')")
    ] + ["__import__('pandas').date_range('2020-01-01 12:00', periods=1, freq='D')"],
    "categories": [
        f"__import__('pandas').Categorical({text})"
        for text in ("['a', 'b']", "['a', 'b'], categories=['b', 'a']", "['a', 'b'], ordered=True", "['a', 'b'], categories=['a', 'b', 'c']")
    ],
    "indexes": [
        f"__import__('pandas').{text}"
        for text in (
            "RangeIndex(3)", "Index([0, 1, 2])", "Index([0., 1, 2])", "MultiIndex.from_product([[0, 1, 2]])",
            "Index([0, 1, 2], name='a')", "CategoricalIndex([0, 1, 2])", "interval_range(0, 3)", "RangeIndex(0, 6, 2)",
        )
    ],
    "missing": ["None", "float('nan')", "__import__('pandas').NA", "__import__('pandas').NaT", "__import__('numpy').datetime64('NaT')"],
    "sparse": [
        "__import__('pandas').arrays.SparseArray([0, 0, 1])",
        "__import__('pandas').arrays.SparseArray([0, 0, 1], fill_value=1)",
        "__import__('pandas').array([0, 0, 1])",
    ],
    "dates": [
        f"__import__('datetime').{text}"
        for text in (
            "date(2020, 1, 1)", "datetime(2020, 1, 1)", "datetime(2020, 1, 1, fold=1)", "time()", "timedelta()",
            "datetime(2020, 1, 1, tzinfo=__import__('datetime').timezone.utc)",
            "datetime(2020, 1, 1, tzinfo=__import__('zoneinfo').ZoneInfo('UTC'))",
        )
    ] + ["__import__('pandas').Timestamp(2020, 1, 1)"],
    "numbers": [
        "__import__('decimal').Decimal('1.0')", "__import__('decimal').Decimal('1.00')", "__import__('decimal').Decimal('1')",
        "__import__('fractions').Fraction(1)", "1", "1.0",
    ],
    "dictionaries": [
        "{'a': 1}", "__import__('collections').OrderedDict(a=1)", "__import__('collections').Counter(a=1)",
        "__import__('collections').defaultdict(int, a=1)", "__import__('collections').defaultdict(list, a=1)",
        "__import__('types').SimpleNamespace(a=1)", "__import__('types').MappingProxyType({'a': 1})",
        "{'a': 1}.keys()", "{'a': 1}.items()", "{'a': 1}.values()",
    ],
    "sequences": [
        "[1, 2]", "(1, 2)", "__import__('collections').deque([1, 2])", "__import__('collections').deque([1, 2], 9)",
        "__import__('array').array('i', [1, 2])", "__import__('array').array('l', [1, 2])", "range(1, 3)", "slice(1, 2)",
        "bytes([1, 2])", "bytearray([1, 2])", "memoryview(bytes([1, 2]))", "iter([1, 2])",
    ],
    "generators": [
        f"(lambda g: (g.{text}, g)[1])(__import__('numpy').random.default_rng(1))"
        for text in ("random(0)", "random(1)", "random(2)", "integers(9)")
    ] + [f"__import__('random').Random({seed})" for seed in (1, 2)] + ["__import__('numpy').random.RandomState(1)"],
    "patterns": ["__import__('re').compile('a')", "__import__('re').compile(b'a')", "__import__('re').compile('a', 2)", "'a'"],
    "functions": [
        "lambda: 1", "lambda: 1.0", "lambda: True", "lambda: 2", "lambda a: 1", "lambda a=1: 1", "lambda a=2: 1", "lambda *, a=1: 1",
        "lambda *a: 1", "lambda **a: 1", "lambda: (1,)", "lambda: [1]", "lambda: y", "lambda: -0.0", "lambda: 0.0",
    ],
    "closures": ["(lambda v: lambda: v)(1)", "(lambda v: lambda: v)(2)", "(lambda v: lambda: v)([1])", "lambda: v"],
    "partials": [
        "__import__('functools').partial(max, 1)", "__import__('functools').partial(max, 2)",
        "__import__('functools').partial(min, 1)", "__import__('functools').partial(max, key=1)", "max",
    ],
    "methods": ["[].append", "[1].append", "[].pop", "''.join", "' '.join", "str.join"],
    "libraries": ["max", "min", "__import__('os')", "__import__('json.decoder').decoder", "__import__('json').dumps", "int", "float", "type"],
    "exceptions": ["ValueError('a')", "ValueError('b')", "TypeError('a')", "ValueError('a', 1)"],
    "enumerations": ["__import__('enum').Enum('E', 'a b')", "__import__('enum').Enum('E', 'b a')", "__import__('enum').Enum('E', 'a b').a"],
}  # fmt: skip
