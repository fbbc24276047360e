"""The kernels as front ends meet them: Jupyter's own conformance tests, and each behaviour beside ipykernel's."""

from __future__ import annotations

import json
import os
import re
import shutil
import textwrap
import time

import jupyter_kernel_test
import pytest

from nbrewind.kernels import specs
from tests.integration.kernels.clients import Live

pytestmark = pytest.mark.xdist_group("protocol")


# -- Jupyter's own tests


class _Conformance:
    """Samples for `jupyter_kernel_test`. Both kernels share one folder, hence one record: that must not matter."""

    language_name = "python"
    file_extension = ".py"
    code_hello_world = "print('hello, world')"
    code_stderr = "import sys; print('hello, world', file=sys.stderr)"
    completion_samples = [{"text": "zi", "matches": {"zip"}}, {"text": "impor", "matches": {"import"}}]
    complete_code_samples = [
        "1",
        "print('hello, world')",
        "def f(x):\n  return x*2\n\n\n",
        "import numpy as np\n",
    ]
    incomplete_code_samples = ["print('''hello", "def f(x):\n  x*2"]
    invalid_code_samples = ["import = 7q", "print 3"]
    code_page_something = "zip?"
    code_generate_error = "raise ValueError('wrong')"
    code_execute_result = [
        {"code": "1+2+3", "result": "6"},
        {"code": "[n*n for n in range(1, 4)]", "result": "[1, 4, 9]"},
        {"code": "_", "result": "[1, 4, 9]"},
    ]
    code_display_data = [
        {
            "code": "from IPython.display import HTML, display; display(HTML('<b>test</b>'))",
            "mime": "text/html",
        },
        {
            "code": "from IPython.display import Math, display; display(Math('\\frac{1}{2}'))",
            "mime": "text/latex",
        },
    ]
    code_history_pattern = "1?2*"
    supported_history_operations = ("tail", "search")
    code_inspect_sample = "zip"
    code_clear_output = "from IPython.display import clear_output; clear_output()"

    @classmethod
    def setUpClass(cls):
        before = os.getcwd()
        os.chdir(cls.folder)
        try:
            super().setUpClass()
        finally:
            os.chdir(before)

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.km.cleanup_resources()


@pytest.fixture(scope="module", autouse=True)
def shared_folder(tmp_path_factory):
    _Conformance.folder = tmp_path_factory.mktemp("conformance")


class TestAuditConforms(_Conformance, jupyter_kernel_test.KernelTests):
    kernel_name = "nbrewind-audit"


class TestRepeatConforms(_Conformance, jupyter_kernel_test.KernelTests):
    kernel_name = "nbrewind-repeat"


class TestRepeatOfARepeatConforms(TestRepeatConforms):
    """All that can be restored is."""


# -- each behaviour beside ipykernel's


@pytest.fixture(scope="module")
def stock(tmp_path_factory):
    with Live("python3", tmp_path_factory.mktemp("stock") / "work") as kernel:
        yield kernel


@pytest.fixture(scope="module")
def audit(tmp_path_factory):
    with Live("nbrewind-audit", tmp_path_factory.mktemp("audit") / "work") as kernel:
        yield kernel


@pytest.fixture(scope="module")
def repeat(tmp_path_factory):
    with Live("nbrewind-repeat", tmp_path_factory.mktemp("repeat") / "work") as kernel:
        yield kernel


@pytest.fixture(params=["audit", "repeat"])
def ours(request):
    return request.getfixturevalue(request.param)


