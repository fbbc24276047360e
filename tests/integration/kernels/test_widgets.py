"""Widgets of cells that are restored: what only shows something is shown again, what acts on the kernel makes it run."""

from __future__ import annotations

import pytest

from tests.integration.kernels.clients import Live

VIEW = "application/vnd.jupyter.widget-view+json"
BAR = """
from ipywidgets import FloatProgress, HBox, HTML
from IPython.display import display
bar = FloatProgress(max=4)
display(HBox([HTML('<b>work</b>'), bar]))
for n in range(4):
    bar.value += 1
"""
CELLS = {
    "bar": BAR,
    "slider": "from ipywidgets import IntSlider\nIntSlider(3)",
    "picture": "from ipywidgets import Image\nImage(value=b'GIF89a' * 5)",
    "text": "print('done')",
}


@pytest.fixture
def folder(tmp_path):
    with Live("nbrewind-audit", tmp_path) as kernel:
        for name, code in CELLS.items():
            assert kernel.run(code, name).content["status"] == "ok"
    return tmp_path


@pytest.fixture
def repeat(folder):
    with Live("nbrewind-repeat", folder) as kernel:
        yield kernel


def messages(kernel, name):
    return kernel.until_idle(kernel.start(CELLS[name], name))


def models(found):
    """State and binary parts of each model that a cell opened, by its identifier."""
    return {
        m["content"]["comm_id"]: (m["content"]["data"]["state"], m["buffers"])
        for m in found
        if m["msg_type"] == "comm_open"
    }


def views(found):
    return [m["content"]["data"][VIEW]["model_id"] for m in found if VIEW in m["content"].get("data", {})]


def lines(found):
    return [
        m["content"]["metadata"]["nbrewind"]["action"]
        for m in found
        if "nbrewind" in m["content"].get("metadata", {})
    ]


def test_a_progress_bar_is_shown_again_in_its_last_state(repeat):
    first = messages(repeat, "bar")
    assert lines(first) == ["restored"]
    known = models(first)
    (view,) = views(first)
    box, _ = known[view]
    children = [known[child.removeprefix("IPY_MODEL_")][0] for child in box["children"]]
    assert [child["_model_name"] for child in children] == ["HTMLModel", "FloatProgressModel"]
    assert (children[0]["value"], children[1]["value"], children[1]["max"]) == ("<b>work</b>", 4.0, 4.0)
    assert not [m for m in first if m["msg_type"] == "comm_msg"], "as often as it changed, it is told once"
    again = messages(repeat, "bar")
    assert not set(models(again)) & set(known), "two views never share a model by accident"


def test_binary_parts_come_back(repeat):
    found = messages(repeat, "picture")
    assert lines(found) == ["restored"]
    assert [bytes(part) for _, parts in models(found).values() for part in parts] == [b"GIF89a" * 5]


def test_a_cell_with_controls_runs(repeat):
    found = messages(repeat, "slider")
    assert lines(found) == ["executed"]
    text = next(m["content"]["data"]["text/plain"] for m in found if lines([m]))
    assert "controls that act on this kernel" in text
    comms = repeat.ask("comm_info_request", {"target_name": "jupyter.widget"})["comms"]
    assert set(views(found)) <= set(comms), "the kernel answers"
    assert lines(messages(repeat, "text")) == ["restored"]
