"""Three doors, one record: the kernels, ``%load_ext nbrewind`` in a stock kernel, and headless runs."""

from __future__ import annotations

import json

import nbformat
import pytest
from nbclient import NotebookClient

from nbrewind.record.store import Record
from tests.integration.kernels.clients import Live
from tests.lab import Lab

pytestmark = pytest.mark.xdist_group("doors")

CELLS = {
    "load": "%load_ext nbrewind",
    "parameters": "rate = 3  # a number",
    "imports": "import os, random\nimport numpy as np\nrandom.seed(rate)",
    "values": "a = np.arange(5) * rate\nb = a[1:]\nshared = [[1], [2]]\nalso = shared[0]",
    "code": "class Model:\n    scale = rate\n    def fit(self, x):\n        return x * self.scale * factor\nfactor = 2\nm = Model()",
    "draws": "drawn = random.random()\nprint('drawn', drawn)\ndrawn > 2",
    "changes": "also.append(m.fit(3))\nb[0] = -1",
    "files": "open('in.txt').read(); open('out.txt', 'w').write(str(a))\nos.path.exists('missing')",
    "state": "os.environ['DOOR'] = 'open'\n%cd -q sub",
    "opaque": "g = (i for i in shared)",
    "shell": "%%capture heard\n!echo said",
    "nested": "get_ipython().run_cell('inner = 1')\ninner + 1",
    "fails": "1 / 0",
    "gone": "del factor",
    "shows": "from IPython.display import display, HTML\ndisplay(HTML('<b>x</b>'))\nnp.__name__, heard.stdout",
}
SAME = """cell_id code source status evidence key covariables deleted files ambient open volatile previews types
    action because""".split()


def write(lab):
    (lab.folder / "sub").mkdir(parents=True)
    (lab.folder / "in.txt").write_text("content")
    lab.tags["fails"] = ["raises-exception"]
    return lab.write(**CELLS)


@pytest.fixture(scope="module")
def by_kernel(tmp_path_factory):
    lab = write(Lab(tmp_path_factory.mktemp("kernel")))
    lab.audit()
    return lab


@pytest.fixture(scope="module")
def by_extension(tmp_path_factory):
    lab = write(Lab(tmp_path_factory.mktemp("extension")))
    book = nbformat.read(lab.path, as_version=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NBREWIND_NOTEBOOK", str(lab.path))
        patch.setenv("NBREWIND_POLICY", "all")
        client = Stock(book, kernel_name="python3", resources={"metadata": {"path": str(lab.folder)}})
        client.execute()
    return lab


class Stock(NotebookClient):
    """A front end that tells the kernel what it knows of a cell, as JupyterLab does."""

    async def async_execute_cell(self, cell, *args, **more):
        self.kc.session.metadata = {"cellId": cell.id, "tags": list(cell.metadata.get("tags", []))}
        return await super().async_execute_cell(cell, *args, **more)


def recorded(lab):
    with Record.open(lab.record) as record:
        run = record.runs()[-1]
        assert run.status == "ok"
        return {cell.cell_id: (cell, shown(record, cell)) for cell in record.cells(run.id)}


def shown(record, cell):
    messages = json.loads(record.blob(cell.outputs)) if cell.outputs else []
    for message in messages:
        message["content"].pop("execution_count", None)
        message["content"].pop("traceback", None)
    return messages


@pytest.mark.parametrize("name", list(CELLS)[1:])
def test_the_same_trace_by_kernel_and_extension(by_kernel, by_extension, name):
    (kernel, kernel_shown), (extension, extension_shown) = (
        recorded(by_kernel)[name],
        recorded(by_extension)[name],
    )
    for field in SAME:
        assert getattr(kernel, field) == getattr(extension, field), field
    assert kernel_shown == extension_shown


def test_what_the_extension_recorded_is_restored(by_extension):
    repeat = by_extension.repeat()
    assert repeat.executed == ["load"]
    assert repeat.outputs == by_extension.repeat().outputs
    changed = by_extension.edit(parameters="rate = 4").repeat()
    assert changed.outputs == by_extension.clean()


def test_the_rest_of_a_notebook(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    with Live("python3", folder, NBREWIND_NOTEBOOK=str(folder / "nb.ipynb")) as kernel:
        kernel.run("x = 1", "a")
        kernel.run("%load_ext nbrewind", "load")
        kernel.run("%load_ext nbrewind", "load")
        kernel.run("y = x + 1", "b")
        kernel.run("%unload_ext nbrewind", "unload")
        assert kernel.run("y + 1", "c").content["status"] == "ok"
        assert kernel.run("%rewind").content["status"] == "error"
    with Record.open(folder / "nb.nbrewind") as record:
        (run,) = record.runs()
        cells = {cell.cell_id: cell for cell in record.cells(run.id)}
    assert (run.status, list(cells)) == ("ok", ["load", "b"])
    (seen,) = [one for one in cells["b"].evidence if one.name == "x"]
    assert seen.digest is not None, "what was there before counts"


def test_going_back_in_a_stock_kernel(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    with Live("python3", folder, NBREWIND_NOTEBOOK=str(folder / "nb.ipynb"), NBREWIND_POLICY="all") as kernel:
        kernel.run("%load_ext nbrewind", "load")
        kernel.run("x = [1]; y = x; g = (i for i in 'abc'); print('made')", "a")
        kernel.run("x.append(2); next(g); late = 1", "b")
        kernel.run("x.append(3); del y", "c")
        told = kernel.run("%rewind a").text
        assert "gone: late" in told
        assert "g is not saved: a made it again" in told
        assert "made" not in told.splitlines()
        assert kernel.run("print(x, y is x, next(g), 'late' in globals())").text == "[1] True a False\n"
        kernel.run("%rewind b")
        assert kernel.run("print(x, y is x, next(g), late)").text == "[1, 2] True b 1\n"


def test_nothing_is_reused_from_here_on(lab):
    cells = {"a": "x = 1", "on": "%nbrewind fresh", "b": "y = 2", "off": "%nbrewind fresh off", "c": "z = 3"}
    lab.write(**cells).audit()
    again = lab.repeat()
    assert again.executed == ["on", "b", "off"]
    assert again.because("b") == ["fresh"]
    assert "repeat of nb.ipynb, recorded in" in again.outputs[1][0]["text"]
    assert again.outputs[1][0]["text"].endswith("; nothing is reused\n")


def test_environments_from_here_on(lab):
    lab.write(a="x = 1", on="%nbrewind environments any", show="%nbrewind", bad="%nbrewind environments some")
    lab.tags = {"bad": ["raises-exception"]}
    lab.edit()
    for result in (lab.audit(), lab.repeat()):
        assert "workers' environments: any" in result.outputs[1][0]["text"]
        assert "workers' environments: any" in result.outputs[2][0]["text"]
        assert "exact|compatible|any" in str(result.outputs[3])
    assert "on" in result.executed