PROGRAMS = {
    "streams": [
        "import sys\nprint('a'); print('b', file=sys.stderr); print('c', end='')",
        "print('x' * 20000)",
    ],
    "results": [
        "6 * 7",
        "_ + 1",
        "(_, __)",
        "None",
        "x = 5",
        "x",
        "x;",
        "'text'",
        "In[-2], sorted(Out)[-3:]",
        "_i",
    ],
    "rich displays": [
        "from IPython.display import HTML, Math, JSON, display\nHTML('<b>x</b>')",
        "display(Math('x'), metadata={'text/latex': {'isolated': True}})\ndisplay({'text/plain': 'p'}, raw=True)",
        "display(1, 'two', [3])",
    ],
    "updated displays": [
        "handle = display('before', display_id='one')",
        "handle.update('after')",
        "from IPython.display import update_display\nupdate_display('again', display_id='one')",
        "display('x', display_id='two'); update_display('y', display_id='two')",
    ],
    "cleared outputs": [
        "from IPython.display import clear_output\nprint(1)\nclear_output(wait=True)\nprint(2)"
    ],
    "errors": [
        "1 / 0",
        "def inner(x):\n    y = x\n    return y['k']\n\ndef outer(x):\n    return inner(x)",
        "# first\n\nouter([1])",
        "if True print(1)",
        "  x = 1\n y = 2",
        "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise KeyError('k') from e",
        "class Odd(Exception):\n    def __str__(self):\n        raise RuntimeError('no text')",
        "raise Odd",
        "def down(n):\n    return down(n + 1)\ndown(0)",
        "raise KeyboardInterrupt",
        "import sys\nsys.exit(4)",
        "undefined_name",
        "import no_such_module",
        "assert x == 6, 'not six'",
        "open('/no/such/file')",
        "import json\njson.loads('{')",
        "%no_such_magic",
        "%%no_such_cell_magic\nx",
        "exec('1/0')",
    ],
    "a representation that fails": [
        "class Bad:\n    def __repr__(self):\n        raise ValueError('no repr')",
        "Bad()",
        "class Half:\n    def _repr_html_(self):\n        raise ValueError('no html')\n    def __repr__(self):\n        return 'half'",
        "Half()",
        "display(Bad())",
    ],
    "magics": [
        "%%time\nz = 3",
        "%time z + 1",
        "%who int",
        "%whos str",
        "%%capture out\nprint('inside')",
        "out.stdout",
        "%%bash\necho from bash",
        "!echo from sh",
        "files = !echo a; echo b\nfiles",
        "%pwd; 1",
        "%env NO_SUCH=1",
        "%precision 3\n3.14159",
        "%%writefile made.txt\ntext",
        "%run -i nothing.py",
        "%alias_magic t timeit",
        "%%javascript\nalert(1)",
        "%%html\n<b>x</b>",
        "%history -n -l 2",
        "%%script sh\nexit 3",
        "%xmode Plain",
        "1 / 0",
        "%xmode Context",
        "%sx echo listed",
        "%load made.txt",
        "%recall 1",
    ],
    "payloads": ["zip?", "len??", "get_ipython().set_next_input('x = 1')", "%page 'x'"],
    "asynchronous cells": [
        "import asyncio",
        "await asyncio.sleep(0.01, 'slept')",
        "async def f():\n    await asyncio.sleep(0)\n    raise ValueError('async')",
        "await f()",
        "[x async for x in (i async for i in __import__('types').AsyncGeneratorType and agen())]",
        "async def agen():\n    for i in range(3):\n        yield i",
        "[i async for i in agen()]",
        "t = asyncio.create_task(asyncio.sleep(0.2, 'later'))",
        "await t",
        "async with asyncio.timeout(5):\n    print('in time')",
        "print(type(asyncio.get_running_loop()).__name__)",
        "asyncio.run(f())",
        "await asyncio.gather(*(asyncio.sleep(0, i) for i in range(3)))",
        "async def note(x):\n    print('noted', x)",
        "t = asyncio.ensure_future(note(1)); await asyncio.sleep(0.05)",
    ],
    "the namespace": [
        "a = 1\n__name__, __doc__, '__file__' in globals(), globals() is locals()",
        "import __main__\n__main__.a, __main__.__dict__ is globals()",
        "sorted(n for n in dir() if not n.startswith('_'))[:8]",
        "import os, sys\nos.path.basename(os.getcwd()), sys.argv[1:] and len(sys.argv), sys.path[:2] == [sys.path[0], sys.path[1]]",
        "def source():\n    '''doc'''\n    return 1  # comment\nimport inspect\ninspect.getsource(source)",
        "source.__module__, source.__qualname__, source.__code__.co_firstlineno",
        "class K:\n    pass\nimport pickle\ntype(pickle.loads(pickle.dumps(K()))) is K, K.__module__",
        "sys.displayhook is not sys.__displayhook__, type(get_ipython()).__name__",
        "del a\n'a' in globals()",
        "from __future__ import annotations\ndef g(x: Undefined): ...\ng.__annotations__",
        "type(sys.stdout).__name__, sys.stdout.isatty(), sys.stdout.encoding",
    ],
    "processes and file descriptors": [
        "import subprocess, os\nsubprocess.run(['echo', 'child']).returncode",
        "os.system('echo system')",
        "os.write(1, b'descriptor\\n'); import time; time.sleep(0.3)",
        "subprocess.run('echo err >&2; exit 2', shell=True).returncode",
        "import multiprocessing as mp\nc = mp.get_context('fork')\np = c.Process(target=print, args=('forked',))\np.start(); p.join(); p.exitcode",
        "pid = os.fork()\nif pid == 0:\n    os._exit(7)\nos.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])",
    ],
    "threads": [
        "import threading\nt = threading.Thread(target=print, args=('from a thread',)); t.start(); t.join()",
        "def fails():\n    raise ValueError('in a thread')\nt = threading.Thread(target=fails); t.start(); t.join()",
        "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(3) as e:\n    print(list(e.map(str, range(5))))",
    ],
    "warnings and logging": [
        "import warnings\nwarnings.warn('careful')",
        "import logging\nlogging.warning('logged')",
        "logging.getLogger('x').error('named')",
    ],
    "plots": [
        "%matplotlib inline\nimport matplotlib.pyplot as plt",
        "plt.plot([1, 2, 3]);",
        "fig, ax = plt.subplots(); ax.set_title('x')",
        "plt.plot([1]); plt.show(); print('after'); plt.plot([2]); plt.show()",
        "fig",
        "len(plt.get_fignums())",
    ],
    "hooks": [
        "ip = get_ipython()\ndef before(*a): print('before')\nip.events.register('pre_run_cell', before)",
        "print('cell')",
        "ip.events.unregister('pre_run_cell', before)",
        "def fail(*a): raise ValueError('hook')\nip.events.register('post_execute', fail)",
        "1",
        "ip.events.unregister('post_execute', fail)",
        "ip.set_custom_exc((KeyError,), lambda *a, **k: print('custom'))",
        "{}['x']",
        "ip.set_custom_exc((), None)",
        "ip.run_cell('nested = 1 + 1\\nnested')",
        "nested",
        "ip.ast_node_interactivity = 'all'\n1\n2",
        "ip.ast_node_interactivity = 'last_expr'",
    ],
    "odd code": [
        "",
        "# only a comment",
        "\n\n",
        "pass",
        "é = 1\né",
        "x = 'ünï — ☃'\nx",
        "print('\\r50%\\r100%')",
        "\tif",
    ],
}
_TIMES = re.compile(r"\d+(\.\d+)?(e[+-]\d+)? (ns|μs|µs|us|ms|s|min)\b")
_COUNTS = re.compile(r"(?<=In\[)\d+(?=\])|(?<=\"execution_count\": )\d+")
_PNG = "image/png"
_VIEW = "application/vnd.jupyter.widget-view+json"


