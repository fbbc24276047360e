"""Both kernels in JupyterLab, in a real browser: what a person sees after "Run All Cells"."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from nbrewind.kernels import specs

sync_api = pytest.importorskip("playwright.sync_api")
pytest.importorskip("jupyterlab")
CHROMIUM = os.environ.get("NBREWIND_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(600),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here"),
]

ARGUMENTS = """
    --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
    --disable-component-update --disable-sync
    """.split()
SOURCES = {
    "make": "import numpy as np\nheights = np.arange(6) ** 2",
    "plot": "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot(heights);",
    "bar": "from ipywidgets import FloatProgress\nbar = FloatProgress(value=0, max=2)\ndisplay(bar)\nbar.value = 2",
    "slider": "from ipywidgets import IntSlider\nIntSlider(3, description='level')",
    "sum": "print('the sum is', heights.sum())",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """JupyterLab's address, with its token, and the folder that it serves."""
    folder = tmp_path_factory.mktemp("lab")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(8)
    own = {f"JUPYTER_{kind}_DIR": str(folder / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    (folder / "work").mkdir()
    log = (folder / "log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", "--allow-root", "--no-browser", f"--port={port}"]
        + [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder / 'work'}"]
        + ["--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"],
        env={**os.environ, **own},
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    deadline = time.monotonic() + 120
    while socket.socket().connect_ex(("127.0.0.1", port)):
        assert process.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < deadline, (folder / "log").read_text()
        time.sleep(0.2)
    yield f"http://127.0.0.1:{port}/lab", token, folder / "work"
    process.terminate()
    process.wait(30)


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as engine:
        one = engine.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield one
        one.close()


class Window:
    """One notebook, open in JupyterLab."""

    def __init__(self, browser, server, path: Path) -> None:
        address, token, _ = server
        self.page = browser.new_page(viewport={"width": 1200, "height": 2400})
        self.page.goto(f"{address}/workspaces/{secrets.token_hex(4)}/tree/{path.name}?token={token}")
        self.page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=120_000)
        self._idle()

    def _idle(self) -> None:
        self.page.get_by_text(re.compile(r"^NBRewind \w+ \| Idle$")).wait_for(timeout=120_000)

    def run_all(self) -> list[str]:
        """Run every cell; what is shown below each, as text."""
        self.page.keyboard.press("Escape")
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_text("Run All Cells", exact=True).first.click()
        last = self.page.locator(".jp-CodeCell").last.locator(".jp-InputPrompt")
        sync_api.expect(last).to_have_text("[5]:", timeout=120_000)
        self._idle()
        self.page.wait_for_timeout(1000)
        cells = self.page.locator(".jp-CodeCell")
        return [
            "\n".join(cells.nth(n).locator(".jp-OutputArea-output").all_inner_texts())
            for n in range(cells.count())
        ]

    def count(self, selector: str) -> int:
        return self.page.locator(f".jp-OutputArea-output {selector}").count()

    def save(self) -> None:
        self.page.keyboard.press("Control+s")
        self.page.wait_for_timeout(1500)

    def close(self, picture: Path) -> None:
        self.page.screenshot(path=picture)
        self.page.evaluate(
            "async () => { const base = '/api/sessions', x = document.cookie.match(/_xsrf=([^;]*)/);"
            " for (const one of await (await fetch(base)).json())"
            " await fetch(`${base}/${one.id}`, {method: 'DELETE', headers: {'X-XSRFToken': x ? x[1] : ''}}); }"
        )
        self.page.close()


def write(path: Path, kernel: str, sources: dict[str, str]) -> None:
    book = nbformat.v4.new_notebook()
    book.metadata.kernelspec = {
        "name": kernel,
        "display_name": specs.spec(kernel)["display_name"],
        "language": "python",
    }
    book.cells = [nbformat.v4.new_code_cell(source, id=name) for name, source in sources.items()]
    nbformat.write(book, path)


def test_a_notebook_under_both_kernels(server, browser, tmp_path):
    path = server[2] / "heights.ipynb"
    write(path, "nbrewind-audit", SOURCES)
    window = Window(browser, server, path)
    shown = window.run_all()
    assert "the sum is 55" in shown[4]
    assert not any("restored" in text or "executed" in text for text in shown)
    assert (window.count("img"), window.count(".widget-hprogress"), window.count(".widget-hslider")) == (
        1,
        1,
        1,
    )
    window.save()
    window.close(tmp_path / "audit.png")
    assert path.with_suffix(".nbrewind").is_dir(), "the record lies beside the notebook"
    pictures = [
        o for cell in nbformat.read(path, 4).cells for o in cell.outputs if "image/png" in o.get("data", {})
    ]
    assert len(pictures) == 1

    write(path, "nbrewind-repeat", SOURCES)
    window = Window(browser, server, path)
    shown = window.run_all()
    for number in (0, 1, 2, 4):
        assert "↺ restored from the record: saved " in shown[number]
    assert "↺ executed: it shows controls" in shown[3]
    assert "the sum is 55" in shown[4]
    assert (window.count("img"), window.count(".widget-hprogress"), window.count(".widget-hslider")) == (
        1,
        1,
        1,
    )
    bar = window.page.locator(".widget-hprogress .progress-bar").evaluate("bar => bar.style.width")
    assert bar == "100%", "a bar that is restored stands where it ended"
    window.close(tmp_path / "unchanged.png")

    write(path, "nbrewind-repeat", {**SOURCES, "make": SOURCES["make"].replace("** 2", "* 2")})
    window = Window(browser, server, path)
    shown = window.run_all()
    assert "↺ executed: its code changed at line 2" in shown[0]
    assert "↺ executed: heights changed" in shown[1]
    assert "↺ restored" in shown[2]
    assert "the sum is 30" in shown[4]
    window.close(tmp_path / "edited.png")
