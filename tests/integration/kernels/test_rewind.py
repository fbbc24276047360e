"""``%rewind``: the state after any recorded cell run, and nothing stale afterwards."""

from __future__ import annotations

import textwrap

import pytest

from tests.integration.kernels.clients import Live

pytestmark = pytest.mark.xdist_group("rewind")

CELLS = {
    "lists": "import os, random\nrandom.seed(3)\nx = [1, 2]\ny = x\nz = (x, 5)",
    "names": "def f():\n    return k + len(x)\nclass P:\n    pass\nk, p = 10, P()",
    "array": "import numpy as np\nbig = np.arange(6.0)\nview = big[2:]",
    "change": "x.append(3); k = 20; new = 'late'; drawn = random.random(); view[0] = -1",
    "outside": "os.environ['REWOUND'] = 'yes'; os.chdir('sub'); g = (i for i in 'abcd'); next(g); del z",
    "later": "k = 30; del f; p = None; next(g)",
}
LOOKED_FOR = "big drawn f g k new p view x y z"


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rewind") / "work"
    (folder / "sub").mkdir(parents=True)
    with Live("nbrewind-audit", folder, NBREWIND_POLICY="all", NBREWIND_QUIET="1") as kernel:
        for name, code in CELLS.items():
            assert kernel.run(code, name).content["status"] == "ok"
        yield kernel


def shown(kernel, code, cell=None):
    done = kernel.run(textwrap.dedent(code).strip(), cell)
    assert done.content["status"] == "ok", done.content
    return done.text.strip()


def names(kernel):
    return shown(kernel, f"print(*sorted(globals().keys() & set('{LOOKED_FOR}'.split())))").split()


def test_it_lists_what_can_be_gone_to(kernel):
    lines = shown(kernel, "%rewind").splitlines()
    assert lines[0].startswith("cell runs of run ")
    assert [line.split()[:3] for line in lines[2:5]] == [
        ["[1]", "lists", "executed"], ["[2]", "names", "executed"], ["[3]", "array", "executed"],
    ]  # fmt: skip


def test_back(kernel):
    told = shown(kernel, "%rewind names", "go")
    assert "the state after cell names" in told
    assert "gone: big, drawn, g, new, np, view" in told
    assert names(kernel) == ["f", "k", "p", "x", "y", "z"]
    assert shown(kernel, "print(x, y is x, z[0] is x, f(), isinstance(p, P))") == "[1, 2] True True 12 True"
    assert shown(kernel, "print(os.environ.get('REWOUND'), os.path.basename(os.getcwd()))") == "None work"
    assert shown(kernel, "x.append(7); print(y, f()); k = 1; print(f())") == "[1, 2, 7] 13\n4"


def test_forward_again_and_to_the_side(kernel):
    shown(kernel, "%rewind outside")
    assert names(kernel) == ["big", "drawn", "f", "g", "k", "new", "p", "view", "x", "y"]
    assert (
        shown(kernel, "print(x, y is x, k, f(), big[2], np.shares_memory(view, big))")
        == "[1, 2, 3] True 20 23 -1.0 True"
    )
    assert (
        shown(kernel, "print(os.environ['REWOUND'], os.path.basename(os.getcwd()), next(g))") == "yes sub b"
    )
    assert "the state after cell change" in shown(kernel, "%rewind [4]")
    assert shown(kernel, "view[1] = 8; print(big, 'g' in globals())") == "[ 0.  1. -1.  8.  4.  5.] False"


def test_a_generator_of_random_numbers_goes_back_too(kernel):
    shown(kernel, "%rewind change")
    first = shown(kernel, "print(drawn)")
    shown(kernel, "%rewind array")
    assert shown(kernel, "print(random.random())") == first


def test_what_cannot_be_saved_is_made_again_and_named(kernel):
    told = shown(kernel, "%rewind later")
    assert "g is not saved: later makes it again when it is needed" in told
    assert shown(kernel, "print(next(g), os.environ['REWOUND'])") == "c yes"


def test_the_rest_of_its_own_cell_sees_the_state(kernel):
    assert shown(kernel, "%rewind names\nprint(x, f())").endswith("[1, 2] 12")
    assert shown(kernel, "x = 'other'; k = -1\n%rewind names\nprint(x, y, f())").endswith("[1, 2] [1, 2] 12")
    assert shown(kernel, "%rewind outside\nprint(next(g))").endswith("b")
    assert shown(kernel, "print(next(g))") == "c"


def test_cells_after_it_can_be_gone_back_to(kernel):
    shown(kernel, "%rewind names", "away")
    shown(kernel, "mine = [x, 'after']; x.append(9)", "mine")
    shown(kernel, "%rewind later")
    shown(kernel, "%rewind mine")
    assert shown(kernel, "print(mine, mine[0] is y, f())") == "[[1, 2, 9], 'after'] True 13"
    shown(kernel, "%rewind away")
    assert shown(kernel, "print(x, 'mine' in globals())") == "[1, 2] False"