def outcome(shown):
    """What must be alike in two kernels."""
    content = shown.content
    outputs = json.loads(_TIMES.sub("TIME", json.dumps(shown.outputs, ensure_ascii=False)))
    for _, body in outputs:
        if _PNG in body.get("data", {}):
            body["data"][_PNG] = len(body["data"][_PNG]) > 2000
        if body.get("ename") == "RecursionError":  # as deep as the stack below the cell allows
            del body["traceback"]
    kept = {key: content.get(key) for key in ("status", "ename", "evalue", "user_expressions", "payload")}
    return json.loads(_COUNTS.sub("0", json.dumps({**kept, "outputs": outputs})))


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """What all programs lead to, one after the other, in a new kernel of each kind."""
    known = {}

    def play(kind):
        if kind not in known:
            with Live(kind, tmp_path_factory.mktemp("played") / "work") as kernel:
                known[kind] = {
                    program: [
                        counted(kernel.run(cell, f"{program.replace(' ', '-')}-{n}"))
                        for n, cell in enumerate(cells)
                    ]
                    for program, cells in PROGRAMS.items()
                }
        return known[kind]

    return play


def counted(shown):
    return shown.content["execution_count"], outcome(shown)


@pytest.mark.parametrize("kind", specs.NAMES)
@pytest.mark.parametrize("program", PROGRAMS)
def test_as_in_ipykernel(program, kind, played):
    """Cell by cell the same replies, outputs, counts and tracebacks, line numbers included."""
    want, mine = played("python3")[program], played(kind)[program]
    for cell, (count, one), (number, other) in zip(PROGRAMS[program], mine, want, strict=True):
        assert one == other, cell
        assert count == number, cell


def both(stock, ours, act):
    """What one action leads to in a stock kernel and in ours."""
    other = act(stock)
    assert act(ours) == other
    return other


