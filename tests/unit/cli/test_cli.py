"""The command line as others may rely on it: forms of the JSON, exit codes, help."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import click
import nbformat
import pytest
from click.testing import CliRunner

from nbrewind import __version__, cli
from nbrewind.kernels import specs
from tests.lab import Lab

CELLS = {"a": "x = 3", "b": "y = x * 2", "c": "print(y)", "d": "z = 1"}
CELL_KEYS = {"index", "id", "action", "because", "seconds"}
RUN_KEYS = {"schema", "status", "run", "seconds", "cells", "tasks"}
RUN_ID = re.compile(r"\d{8}-\d{6}-\w{4}")

pytestmark = pytest.mark.xdist_group("cli")


def run(*arguments):
    done = CliRunner().invoke(cli.main, list(map(str, arguments)), prog_name="nbrewind")
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return SimpleNamespace(code=done.exit_code, out=done.stdout, err=done.stderr)


def told(*arguments, code=0):
    """What a command prints as JSON, and nothing else on standard output."""
    done = run(*arguments, "--json")
    assert done.code == code, done.err
    return json.loads(done.out)


def actions(body):
    return [cell["action"] for cell in body["cells"]]


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """A notebook that was audited once."""
    lab = Lab(tmp_path_factory.mktemp("cli"))
    lab.write(**CELLS)
    lab.first = told("audit", lab.path, "-q")
    return lab


# -- graph


def test_a_graph_as_json(book):
    body = told("graph", book.path)
    assert set(body) == {
        "schema",
        "cells",
        "arrows",
        "depth",
        "seconds",
        "critical",
        "critical_seconds",
        "bound",
    }
    assert [(cell["id"], cell["level"]) for cell in body["cells"]] == [(name, "recorded") for name in CELLS]
    named = [(one["from"], one["to"], one["items"]) for one in body["arrows"]]
    assert named == [(0, 1, [{"kind": "variable", "name": "x"}]), (1, 2, [{"kind": "variable", "name": "y"}])]
    assert body["depth"] == 3
    assert body["seconds"] >= body["critical_seconds"] > 0
    assert set(body["bound"]) == {"2", "4", "unlimited"}
    assert told("graph", book.path, "--run", "last") == told("graph", book.record, "--run", "last")


def test_a_graph_of_cells_that_never_ran(tmp_path):
    lab = Lab(tmp_path).write(**CELLS)
    body = told("graph", lab.path)
    assert {cell["level"] for cell in body["cells"]} == {"predicted"}
    assert [(one["from"], one["to"]) for one in body["arrows"]] == [(0, 1), (1, 2)]
    assert not lab.record.exists(), "looking at a notebook makes no record"
    assert "predicted" in run("graph", lab.path).out


def test_a_drawn_graph(book, tmp_path):
    assert 'c0 -->|"x"| c1' in run("graph", book.path, "--as", "mermaid").out
    assert run("graph", book.path, "--as", "dot", "-o", tmp_path / "cells.dot").out == ""
    assert 'c0 -> c1 [label="x"]' in (tmp_path / "cells.dot").read_text()
    failed = run("graph", book.path, "--as", "dot", "-o", tmp_path / "no" / "cells.dot")
    assert (failed.code, "cannot be written" in failed.err) == (2, True)
    assert run("graph", book.path, "-o", tmp_path / "cells.txt").code == 2
    assert run("graph", tmp_path / "none.ipynb").code == 2


def test_explicit_inputs_and_back(book, tmp_path):
    flow, back = tmp_path / "flow.ipynb", tmp_path / "back.ipynb"
    assert run("convert", book.path, "--to", "explicit", "-o", flow).code == 0
    content = nbformat.read(flow, 4)
    told = {cell.id: cell.metadata["nbrewind"] for cell in content.cells}
    assert told["b"]["inputs"] == [{"kind": "variable", "name": "x", "from": "a"}]
    assert told["b"]["outputs"] == [{"kind": "variable", "name": "y"}]
    assert told["d"]["level"] == "recorded"
    content.cells.reverse()
    nbformat.write(content, flow)
    assert run("convert", flow, "--to", "linear", "-o", back).code == 0
    order = [cell.id for cell in nbformat.read(back, 4).cells]
    assert order.index("a") < order.index("b") < order.index("c")
    content.cells[0].metadata["nbrewind"]["inputs"] = [{"kind": "variable", "name": "q", "from": "a"}]
    nbformat.write(content, flow)
    failed = run("convert", flow, "--to", "linear", "-o", back)
    assert (failed.code, "takes q from cell a, which does not leave it" in failed.err) == (2, True)
    failed = run("convert", book.path, "--to", "linear", "-o", back)
    assert (failed.code, "--to explicit" in failed.err) == (2, True)


@pytest.mark.parametrize("more", [("--verify",), ("--jobs", "2")])
def test_what_isolated_cells_cannot_do(book, more):
    failed = run("repeat", book.path, "--isolated", *more)
    assert (failed.code, "or --isolated" in failed.err) == (2, True)


# -- audit and repeat


def well_formed(body, extra=frozenset()):
    assert set(body) == RUN_KEYS | extra
    assert body["schema"] == 1
    assert RUN_ID.fullmatch(body["run"])
    assert body["seconds"] > 0
    assert set(body["tasks"]) == {"reused", "submitted", "failed", "by_cell"}
    for index, cell in enumerate(body["cells"]):
        assert set(cell) - {"saved", "why"} == CELL_KEYS
        assert (cell["index"], type(cell["id"]), type(cell["because"])) == (index, str, list)
        assert isinstance(cell["seconds"], float)
        assert cell["action"] in ("executed", "restored", "rebuilt", "failed", "skipped")
        assert all("kind" in reason for reason in cell["because"])


def test_audit_as_json(book):
    well_formed(book.first)
    assert book.first["status"] == "ok"
    assert actions(book.first) == ["executed"] * 4
    assert [cell["id"] for cell in book.first["cells"]] == list(CELLS)
    assert book.first["cells"][0]["because"] == [{"kind": "audit"}]
    assert book.first["tasks"] == {"reused": 0, "submitted": 0, "failed": 0, "by_cell": {}}


def test_repeat_as_json(book):
    body = told("repeat", book.path)
    well_formed(body)
    assert actions(body) == ["restored"] * 4
    assert [cell["because"] for cell in body["cells"]] == [[]] * 4

    changed = told("repeat", book.path, "-p", "x", "4")
    assert actions(changed) == ["executed", "executed", "executed", "restored"]
    code, variable = changed["cells"][0]["because"][0], changed["cells"][1]["because"][0]
    assert (code["kind"], code["after"]) == ("code", "x = 4")
    assert {key: variable[key] for key in ("kind", "name", "before", "after")} == {
        "kind": "variable", "name": "x", "before": "3", "after": "4",
    }  # fmt: skip


def test_what_runs_in_any_case(book):
    assert actions(told("repeat", book.path, "--rerun", "d", "--rerun", "0")) == [
        "executed",
        "restored",
        "restored",
        "executed",
    ]
    assert told("repeat", book.path, "--rerun", "d")["cells"][3]["because"] == [{"kind": "asked"}]
    fresh = told("repeat", book.path, "--fresh")
    assert actions(fresh) == ["executed"] * 4
    assert fresh["cells"][0]["because"] == [{"kind": "fresh"}]


def test_a_repeat_without_a_record_is_an_audit(tmp_path):
    lab = Lab(tmp_path).write(**CELLS)
    body = told("repeat", lab.path, "--record", tmp_path / "elsewhere")
    assert actions(body) == ["executed"] * 4
    assert (tmp_path / "elsewhere" / "record.json").exists()
    assert not lab.record.exists()


def test_rebuilt_failed_and_skipped_cells(tmp_path):
    lab = Lab(tmp_path)
    lab.write(a="g = (i for i in range(3))", b="k = 1", c="print(next(g) + k)", d="", e="1 / 0", f="'never'")
    body = told("audit", lab.path, code=1)
    well_formed(body, {"error"})
    assert (body["status"], body["error"]) == ("failed", "ZeroDivisionError: division by zero")
    assert actions(body) == ["executed"] * 3 + ["skipped", "failed", "skipped"]
    lab.edit(b="k = 2", e="'mended'")
    body = told("repeat", lab.path)
    well_formed(body)
    assert actions(body) == ["rebuilt", "executed", "executed", "skipped", "executed", "executed"]
    assert body["cells"][0]["because"] == [{"kind": "needed"}]


def test_parameters_are_python_or_text(tmp_path):
    lab = Lab(tmp_path)
    lab.tags["p"] = ["parameters"]
    lab.write(p="a = 1\nb = 2  # a number", q="print([a, b, c, d, e, f])")
    values = {"a": "-3", "b": "true", "c": "plain text", "d": "[1, 'x']", "e": "null", "f": "1e3"}
    given = [word for name, value in values.items() for word in ("-p", name, value)]
    done = run("audit", lab.path, "-q", "-o", tmp_path / "out.ipynb", *given)
    assert done.code == 0
    out = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert out.cells[1].outputs[0].text == "[-3, True, 'plain text', [1, 'x'], None, 1000.0]\n"
    assert nbformat.read(lab.path, as_version=4).cells[0].source == "a = 1\nb = 2  # a number"


def test_a_parameter_that_the_notebook_does_not_have(tmp_path):
    lab = Lab(tmp_path)
    lab.tags["p"] = ["parameters"]
    lab.write(p="%config Application.log_level = 30\nthreshold, rate = 0.5, 1", q="print(threshold)")
    text = "-p treshold is no parameter of nb.ipynb (did you mean 'threshold'?); it is set in cell 'p' all the same"
    assert told("audit", lab.path, "-p", "treshold", "1")["warnings"] == [text]
    assert f"note: {text}\n" in run("plan", lab.path, "-p", "treshold", "1").err
    assert "(its parameters: threshold, rate)" in run("plan", lab.path, "-p", "zzz", "1").err
    assert run("plan", lab.path, "-p", "threshold", "1").err == ""
    lab.tags.clear()
    lab.edit()
    done = run("plan", lab.path, "-p", "Rates", "1")
    assert (done.code, "did you mean 'rate'?" in done.err) == (2, True)


def test_what_looks_like_markup_is_printed_as_it_is(tmp_path):
    lab = Lab(tmp_path).write(a="x = '[/red] :smile:'", b="x")
    told("audit", lab.path)
    assert "x changed ('[/red] :smile:' → '[bold]')" in run("repeat", lab.path, "-p", "x", "[bold]").err
    assert "x changed ('[/red] :smile:' → '[bold]')" in run("explain", "b", lab.path).out
    assert "x = '[bold]')" in run("show", lab.path).out


def test_the_executed_notebook(book, tmp_path):
    out = tmp_path / "out.ipynb"
    body = told("repeat", book.path, "-o", out)
    written = nbformat.read(out, as_version=4)
    nbformat.validate(written)
    assert written.metadata.nbrewind == {"schema": 1, "run": body["run"], "kind": "repeat"}
    assert [cell.metadata.nbrewind.action for cell in written.cells] == ["restored"] * 4
    assert [cell.execution_count for cell in written.cells] == [1, 2, 3, 4]
    assert written.cells[2].outputs == [{"output_type": "stream", "name": "stdout", "text": "6\n"}]
    assert written.metadata.language_info.name == "python"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.ipynb"], "no temporary file is left"


def test_json_to_a_file(book, tmp_path):
    target = tmp_path / "report.json"
    done = run("repeat", book.path, "--json", target)
    assert (done.code, json.loads(target.read_text())["status"]) == (0, "ok")
    assert "4 restored" in done.out, "standard output is free for people"
    before = book.path.read_bytes()
    assert json.loads(run("repeat", "--json", book.path).out)["status"] == "ok"
    assert book.path.read_bytes() == before, "a notebook is no FILE"


def test_for_people(book):
    done = run("repeat", book.path, "-p", "x", "5")
    assert re.search(r"3 executed, 1 restored in [\d.]+ s\n", done.out)
    assert re.search(r"cell +1 +executed +\S+ m?s +x changed \(3 → 5\)", done.err)
    assert run("repeat", book.path, "-q").out == ""


# -- looking at records


def test_plan(book):
    body = told("plan", book.path)
    assert set(body) == {"schema", "cells"}
    assert actions(body) == ["restored"] * 4
    assert all(set(cell) == CELL_KEYS for cell in body["cells"])
    body = told("plan", book.path, "-p", "x", "7")
    assert actions(body) == ["executed", "may run", "may run", "restored"]
    assert body["cells"][0]["because"][0]["kind"] == "code"
    text = run("plan", book.path, "-p", "x", "7").out
    assert re.search(r"its code changed at line 2 \((now|x = \d+ →) x = 7\)", text)
    assert "by the last times" in text
    assert len(told("runs", book.path)["runs"]) == len(told("runs", book.path)["runs"]), "a plan is no run"


def test_runs_and_show(book):
    runs = told("runs", book.path)["runs"]
    assert runs[0]["id"] == book.first["run"]
    assert (runs[0]["kind"], runs[0]["status"], runs[0]["cells"], runs[0]["notebook"]) == (
        "audit",
        "ok",
        4,
        "nb.ipynb",
    )
    assert book.first["run"] in run("runs", book.path).out
    assert run("runs", "--record", book.record).code == run("runs", book.record).code == 0

    shown = told("show", book.path, "--run", book.first["run"])
    assert set(shown) == {"schema", "run", "cells"}
    assert [cell["cell_id"] for cell in shown["cells"]] == list(CELLS)
    assert told("show", book.path, "--tasks")["tasks"] == []
    text = run("show", book.path).out
    assert re.search(r"run \S+: \w+ of nb.ipynb on \S+, ok", text)
    assert run("show", book.path, "--run", "2").code == 2, "several runs begin like that"


def test_explain(book):
    run("repeat", book.path, "-p", "x", "8")
    cell = told("explain", "b", book.path)["cell"]
    assert (cell["cell_id"], cell["action"]) == ("b", "executed")
    text = run("explain", "1", book.path).out
    assert "executed: x changed (3 → 8)" in text
    assert re.search(r"x +variable +8 ", text)
    assert re.search(r"y +variable +16 ", text)


def test_explain_says_what_changed_since_the_run_before(book):
    run("repeat", book.path, "-p", "x", "21")
    run("repeat", book.path, "-p", "x", "22")
    body = told("explain", "a", book.path)
    assert body["since"]["code"] == ["- x = 21", "+ x = 22"]
    assert [(r["name"], r["before"], r["after"]) for r in body["since"]["left"]] == [("x", "21", "22")]
    assert re.search(r"code +- x = 21\n +\+ x = 22\n +left +x: 21 → 22", run("explain", "a", book.path).out)


def test_diff(tmp_path):
    lab = Lab(tmp_path)
    lab.write(a="x = 3", b="y = x * 2", c="print('y is', y)\nopen('f', 'w').write(str(y))", d="z = 1")
    first = told("audit", lab.path)["run"]
    told("repeat", lab.path)
    assert told("diff", lab.path)["same"] is True
    assert "no difference in 4 cells" in run("diff", lab.path).out
    last = told("repeat", lab.path, "-p", "x", "4")["run"]
    body = told("diff", first, "last", lab.path, code=1)
    assert body["same"] is False
    assert [each["id"] for each in body["runs"]] == [first, last]
    assert [cell["change"] for cell in body["cells"]] == ["changed"] * 3 + ["same"]
    a, b, c, _ = body["cells"]
    assert a["code"] == ["+ x = 4"]
    assert [(r["name"], r["before"], r["after"]) for r in b["read"] + b["left"]] == [
        ("x", "3", "4"),
        ("y", "6", "8"),
    ]
    assert c["outputs"] == ["- y is 6", "+ y is 8"]
    assert [(r["kind"], r["name"]) for r in c["left"]] == [("file", "./f")]
    text = run("diff", lab.path).out
    assert re.search(r"read +x: 3 → 4\n +left +y: 6 → 8\n", text)
    assert run("diff", "last~2", "last~1", lab.path).code == 0
    for wrong in (("last",), ("last~9", "last"), ("nothing", "last")):
        assert run("diff", *wrong, lab.path).code == 2


def test_variables_after_a_cell(tmp_path):
    lab = Lab(tmp_path)
    lab.write(
        a="import numpy as np\nv = np.zeros((3, 4))\nw = [v]",
        b="n = 3; g = (i for i in 'ab')",
        c="del n, v, np",
    )
    told("audit", lab.path, "--save", "all")
    body = told("show", "b", lab.path)
    known = {one["name"]: one for one in body["variables"]}
    assert set(known) == {"np", "v", "w", "n", "g"}
    assert (known["v"]["type"], known["v"]["value"]) == ("numpy.ndarray", "ndarray float64 (3, 4)")
    assert known["v"]["bytes"] >= 96
    assert known["v"]["shares"] == ["w"]
    assert (lab.record / "checkpoints" / known["v"]["file"]).exists()
    assert (known["g"]["bytes"], known["g"]["cell"], "generator" in known["g"]["unsaved"]) == (
        None,
        "cell 1",
        True,
    )
    assert {one["name"] for one in told("show", "--cell", "2", lab.path)["variables"]} == {"w", "g"}
    assert told("show", "last", "--cell", "a", lab.path)["cell"] == {"id": "a", "index": 0, "seq": 0}
    assert re.search(r"v +numpy.ndarray +ndarray float64 \(3, 4\) ", run("show", "b", lab.path).out)
    assert run("show", "nowhere", lab.path).code == run("show", "a", "b", lab.path).code == 2


def test_report(book, tmp_path):
    target = tmp_path / "page.html"
    body = told("report", book.path, "-o", target)
    assert body == {"schema": 1, "run": body["run"], "file": str(target), "bytes": target.stat().st_size}
    assert "<title>nb.ipynb: " in target.read_text("utf-8")
    done = run("report", book.first["run"], book.path, "-o", target)
    assert re.fullmatch(rf"\S+page.html: run {book.first['run']}, [\d.]+ kB\n", done.out)
    assert run("report", book.path, "-o", tmp_path / "no" / "page.html").code == 2


def test_verify(tmp_path):
    lab = Lab(tmp_path).write(a="x = 3", b="import os\nprint(os.urandom(4).hex())")
    told("audit", lab.path)
    body = told("repeat", "--verify", lab.path, code=1)
    assert (body["status"], body["verify"]["identical"], body["verify"]["different"]) == ("differs", 1, 1)
    assert [cell["verified"] for cell in body["cells"]] == ["identical", "different"]
    done = run("repeat", lab.path, "--verify", "1")
    assert re.search(r"cell 1 \(b\) different, \d compared\n  output stdout different: \w+ → \w+\n", done.out)
    assert "verified 2 cells: 1 identical, 1 different\n" in done.out
    assert run("repeat", lab.path).code == 0
    for wrong in (("--verify", "7"), ("--verify", "0"), ("--verify", "--fresh")):
        assert run("repeat", lab.path, *wrong).code == 2


def test_gc(tmp_path):
    lab = Lab(tmp_path).write(**CELLS)
    for value in "345":
        run("repeat", lab.path, "-p", "x", value)
    dry = told("gc", lab.path, "--keep-runs", "1", "--dry-run")
    assert (dry["dry_run"], len(dry["runs"])) == (True, 2)
    assert "would remove 2 runs" in run("gc", lab.path, "--keep-runs", "1", "--dry-run").out
    assert len(told("runs", lab.path)["runs"]) == 3
    assert "give --keep-runs" in run("gc", lab.path).out
    assert re.search(
        r"removed 2 runs, freed \S+ \w+; 1 run stays, in \S+ kB", run("gc", lab.path, "--keep-runs", "1").out
    )
    assert len(told("runs", lab.path)["runs"]) == 1
    assert set(actions(told("repeat", lab.path, "-p", "x", "5"))) == {"restored"}


# -- this machine


def test_doctor(tmp_path):
    body = told("doctor", "--record", tmp_path)
    checks = {check["check"]: check for check in body["checks"]}
    assert all(set(check) == {"check", "state", "found", "remedy"} for check in body["checks"])
    assert {check["state"] for check in body["checks"]} <= {"ok", "missing"}
    assert all(check["remedy"] for check in body["checks"] if check["state"] != "ok")
    assert {"Python", "ipykernel", "nbrewind-audit", "ndcctools", "vine_worker", "record's folder"} <= set(
        checks
    )
    assert "record's folder" in run("doctor", "--record", tmp_path).out


def test_doctor_finds_what_is_unusable(tmp_path):
    done = run("doctor", "--record", tmp_path / "missing" / "folder")
    assert done.code == 3
    assert "--record DIR" in done.out


def test_kernels(tmp_path):
    assert told("kernels", "list", "--prefix", tmp_path)["kernels"] == {}
    assert "not installed: nbrewind kernels install" in run("kernels", "list", "--prefix", tmp_path).out
    assert "no kernels were installed" in run("kernels", "remove", "--prefix", tmp_path).out
    assert run("kernels", "install", "--prefix", tmp_path).out.count("installed ") == 2
    folder = tmp_path / "share" / "jupyter" / "kernels"
    assert told("kernels", "list", "--prefix", tmp_path)["kernels"] == {
        n: str(folder / n) for n in specs.NAMES
    }
    for name in specs.NAMES:
        spec = json.loads((folder / name / "kernel.json").read_text())
        assert spec["display_name"] == name.replace("nbrewind-", "NBRewind ")
        assert (spec["language"], spec["metadata"]["debugger"]) == ("python", True)
        assert spec["argv"][-2:] == ["-f", "{connection_file}"]
    assert "nbrewind-audit, nbrewind-repeat" in run("kernels", "remove", "--prefix", tmp_path).out
    assert list(folder.iterdir()) == []
    assert run("kernels", "install", "--user", "--prefix", tmp_path).code == 2
    done = run("kernels", "install", "--prefix", "/proc/nowhere")
    assert (done.code, "--user" in done.err) == (2, True)


# -- help


def commands(group=cli.main, path=()):
    yield path, group
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*path, name))


@pytest.mark.parametrize("path", [path for path, _ in commands()], ids=" ".join)
def test_help_has_an_example(path):
    done = run(*path, "--help")
    assert done.code == 0
    assert re.search(rf"(Example:|\n) +nbrewind {' '.join(path[:1])}", done.out), done.out
    assert run(*path, "-h").out == done.out
    assert max(map(len, done.out.splitlines())) <= 100


def test_reporting_commands_have_json():
    silent = {(), ("kernels",), ("kernels", "install"), ("kernels", "remove")}
    silent |= {
        ("site",),
        ("site", "new"),
        ("site", "schema"),
        ("convert",),
    }  # they write files, or JSON anyway
    for path, command in commands():
        options = {option for p in command.params if isinstance(p, click.Option) for option in p.opts}
        assert ("--json" in options) is (path not in silent), path


def test_version():
    assert run("--version").out == f"nbrewind, version {__version__}\n"


# -- workers


def test_workers_of_a_run(tmp_path):
    from nbrewind.record.model import Run, TaskRun
    from nbrewind.record.store import Record

    environment = {"python": "3.13.5", "libraries": {"numpy": "2.4"}, "worker": {"cores": 4, "memory": 99}}
    with Record.open(tmp_path / "w.nbrewind") as record:
        writer = record.begin(Run(id="", kind="audit", notebook="w.ipynb", started=1.0))
        digest = writer.put(json.dumps({**environment, "notebook": {"libraries": {"numpy": "2.3"}}}).encode())
        common = {"run": writer.run.id, "cell_id": "c", "engine": "e", "kind": "python", "name": "f"}
        for number, host in enumerate(["n1 1.2.3.4:5", "n1 1.2.3.4:5", "n2 1.2.3.5:5"]):
            status = "failed" if number == 1 else "done"
            writer.task(
                TaskRun(
                    key=f"b3:{number:040x}",
                    status=status,
                    host=host,
                    seconds=2.0,
                    environment=digest,
                    **common,
                )
            )
        writer.end("ok")
    body = told("show", tmp_path / "w.nbrewind", "--workers")
    assert [(one["host"], one["tasks"], one["failed"], one["seconds"]) for one in body["workers"]] == [
        ("n1", 2, 1, 4.0),
        ("n2", 1, 0, 2.0),
    ]
    assert body["workers"][0]["libraries"] == {"numpy": ["2.4"]}
    shown = run("show", tmp_path / "w.nbrewind", "--workers").out
    assert re.search(r"n1 +1\.2\.3\.4:5 +2 +1 +4\.0 s +4 +99 MB", shown)
    assert re.search(r"numpy +2\.4 +2 +2\.3", shown)
    assert re.search(r"n1, n2 +python +3\.13\.5", shown)


def test_no_workers(book):
    assert "no task of this run" in run("show", book.path, "--workers").out
    assert told("show", book.path, "--workers")["workers"] == []
