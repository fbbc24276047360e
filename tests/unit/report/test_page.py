"""The HTML page about a run: complete, well-formed, and harmless whatever the notebook contains."""

from __future__ import annotations

import base64
import json
from html.parser import HTMLParser

import pytest

from nbrewind.record.model import (
    AmbientWrite,
    CellRun,
    Covariable,
    Evidence,
    FileWrite,
    Reason,
    Run,
    TaskCount,
    TaskRun,
)
from nbrewind.record.store import Record
from nbrewind.report.page import page
from nbrewind.report.page.outputs import LARGEST, LONGEST_TEXT, outputs
from nbrewind.report.page.sketch import sketch
from nbrewind.report.page.tree import node, write

HOSTILE = "</pre></section>'\"><script>document.title='bad'</script><img src=http://x.org/y onerror=alert(1)>\x00&amp;]]>\ud800"
VOID = {"meta", "img", "br"}


class Reader(HTMLParser):
    """Reads a document strictly: every element is closed in turn."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def all(self, name):
        return [attributes for tag, attributes in self.tags if tag == name]


def harmless(reader):
    assert not {"script", "object", "embed", "link", "form", "base"} & {tag for tag, _ in reader.tags}
    for tag, attributes in reader.tags:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        for name in ("src", "href", "action", "data"):
            assert attributes.get(name, "#").startswith(("#", "data:image/")), (tag, attributes)
    for frame in reader.all("iframe"):
        assert frame["sandbox"] == ""
        assert (
            "default-src 'none'"
            in Reader("<p>" + frame["srcdoc"].partition("<style>")[0] + "</p>").all("meta")[0]["content"]
        )


def cell(seq, name, **more):
    given = {"run": "r", "source": f"{name} = 1", "started": 1.0, "seconds": 0.5, "action": "executed"}
    return CellRun(seq=seq, cell_id=name, index=seq, code=f"b3:{seq:040x}", **{**given, **more})


def made(name, digest="b3:1"):
    return Covariable((name,), {name: digest}, digest)


@pytest.fixture
def record(tmp_path):
    with Record.open(tmp_path / "nb.nbrewind") as record:
        yield record


def text_of(record, *cells, tasks=(), **run):
    writer = record.begin(Run(**{"id": "", "kind": "audit", "notebook": "nb.ipynb", "started": 1.0, **run}))
    for each in cells:
        shown = each.pop("shown", None)
        each["outputs"] = writer.put(json.dumps(shown).encode()) if shown else ""
        each = cell(**each)
        writer.cell(
            CellRun(
                **{n: getattr(each, n) for n in CellRun.__slots__ if n != "__weakref__"} | {"run": writer.id}
            )
        )
    for each in tasks:
        writer.task(each(writer.id))
    writer.end("ok")
    return page(record, record.run("last"))


def test_everything_is_there(record):
    text = text_of(
        record,
        {"seq": 0, "name": "first", "because": (Reason("audit"),), "covariables": (made("x"),), "previews": {"=x": "42"},
         "files": (FileWrite("./made.txt", "b3:ab12"),), "ambient": (AmbientWrite("random", "b3:9", ""),)},
        {"seq": 1, "name": "second", "action": "restored", "origin": "r0/1", "tasks": TaskCount(3, 2, 1),
         "evidence": (Evidence("variable", "x", "b3:1"), Evidence("module", "numpy", "2.4.1"), Evidence("file", "./in.txt", "b3:cd")),
         "shown": [{"type": "stream", "content": {"name": "stdout", "text": "hello\n"}}]},
        tasks=[lambda run: TaskRun("b3:77", run, "second", "taskvine", "python", "fit(3)", "failed", 3, "out of memory", host="n1 10.0.0.1:5")],
    )  # fmt: skip
    reader = Reader(text)
    harmless(reader)
    words = "\n".join(reader.texts)
    for expected in (
        "nb.ipynb", "an audit runs every cell", "first = 1", "hello\n", "42", "./made.txt", "./in.txt", "random",
        "from r0/1, where it took 0.5 s", "tasks: 3 reused, 2 submitted, 1 failed", "fit(3)",
        "out of memory, exit code 3", "n1", "numpy", "2.4.1", "1 executed, 1 restored",
    ):  # fmt: skip
        assert expected in words
    assert text.startswith("<!DOCTYPE html>\n<html")
    assert {"cell-0", "cell-1"} <= {attributes.get("id") for _, attributes in reader.tags}
    assert len(reader.all("path")) == 1, "one dependency is drawn"


def test_hostile_text_everywhere(record):
    html = {"text/html": HOSTILE, "text/plain": HOSTILE}
    shown = [
        {"type": "stream", "content": {"name": HOSTILE, "text": HOSTILE}},
        {"type": "error", "content": {"ename": HOSTILE, "evalue": HOSTILE, "traceback": [HOSTILE]}},
        {"type": "display_data", "content": {"data": html}},
        {"type": "display_data", "content": {"data": {"image/svg+xml": f"<svg onload='x'>{HOSTILE}</svg>"}}},
        {"type": "display_data", "content": {"data": {"image/png": HOSTILE, "text/plain": HOSTILE}}},
        {"type": "display_data", "content": {"data": {"application/javascript": HOSTILE}}},
        {"type": "display_data", "content": {"data": {"application/json": {HOSTILE: [HOSTILE]}}}},
        {"type": "display_data", "content": {"data": {HOSTILE: HOSTILE}}},
    ]
    text = text_of(
        record,
        {"seq": 0, "name": "a", "source": HOSTILE, "because": (Reason("code", HOSTILE, HOSTILE, HOSTILE),), "shown": shown,
         "covariables": (made(HOSTILE.replace(" ", "")),), "previews": {f"={HOSTILE}": HOSTILE}, "deleted": (HOSTILE,),
         "files": (FileWrite(HOSTILE, "b3:1"),), "tasks": TaskCount(1, 1, 0)},
        {"seq": 1, "name": HOSTILE, "evidence": (Evidence("file", HOSTILE, "b3:1"), Evidence("module", HOSTILE, "1"))},
        tasks=[lambda run: TaskRun("b3:77", run, "a", "x", "python", HOSTILE, "failed", 3, HOSTILE, host=HOSTILE)],
        host=HOSTILE, user=HOSTILE, site=HOSTILE, python=HOSTILE, notebook="<script>.ipynb",
    )  # fmt: skip
    text.encode("utf-8")
    reader = Reader(text)
    harmless(reader)
    assert "<script" not in text
    assert "\x00" not in text
    assert sum("<script>document.title" in part for part in reader.texts) > 10, "it is shown, as text"


def test_pictures_and_long_outputs():
    png = base64.b64encode(b"\x89PNG").decode()
    (shown,) = outputs(
        [{"type": "display_data", "content": {"data": {"image/png": png + "\n", "text/plain": "p"}}}]
    )
    assert shown.get("src") == f"data:image/png;base64,{png}"
    (shown,) = outputs([{"type": "display_data", "content": {"data": {"image/png": "A" * (LARGEST + 4)}}}])
    assert "too large" in shown.text
    (shown,) = outputs([{"type": "stream", "content": {"name": "stdout", "text": "x" * 10 * LONGEST_TEXT}}])
    assert len(shown.text) < LONGEST_TEXT + 40
    assert shown.text.endswith("… 180 kB more")
    (shown,) = outputs([{"type": "error", "content": {"traceback": ["\x1b[31mred\x1b[0m"]}}])
    assert shown.text == "red"


def test_outputs_that_are_gone(record):
    assert "not in the record" not in text_of(record, {"seq": 0, "name": "a"})
    writer = record.begin(Run("", "audit", "nb.ipynb", 2.0))
    writer.cell(CellRun(writer.id, 0, "a", "b3:1", "x", 1.0, 1.0, "executed", outputs="b3:" + "0" * 40))
    writer.end("ok")
    assert "(its outputs are not in the record any more)" in page(record, record.run("last"))


def test_a_run_without_cells(record):
    harmless(Reader(text_of(record)))


def test_dependencies():
    cells = [
        cell(0, "a", covariables=(made("x"), made("y"))),
        cell(1, "b", evidence=(Evidence("variable", "z", None),)),
        cell(2, "c", evidence=(Evidence("covariable", "x y", "b3:3"),)),
    ]
    drawing = write(sketch(cells, ["first", "second", "third"]))
    assert drawing.count("<path") == 1
    assert "first → third: x, y" in drawing
    assert sketch(cells[1:], ["second", "third"]) is None


def test_elements():
    assert write(node("p", "a", node("br"), "b", None, node("i"), "c")) == "<p>a<br>b<i></i>c</p>"
    assert write(node("pre", "\nx")) == "<pre>\n\nx</pre>", "HTML drops the first line break"
    assert write(node("p", title='"<&')) == '<p title="&quot;&lt;&amp;"></p>'