def test_input(stock, ours):
    def act(kernel):
        name = kernel.run(
            "name = input('who? ')\nprint('hello', name)", "input-1", answers=("me",), allow_stdin=True
        )
        secret = kernel.run(
            "import getpass\ngetpass.getpass('key: ')", "input-2", answers=("k",), allow_stdin=True
        )
        refused = kernel.run("input()", "input-3", allow_stdin=False)
        return outcome(name), outcome(secret), refused.content["ename"]

    name, _, refused = both(stock, ours, act)
    assert ["stream", {"name": "stdout", "text": "hello me\n"}] in name["outputs"]
    assert refused == "StdinNotImplementedError"


def test_input_is_asked_for_again(repeat):
    code = "answer = input('again? ')\nprint(answer)"
    assert repeat.run(code, "again", answers=("first",), allow_stdin=True).text == "first\n"
    shown = repeat.run(code, "again", answers=("second",), allow_stdin=True)
    assert "second\n" in shown.text
    assert shown.told["action"] == "executed"


@pytest.mark.parametrize(
    "code",
    [
        "import time\nprint('on')\ntime.sleep(60)",
        "import asyncio\nprint('on')\nfor _ in range(900):\n    await asyncio.sleep(0.1)",
    ],
)
def test_interrupt(stock, ours, code):
    def act(kernel):
        request = kernel.start(code, "sleeper")
        kernel.wait_for_text("on")
        time.sleep(0.2)
        kernel.manager.interrupt_kernel()
        stopped = kernel.finish(request)
        after = kernel.run("kept = 1\nkept + 1", "after")
        return (
            stopped.content["ename"],
            [o[1]["ename"] for o in stopped.outputs if o[0] == "error"],
            outcome(after),
        )

    ename, _, _ = both(stock, ours, act)
    assert ename in ("KeyboardInterrupt", "CancelledError")


def test_an_interrupted_cell_keeps_what_it_did(ours):
    ours.run("import time\ndone = []", "list")
    request = ours.start(
        "for i in range(1000):\n    done.append(i)\n    print('step')\n    time.sleep(0.05)", "loop"
    )
    ours.wait_for_text("step")
    ours.manager.interrupt_kernel()
    assert ours.finish(request).content["status"] == "error"
    assert int(ours.run("print(len(done))", "length").text) >= 1


def test_requests_that_are_no_cells(stock, ours):
    def act(kernel):
        count = kernel.run("'count'").content["execution_count"]
        silent = kernel.run("quiet = 1; print('silent')\nquiet", silent=True)
        unseen = kernel.run("unseen = 2\nunseen", store_history=False)
        asked = kernel.run("", silent=True, user_expressions={"a": "quiet + unseen", "b": "1/0"})
        told = asked.content["user_expressions"]
        after = kernel.run("quiet, unseen, In[-2]")
        return (
            outcome(silent),
            silent.content["execution_count"] - count,
            outcome(unseen),
            told["a"]["data"],
            told["b"]["ename"],
            outcome(after),
        )

    both(stock, ours, act)


def test_stopping_on_an_error(stock, ours):
    def act(kernel):
        requests = [
            kernel.start(code, f"queue-{n}") for n, code in enumerate(["print('q')", "1/0", "print('never')"])
        ]
        return [kernel.finish(request).content["status"] for request in requests]

    assert both(stock, ours, act) == ["ok", "error", "aborted"]


def test_output_after_the_cell(stock, ours):
    """Tasks and threads that go on print below the cell that started them."""

    def act(kernel):
        thread = "import threading, time\ndef late():\n    time.sleep(0.4); print('late thread')\nthreading.Thread(target=late).start()"
        task = "import asyncio\nasync def late():\n    await asyncio.sleep(0.3); print('late task')\nt = asyncio.create_task(late())"
        found = []
        for n, code in enumerate((thread, task)):
            found.append(outcome(kernel.run(code, f"late-{n}"))["outputs"])
            found.append([(kind, content) for kind, content in kernel.later(1.2)])
        return found

    _, thread, _, task = both(stock, ours, act)
    assert ("stream", {"name": "stdout", "text": "late thread\n"}) in thread
    assert ("stream", {"name": "stdout", "text": "late task\n"}) in task


