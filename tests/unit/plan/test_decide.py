"""Hit or miss from evidence, and the forecast of a whole notebook."""

from __future__ import annotations

from attrs import evolve
from IPython.core.inputtransformer2 import TransformerManager

from nbrewind.cells.code import read_cell
from nbrewind.plan.decide import Hit, Miss, code_change, decide
from nbrewind.plan.forecast import PlannedCell, forecast
from nbrewind.plan.sentences import sentences
from nbrewind.record.model import CellRun, Covariable, Evidence, Reason, TaskCount


def one(name: str, digest: str, **more) -> Covariable:
    return Covariable((name,), {name: digest}, digest, **more)


class World:
    """Present digests from dictionaries."""

    def __init__(self, variables=(), living=(), **digests):
        self.held = {name: made for made in variables for name in made.names}
        self.living = set(living)
        self.digests = digests

    def digest(self, kind, name):
        if kind == "variable":
            return self.held[name].digests[name] if name in self.held else None
        return self.digests.get(kind, {}).get(name)

    def covariable(self, name):
        return self.held.get(name)

    def is_live_opaque(self, name):
        return name in self.living


def trace(*evidence: Evidence, **more) -> CellRun:
    return CellRun("r1", 0, "c", "b3:code", "source", 0.0, 1.0, "executed", evidence=evidence, **more)


X = Evidence("variable", "x", "b3:1")


def test_evidence_that_holds():
    assert decide([trace(X)], World([one("x", "b3:1")])) == Hit(trace(X))


def test_nothing_recorded():
    assert decide([], World()) == Miss(())


def test_the_older_trace_serves():
    older = trace(X)
    newer = evolve(trace(Evidence("variable", "x", "b3:2")), run="r2")
    assert decide([newer, older], World([one("x", "b3:1")])) == Hit(older)


def test_the_nearest_trace_gives_the_reasons():
    far = trace(Evidence("variable", "x", "b3:9"), Evidence("file", "./f", "b3:9"))
    near = trace(Evidence("variable", "x", "b3:1"), Evidence("file", "./f", "b3:8"))
    found = decide([far, near], World([one("x", "b3:1")], file={"./f": "b3:7"}))
    assert isinstance(found, Miss)
    assert [(reason.kind, reason.name) for reason in found.because] == [("file", "./f")]


def test_a_name_that_was_absent_and_is_not():
    found = decide([trace(Evidence("variable", "sum", None))], World([one("sum", "b3:5")]))
    assert isinstance(found, Miss)
    assert sentences(found.because) == "sum is now defined"


def test_variables_seen_together():
    together = Evidence("covariable", "a b", "b3:ab")
    pair = Covariable(("a", "b"), {"a": "b3:a", "b": "b3:b"}, "b3:ab")
    assert isinstance(decide([trace(together)], World([pair])), Hit)
    assert isinstance(decide([trace(together)], World([one("a", "b3:a"), one("b", "b3:b")])), Miss)


def test_variables_seen_apart_must_be_apart():
    apart = trace(Evidence("variable", "a", "b3:a"), Evidence("variable", "b", "b3:b"))
    pair = Covariable(("a", "b"), {"a": "b3:a", "b": "b3:b"}, "b3:ab")
    assert isinstance(decide([apart], World([one("a", "b3:a"), one("b", "b3:b")])), Hit)
    assert isinstance(decide([apart], World([pair])), Miss)


def test_what_is_alive_is_acted_on():
    found = decide([trace(X)], World([one("x", "b3:1", opaque="a manager")], living=["x"]))
    assert isinstance(found, Miss)
    assert found.because[0].kind == "live"


def test_traces_that_never_serve():
    world = World([one("x", "b3:1")])
    for poor in (trace(X, open="a child"), trace(X, volatile=True), trace(X, tasks=TaskCount(failed=1))):
        assert isinstance(decide([poor], world), Miss)


def test_a_trace_whose_outputs_are_gone():
    gone = Reason("unsaved", "its output")
    assert decide([trace(X)], World([one("x", "b3:1")]), lambda _trace: gone) == Miss((gone,), trace(X))


def test_the_line_that_changed():
    assert code_change("a = 1\nb = 2", "a = 1\nb = 3") == Reason("code", "line 2", "b = 2", "b = 3")


def cell(index: int, source: str) -> PlannedCell:
    return PlannedCell(index, f"c{index}", read_cell(source, TransformerManager().transform_cell))


def test_forecast_folds_over_the_notebook():
    cells = [cell(0, "x = 1"), cell(1, "y = x + 1"), cell(2, "print('apart')"), cell(3, "print(y)")]
    made = [
        trace(covariables=(one("x", "b3:x"),)),
        trace(Evidence("variable", "x", "b3:x"), covariables=(one("y", "b3:y"),)),
        trace(),
        trace(Evidence("variable", "y", "b3:y")),
    ]
    traces = {planned.code.digest: [run] for planned, run in zip(cells, made, strict=True)}
    last = {planned.cell_id: run for planned, run in zip(cells, made, strict=True)}

    def verdicts(edited):
        return [row.verdict for row in forecast(edited, World(), lambda code: traces.get(code, []), last)]

    assert verdicts(cells) == ["restored"] * 4
    assert verdicts([cell(0, "x = 2"), *cells[1:]]) == ["executed", "may run", "restored", "may run"]
    assert verdicts([cells[0], cell(1, "y = x + 2"), *cells[2:]]) == [
        "restored",
        "executed",
        "restored",
        "may run",
    ]


def test_causes_of_submitted_tasks_in_words():
    from nbrewind.plan.sentences import task_sentences
    from nbrewind.record.model import TaskCause

    one = TaskCause(3, "arg", "argument 2 of 5", "3", "33")
    two = TaskCause(2, "global", "global k", "1", "2", uniform=False)
    assert task_sentences([one, two]) == "3: argument 2 of 5 (3 → 33); 2: global k (e.g. 1 → 2)"
    assert task_sentences([TaskCause(9, "new", "new")]) == ""
    assert task_sentences([one, TaskCause(9, "new", "new")]).endswith("; 9: new")
    assert task_sentences([one] * 5).endswith("and 2 more causes")
