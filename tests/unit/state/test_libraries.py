"""Values of the libraries that notebooks use most: compared by what they hold, saved, and back; where they are installed."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.filterwarnings("ignore")

NUMPY = "import numpy as np, pandas as pd\n"
VALUES = {
    "scipy.sparse": "import scipy.sparse as s; x = [s.random(50, 50, .05, format=f, random_state=1) for f in ('csr', 'csc', 'coo', 'lil', 'dok', 'dia', 'bsr')]",
    "scipy.interpolate": "from scipy.interpolate import interp1d, CubicSpline; x = [CubicSpline([1, 2, 3], [3, 4, 1]), interp1d([1, 2], [3, 4])]",
    "scipy.optimize": "from scipy.optimize import minimize; x = minimize(lambda q: (q ** 2).sum(), [1., 2.])",
    "scipy.stats": "from scipy import stats; x = [stats.norm(0, 1), stats.gaussian_kde([1., 2, 3, 4])]",
    "scipy.spatial": NUMPY
    + "from scipy.spatial import cKDTree; x = cKDTree(np.random.default_rng(0).random((50, 3)))",
    "sklearn.linear_model": NUMPY
    + "from sklearn.linear_model import LinearRegression; x = LinearRegression().fit(np.eye(4), np.arange(4))",
    "sklearn.ensemble": NUMPY
    + "from sklearn.ensemble import RandomForestClassifier; x = RandomForestClassifier(5, random_state=0).fit(np.eye(4), [0, 1, 0, 1])",
    "sklearn.pipeline": NUMPY
    + "from sklearn.pipeline import make_pipeline; from sklearn.preprocessing import StandardScaler; from sklearn.svm import SVC\n"
    "x = make_pipeline(StandardScaler(), SVC()).fit(np.random.default_rng(0).random((20, 3)), [0, 1] * 10)",
    "pyarrow": "import pyarrow as pa; x = [pa.array([1, 2, None]), pa.table({'a': [1, 2], 'b': ['x', None]}), pa.scalar(3), pa.int8(), pa.array([[1], []])]",
    "polars": "import polars as pl; x = [pl.DataFrame({'a': [1, 2], 'b': ['x', 'y']}), pl.Series('q', [1., 2.])]",
    "xarray": NUMPY + "import xarray as xr; x = [xr.DataArray(np.arange(6.).reshape(2, 3), dims=('p', 'q')), "
    "xr.Dataset({'t': (('a', 'b'), np.arange(6.).reshape(2, 3))}, coords={'a': [1, 2]}, attrs={'u': 'm'})]",
    "sympy": "import sympy; a, b = sympy.symbols('a b'); x = [a ** 2 + sympy.sin(b) / 3, sympy.Matrix([[1, a], [b, 2]]), sympy.pi]",
    "networkx": "import networkx as nx; x = nx.karate_club_graph()",
    "statsmodels": NUMPY
    + "import statsmodels.api as sm; x = sm.OLS(np.arange(10.), sm.add_constant(np.random.default_rng(0).random(10))).fit()",
    "pandas": NUMPY
    + "x = [pd.period_range('2020-01', periods=3, freq='M'), pd.Timedelta('1h'), pd.Interval(0, 1), pd.offsets.BDay(2), "
    "pd.Series([1., 2, 3]).rolling(2), pd.DataFrame({'a': [1, 2]}, index=pd.MultiIndex.from_tuples([(1, 'a'), (2, 'b')], names=['p', 'q']))]",
    "pandas of strings": NUMPY
    + "x = pd.DataFrame({'s': [str(i) for i in range(2000)], 'n': ['a', None] * 1000}); y = x['s'].str.upper(); z = x.iloc[5:9]",
    "numpy": NUMPY
    + "x = [np.poly1d([1, 2]), np.polynomial.Polynomial([1, 2]), np.vectorize(abs), np.add, np.s_[1:2], np.errstate(all='ignore')]",
    "IPython": "from IPython.display import HTML, Markdown; x = [HTML('<b>'), Markdown('a')]",
    "rich": "from rich.table import Table; x = Table('a', 'b'); x.add_row('1', '2')",
    "typing": "import typing; x = [typing.Optional[int], dict[str, int], int | None, typing.Any]\n"
    "class P(typing.Protocol):\n  def m(self) -> int: ...\nclass D(typing.TypedDict, total=False):\n  a: int\nN = typing.NewType('N', int)",
    "the standard library": "import operator, uuid, ipaddress, decimal, zoneinfo, datetime, string, argparse, configparser, collections\n"
    "import xml.etree.ElementTree as E\n"
    "x = [operator.itemgetter(1), uuid.UUID(int=3), ipaddress.ip_address('1.2.3.4'), decimal.Context(prec=3), zoneinfo.ZoneInfo('Europe/Rome'), "
    "datetime.timezone(datetime.timedelta(hours=1)), string.Template('$a'), collections.UserDict(a=1), E.fromstring('<a><b/></a>')]\n"
    "p = argparse.ArgumentParser(prog='p'); p.add_argument('--a', type=int); q = p.parse_args([]); c = configparser.ConfigParser(); c.read_string('[a]\\nb=1')",
    "attrs": "import attrs\n@attrs.define\nclass A:\n  a: int\n  b: list = attrs.field(factory=list)\nx = A(1)",
    "functools": "import functools\n@functools.singledispatch\ndef f(a): return a\n@f.register\ndef g(a: int): return -a\n"
    "@functools.lru_cache(None)\ndef h(a): return a + 1\nx = [f, h]; h(1)\n"
    "@functools.total_ordering\nclass T:\n  def __eq__(s, o): return True\n  def __lt__(s, o): return False",
}


@pytest.mark.parametrize("name", VALUES)
def test_values_of_libraries(notebook, again, name):
    pytest.importorskip(name.partition(" ")[0]) if name not in ("the standard library",) else None
    notebook.run(VALUES[name])
    names = [each for each in notebook.names if type(notebook.ns[each]).__name__ != "module"]
    known = notebook.covariables(*names)
    again(*names)
    assert notebook.covariables(*names) == known
    other = type(notebook)(notebook.shelf).run(VALUES[name])
    assert {each: found.digest for each, found in other.covariables(*names).items()} == {
        each: found.digest for each, found in known.items()
    }


def test_caches_of_dispatch_do_not_count(notebook):
    notebook.run(VALUES["functools"])
    before = notebook.digest("f")
    notebook.run("f(3); f('a'); f(2.5)")
    assert notebook.digest("f") == before


def test_what_a_function_remembers_counts(notebook):
    """`cache_info` shows it."""
    notebook.run(VALUES["functools"])
    before = notebook.digest("h")
    notebook.run("h(5)")
    assert notebook.digest("h") != before


def test_cached_functions_count_by_what_they_do(notebook):
    one = notebook.run("import functools\n@functools.cache\ndef f(a): return a").digest("f")
    assert notebook.run("@functools.cache\ndef f(a): return -a").digest("f") != one


def test_restored_dispatch(notebook, again):
    back = again_names = notebook.run(VALUES["functools"])
    back = again("f", "g", "h").ns
    assert (back["f"](2), back["f"]("a"), back["h"](1)) == (-2, "a", 2)
    assert again_names is notebook


class TestMemoryMaps:
    CELL = "import numpy as np\nm = np.memmap('m.bin', 'f8', 'w+', shape=(1000,)); m[:] = 3; v = m[10:20]"

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        self.path = tmp_path / "m.bin"

    def test_map_the_file_again(self, notebook, again):
        back = again_of(notebook.run(self.CELL), again, "m")
        back["m"][5] = 7
        back["m"].flush()
        assert notebook.ns["m"][5] == 7

    def test_only_if_it_holds_what_it_held(self, notebook, shelf):
        from conftest import Kernel

        known = notebook.run(self.CELL).save("m")
        notebook.run("m[0] = 9; m.flush()")
        with pytest.raises(Exception, match="no longer holds what was mapped"):
            Kernel(shelf, known).restore("m")

    def test_a_file_that_was_replaced(self, notebook):
        notebook.run(self.CELL)
        self.path.unlink()
        self.path.write_bytes(b"short")
        assert notebook.covariables("m")["m"].digest
        notebook.save("m")
        assert [problem.name for problem in notebook.problems] == ["m"]


def again_of(notebook, again, *names):
    return again(*names).ns


def test_arrow_memory_does_not_count(notebook):
    pa = pytest.importorskip("pyarrow")
    one = notebook.analyser.value(pa.array(["a", None, "c"])).digest
    cut = pa.array(["z", "a", None, "c", "y"]).slice(1, 3)
    chunked = pa.chunked_array([["a"], [None, "c"]])
    assert notebook.analyser.value(cut).digest == one
    assert (
        notebook.analyser.value(chunked).digest
        != notebook.analyser.value(pa.chunked_array([["a", "c"], [None]])).digest
    )
    assert (
        notebook.analyser.value(chunked).digest
        == notebook.analyser.value(pa.chunked_array([["a", None], ["c"]])).digest
    )
    assert (
        notebook.analyser.value(pa.array([1, None])).digest
        != notebook.analyser.value(pa.array([1, 0])).digest
    )


def test_sparse_caches_do_not_count(notebook):
    pytest.importorskip("scipy")
    notebook.run("import scipy.sparse as s; x = s.random(50, 50, .05, format='csr', random_state=1)")
    before = notebook.digest()
    notebook.run("x.has_sorted_indices; x.has_canonical_format; x @ x; repr(x)")
    assert notebook.digest() == before
    notebook.run("x.data[0] += 1")
    assert notebook.digest() != before