def test_widgets(stock, ours):
    def act(kernel):
        made = kernel.start("from ipywidgets import IntSlider\nslider = IntSlider(3)\nslider", "slider")
        shown = ("comm_open", "display_data", "execute_result")
        opened = [m["content"] for m in kernel.until_idle(made) if m["msg_type"] in shown]
        model = next(
            c["comm_id"]
            for c in opened
            if c.get("data", {}).get("state", {}).get("_model_name") == "IntSliderModel"
        )
        view = next(c["data"][_VIEW]["model_id"] for c in opened if _VIEW in c["data"])
        message = kernel.client.session.msg(
            "comm_msg",
            {"comm_id": model, "data": {"method": "update", "state": {"value": 8}, "buffer_paths": []}},
        )
        kernel.client.shell_channel.send(message)
        value = kernel.run("print(slider.value)", "slider-value").text
        kernel.run("seen = []\nslider.observe(lambda change: seen.append(change['new']), 'value')", "observe")
        message["content"]["data"]["state"]["value"] = 9
        kernel.client.shell_channel.send(kernel.client.session.msg("comm_msg", message["content"]))
        seen = kernel.run("print(seen)", "observed").text
        comms = kernel.ask("comm_info_request", {"target_name": "jupyter.widget"})["comms"]
        return (
            sorted(c["target_name"] for c in opened if "target_name" in c),
            model == view,
            value,
            seen,
            model in comms,
        )

    _, same, value, seen, _ = both(stock, ours, act)
    assert same
    assert (value, seen) == ("8\n", "[9]\n")


def test_comm_opened_by_the_front_end(stock, ours):
    def act(kernel):
        kernel.run(
            "got = []\ndef opened(comm, message):\n    got.append(message['content']['data'])\n    comm.send({'pong': 1})\nget_ipython().kernel.comm_manager.register_target('t', opened)",
            "target",
        )
        kernel.client.shell_channel.send(
            kernel.client.session.msg("comm_open", {"comm_id": "c", "target_name": "t", "data": {"ping": 1}})
        )
        sent = [content["data"] for kind, content in kernel.later(0.7) if kind == "comm_msg"]
        return sent, kernel.run("print(got)", "got").text

    assert both(stock, ours, act) == ([{"pong": 1}], "[{'ping': 1}]\n")


def test_completion_and_inspection(stock, ours):
    def act(kernel):
        kernel.run(
            "class Thing:\n    'A thing.'\n    def __init__(self):\n        self.colour_of_it = 1\nsome_thing = Thing()",
            "thing",
        )
        return (
            kernel.complete("some_th"),
            [match for match in kernel.complete("some_thing.") if "colour" in match],
            kernel.inspect("some_thing"),
            kernel.ask("is_complete_request", {"code": "for x in y:"})["status"],
            kernel.inspect("print"),
        )

    assert both(stock, ours, act)[0] == ["some_thing"]


def test_debugger(stock, ours):
    def act(kernel):
        info = kernel.ask("kernel_info_request", {})
        started = kernel.control("debug_request", {"type": "request", "seq": 1, "command": "debugInfo"})
        return (
            info["language_info"],
            info.get("supported_features"),
            started.get("success"),
            sorted(started.get("body", {})),
        )

    both(stock, ours, act)
    for name in specs.NAMES:
        assert specs.spec(name)["metadata"]["debugger"] is True


def test_restart(tmp_path):
    with Live("nbrewind-audit", tmp_path) as kernel:
        kernel.run("x = 1", "a")
        kernel.manager.restart_kernel(now=False)
        kernel.client.wait_for_ready(timeout=60)
        shown = kernel.run("print('x' in globals())", "b")
        assert (shown.text, shown.content["execution_count"]) == ("False\n", 1)


# -- a repeat of what was audited


RECORDED = {
    "made": """
        import numpy as np
        big = np.arange(5)
        class Box:
            'A box.'
            def open_it(self):
                'Open it.'
                return 1
        box = Box()
        generator = (i for i in range(3))
        """,
    "shown": "print('shown'); display('handled', display_id='shown'); big.sum()",
    "updated": "from IPython.display import update_display\nupdate_display('anew', display_id='shown')",
    "paged": "zip?",
    "step": "k = 1",
    "used": "print(box.open_it() + k)",
}


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """A folder with the record of one audit, and what the audit showed."""
    folder = tmp_path_factory.mktemp("audited") / "work"
    with Live("nbrewind-audit", folder) as kernel:
        shown = {name: kernel.run(textwrap.dedent(code).strip(), name) for name, code in RECORDED.items()}
    return folder, shown


