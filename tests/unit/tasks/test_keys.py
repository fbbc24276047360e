"""Command tasks: what counts and what does not."""

import os

import pytest

from nbrewind.record.digests import digest_bytes
from nbrewind.tasks.content import Contents
from nbrewind.tasks.keys import Key, Unkeyed, combine, draft_key, shorten, unchanged
from nbrewind.tasks.spec import Input, Output, Spec


class NoIdentity:
    def value(self, value, where):
        raise AssertionError

    function = value


@pytest.fixture
def files(tmp_path):
    (tmp_path / "a.txt").write_text("alpha")
    (tmp_path / "b.txt").write_text("beta")
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "elsewhere.txt").write_text("alpha")
    return tmp_path


def key(contents=None, **parts):
    contents = contents or Contents()
    draft = draft_key(Spec(kind="command", name="t", **{"command": "run", **parts}), NoIdentity(), contents)
    return draft if isinstance(draft, Unkeyed) else draft.finish(contents)


def file(remote, path):
    return Input(remote, "file", str(path))


def test_same_content_elsewhere(files):
    assert key(inputs=(file("in", files / "a.txt"),)) == key(
        inputs=(file("in", files / "copy/elsewhere.txt"),)
    )


def test_content_and_remote_name(files):
    keys = [
        key(inputs=(file("in", files / "a.txt"),)),
        key(inputs=(file("in", files / "b.txt"),)),
        key(inputs=(file("other", files / "a.txt"),)),
        key(inputs=(file("x", files / "a.txt"), file("y", files / "b.txt"))),
        key(inputs=(file("x", files / "b.txt"), file("y", files / "a.txt"))),
        key(),
    ]
    assert len({each.digest for each in keys}) == len(keys)


def test_order_of_inputs_does_not_count(files):
    one, other = file("x", files / "a.txt"), file("y", files / "b.txt")
    assert key(inputs=(one, other)).digest == key(inputs=(other, one)).digest


def test_buffer_is_its_content(files):
    assert key(inputs=(Input("in", "buffer", b"alpha"),)) == key(inputs=(file("in", files / "a.txt"),))
    assert key(inputs=(Input("in", "buffer", b"alphb"),)) != key(inputs=(file("in", files / "a.txt"),))


def test_executable_bit(files):
    before = key(inputs=(file("in", files / "a.txt"),))
    os.chmod(files / "a.txt", 0o755)
    assert key(inputs=(file("in", files / "a.txt"),)) != before


def test_folder(files):
    before = key(inputs=(file("in", files),))
    assert key(inputs=(file("in", files),)) == before
    (files / "copy" / "new.txt").write_text("")
    changed = key(inputs=(file("in", files),))
    assert changed != before
    (files / "copy" / "new.txt").rename(files / "copy" / "newer.txt")
    assert key(inputs=(file("in", files),)) not in (before, changed)


def test_edit_of_equal_size_is_seen(files):
    contents = Contents()
    before = key(contents, inputs=(file("in", files / "a.txt"),))
    (files / "a.txt").write_text("alphA")
    assert key(contents, inputs=(file("in", files / "a.txt"),)) != before


@pytest.mark.parametrize(
    "parts",
    [
        {"command": "run "},
        {"env": {"A": "1"}},
        {"env": {"A": None}},
        {"env": {"A": ""}},
        {"outputs": (Output("out", "file", "/x"),)},
        {"outputs": (Output("out", "buffer"),)},
        {"outputs": (Output("out", "file", "/x", "failure"),)},
        {"flags": {"serialize": "no"}},
        {"environments": (Input("environment", "url", "u"),)},
        {"inputs": (Input("in", "url", "u"),)},
        {"inputs": (Input("in", "temp", "u"),)},
        {"command": "x" * 5000},
        {"command": "x" * 4999 + "y"},
    ],
)
def test_all_parts_count(parts):
    cases = [key(), key(**parts)]
    assert cases[0].digest != cases[1].digest


def test_long_commands_differ():
    assert key(command="x" * 5000) != key(command="x" * 4999 + "y")
    assert len(shorten("x" * 5000)) < 300


def test_path_of_an_output_does_not_count():
    one, other = (key(outputs=(Output("out", "file", path),)) for path in ("/x", "/y"))
    assert one == other


def test_secrets_are_not_kept():
    assert "hunter2" not in str(key(env={"TOKEN": "hunter2"}).ingredients)


def test_missing_input_is_left_to_the_engine(tmp_path):
    found = key(inputs=(file("in", tmp_path / "absent"),))
    assert isinstance(found, Unkeyed)
    assert not found.why


def test_strange_task():
    assert key(strange="it is odd") == Unkeyed("task", "it is odd")


def test_parts_cannot_run_into_each_other():
    assert combine({"a": "1\n1:b"}) != combine({"a": "1", "b": ""})
    assert combine({"ab": "c"}) != combine({"a": "bc"})


def test_late_input_counts_by_what_was_made(files):
    made = {"digest": ""}
    late = Input("in", "file", str(files / "a.txt"), late=lambda: made["digest"])
    contents = Contents()
    draft = draft_key(Spec(kind="command", name="t", command="run", inputs=(late,)), NoIdentity(), contents)
    assert isinstance(draft.finish(contents), Unkeyed)
    made["digest"] = digest_bytes(b"alpha")
    assert draft.finish(contents) == key(inputs=(file("in", files / "a.txt"),))
    (files / "a.txt").write_text("overwritten since")
    assert isinstance(draft.finish(contents), Unkeyed)


def test_unchanged(files):
    spec = Spec(kind="command", name="t", command="run", inputs=(file("in", files / "a.txt"),))
    contents = Contents()
    found = draft_key(spec, NoIdentity(), contents).finish(contents)
    assert isinstance(found, Key)
    assert unchanged(spec, found, contents)
    (files / "a.txt").write_text("alphA")
    assert not unchanged(spec, found, contents)
    (files / "a.txt").unlink()
    assert not unchanged(spec, found, contents)


def test_golden():
    """Keys written by an earlier version stay valid."""
    found = key(
        command="echo hi",
        inputs=(Input("in", "buffer", b"x"), Input("u", "url", "https://example.org/x")),
        outputs=(Output("out", "file", "/anywhere"),),
        env={"A": "1", "B": None},
    )
    assert found.digest == "b3:75ae645c7d7d9a1dd7a01122bb5ad55026a3a028"


def test_secrets_are_not_in_keys_but_tell_them_apart(monkeypatch):
    monkeypatch.setenv("A_TOKEN", "secret-value")
    one, same, other = (
        key(command=f"fetch --password={x} https://h") for x in ("hunter2", "hunter2", "hunter3")
    )
    assert one == same != other
    assert "hunter2" not in str(one)
    known = key(command="fetch secret-value", env={"B_TOKEN": "1234", "MODE": "1234"})
    assert "secret-value" not in str(known)
    assert known.ingredients["env:MODE"] == digest_bytes(b"1234") != known.ingredients["env:B_TOKEN"]