def test_names_that_are_nowhere(kernel):
    done = kernel.run("%rewind nowhere\nprint('not reached')")
    assert (done.content["status"], done.text.count("not reached")) == ("error", 0)
    assert "no cell run 'nowhere' is recorded; %rewind lists those that are" in done.text
    assert shown(kernel, "print(x)") == "[1, 2]"


def test_an_earlier_run_in_a_new_kernel(tmp_path):
    folder = tmp_path / "work"
    (folder / "sub").mkdir(parents=True)
    with Live("nbrewind-audit", folder, NBREWIND_POLICY="all", NBREWIND_QUIET="1") as kernel:
        for name, code in CELLS.items():
            kernel.run(code, name)
        shown(kernel, "%rewind outside", "end")
    with Live("nbrewind-repeat", folder, NBREWIND_POLICY="all", NBREWIND_QUIET="1") as other:
        assert "[1]" in shown(other, "%rewind")
        told = shown(other, "%rewind outside")
        assert "g is not saved: outside makes it again" in told
        assert shown(other, "print(x, y is x, f(), isinstance(p, P), next(g))") == "[1, 2, 3] True 23 True b"
        assert shown(other, "print(os.environ['REWOUND'], os.path.basename(os.getcwd()))") == "yes sub"
        shown(other, "%rewind lists")
        assert names(other) == ["x", "y", "z"]
        assert shown(other, "x.append(0); print(y, 'REWOUND' in os.environ)") == "[1, 2, 0] False"


def test_where_nothing_is_saved(tmp_path):
    (tmp_path / "sub").mkdir()
    with Live("nbrewind-audit", tmp_path, NBREWIND_POLICY="none", NBREWIND_QUIET="1") as kernel:
        for name, code in CELLS.items():
            kernel.run(code, name)
        assert "f is not saved: names makes it again" in shown(kernel, "%rewind outside")
        assert shown(kernel, "print(x, y is x, f(), big[2], next(g))") == "[1, 2, 3] True 23 -1.0 b"
        assert shown(kernel, "%rewind lists\n%rewind names\nprint(x, f())").endswith("[1, 2] 12")
        loop = "for to in ['lists', 'outside']:\n    get_ipython().run_line_magic('rewind', to)\n    print(x)"
        lines = shown(kernel, loop).splitlines()
        assert [line for line in lines if line[:2] == "[1"] == ["[1, 2]", "[1, 2, 3]"]


def test_a_cell_that_did_something_before_it_went_back_is_not_run_again(tmp_path):
    with Live("nbrewind-audit", tmp_path, NBREWIND_POLICY="none", NBREWIND_QUIET="1") as kernel:
        kernel.run("x = [1]; g = (i for i in 'ab')", "a")
        kernel.run("x = [2]", "b")
        assert shown(kernel, "%rewind b\nx.append(5)\n%rewind a\nprint(x)", "c").endswith("[1]")
        assert shown(kernel, "%rewind b\nmade = [x, 'made']; print(made)", "d").endswith("[[2], 'made']")
        assert shown(kernel, "x.append(6)\n%rewind b\nother = [x]; print(other)", "e").endswith("[[2]]")
        kernel.run("made = other = x = None", "f")
        assert shown(kernel, "%rewind d\nprint(made, made[0] is x)").endswith("[[2], 'made'] True")
        told = shown(kernel, "%rewind e")
        assert "cannot be brought back: other" in told
        done = kernel.run("print(other)")
        assert (done.content["status"], "other, x cannot be restored" in done.content["evalue"]) == (
            "error",
            True,
        )


def test_repeats_of_a_notebook_that_goes_back(lab):
    cells = {
        **CELLS,
        "back": "%rewind names",
        "use": "x.append(f()); x",
        "more": "print(k, y, 'new' in globals())",
    }
    lab.folder.joinpath("sub").mkdir()
    lab.write(**cells)
    first = lab.audit()
    assert first.outputs[-1] == [{"output_type": "stream", "name": "stdout", "text": "10 [1, 2, 12] False\n"}]
    again = lab.repeat()
    assert again.outputs == first.outputs
    assert again.executed == ["back"]
    changed = lab.edit(lists=CELLS["lists"].replace("[1, 2]", "[1, 2, 3, 4]")).repeat()
    assert changed.outputs[-1][0]["text"] == "10 [1, 2, 3, 4, 14] False\n"
    assert {"back", "use", "more"} <= set(changed.executed)
    moved = lab.edit(back="%rewind array").repeat()
    assert moved.outputs[-1][0]["text"] == "10 [1, 2, 3, 4, 14] False\n"
    assert lab.edit(back="def f(): return 1").repeat().outputs == lab.clean()