@pytest.fixture
def again(audited, tmp_path):
    """A repeat kernel in a copy of that folder, in which the first cell has been restored."""
    folder = shutil.copytree(audited[0], tmp_path / "work")
    with Live("nbrewind-repeat", folder) as kernel:
        shown = kernel.run(textwrap.dedent(RECORDED["made"]).strip(), "made")
        assert shown.told["action"] == "restored"
        yield kernel


def test_restored_cells_show_what_was_recorded(again, audited):
    for number, (name, code) in enumerate(list(RECORDED.items())[1:], 2):
        shown = again.run(code, name)
        assert outcome(shown) == outcome(audited[1][name])
        assert shown.content["execution_count"] == number
        assert shown.actions == ["restored"]
        assert shown.lines[0].startswith("[nbrewind] restored from the record: saved ")
        assert shown.messages[-1][0] == "display_data"


def test_executed_cells_say_why(again):
    changed = again.run("k = 2", "step")
    assert (changed.actions, changed.content["execution_count"]) == (["executed"], 2)
    assert changed.lines == ["[nbrewind] executed: its code changed at line 1 (k = 1 → k = 2)"]
    used = again.run(RECORDED["used"], "used")
    assert used.text == "3\n"
    assert used.lines == ["[nbrewind] executed: k changed (1 → 2)"]
    new = again.run("print('more')", "more")
    assert new.lines == ["[nbrewind] executed: it is new"]
    failed = again.run("1 / 0", "wrong")
    assert (failed.lines, failed.told["action"]) == ([], "failed")


def test_a_console_gets_plain_lines(again):
    assert again.run("print('typed')").messages == [("stream", {"name": "stdout", "text": "typed\n"})]
    again.run(RECORDED["step"])
    typed, said = again.run("print('typed')").outputs
    assert typed == ["stream", {"name": "stdout", "text": "typed\n"}]
    assert said[1]["name"] == "stderr"
    assert said[1]["text"].startswith("[nbrewind] restored from the record: saved ")


def test_completion_of_restored_variables(again):
    assert "box" in again.complete("bo")
    assert "big" in again.complete("print(bi")
    assert "box.open_it" in again.complete("x = box.op") or "open_it" in again.complete("x = box.op")
    assert not [match for match in again.complete("nothing.bo") if match == "box"]


def test_inspection_of_restored_variables(again):
    assert "A box." in again.inspect("box")
    assert "Open it." in again.inspect("box.open_it")
    assert "[0 1 2 3 4]" in again.inspect("big")


def test_expressions_about_restored_variables(again):
    silent = again.run("", silent=True, user_expressions={"sum": "int(big.sum())"})
    assert silent.content["user_expressions"]["sum"]["data"]["text/plain"] == "10"
    restored = again.run(RECORDED["step"], "step", user_expressions={"k": "k + len(big)"})
    assert restored.told["action"] == "restored"
    assert restored.content["user_expressions"]["k"]["data"]["text/plain"] == "6"


def test_the_debugger_lists_restored_variables(again):
    body = again.control("debug_request", {"type": "request", "seq": 1, "command": "inspectVariables"})[
        "body"
    ]
    assert {"big", "box"} <= {variable["name"] for variable in body["variables"]}


@pytest.mark.parametrize(
    "code",
    [
        "%who",
        "print(dir())",
        "print(sorted(globals()))",
        "print(get_ipython().user_ns['box'] is not None, 'box big')",
    ],
)
def test_code_that_lists_variables_sees_restored_ones(again, code):
    text = again.run(code, "lists").text
    assert "box" in text
    assert "big" in text


def test_silent_requests_see_restored_variables(again):
    assert again.run("print(box.open_it(), next(generator))", silent=True).text == "1 0\n"
    assert again.run("print(big)", store_history=False).text == "[0 1 2 3 4]\n"


def test_interrupting_a_rebuild(tmp_path):
    """The cell that needs the value ends with an error; the kernel goes on, and so does the record."""
    slow = "import time; time.sleep(1.5); generator = (i for i in range(3))"
    with Live("nbrewind-audit", tmp_path) as kernel:
        kernel.run(slow, "slow")
    with Live("nbrewind-repeat", tmp_path) as kernel:
        assert kernel.run(slow, "slow").told["action"] == "restored"
        request = kernel.start("print(next(generator))", "next")
        time.sleep(0.7)
        kernel.manager.interrupt_kernel()
        stopped = kernel.finish(request)
        assert (stopped.content["status"], stopped.text) == ("error", "")
        assert kernel.run("print(next(generator))", "next").text == "0\n"
