"""Secrets in texts, and what stands for them."""

from __future__ import annotations

import os

import pytest

from nbrewind.record import redaction
from nbrewind.record.digests import digest_text
from nbrewind.record.redaction import MARK, Redactor, env_digest, is_secret, keyed

GITHUB = "ghp_" + "a1B2" * 9
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\nbnNz\n-----END OPENSSH PRIVATE KEY-----"


@pytest.mark.parametrize(
    "name",
    ["DB_PASSWORD", "PGPASSWORD", "MYSQL_PWD", "GITHUB_TOKEN", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "apikey", "HF_TOKEN"],
)  # fmt: skip
def test_names_of_secrets(name):
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    ["PWD", "OLDPWD", "HOME", "PATH", "GIT_AUTHOR_NAME", "SSH_AUTH_SOCK", "MONKEY", "COMPASS", "N_TASKS"],
)
def test_names_of_other_things(name):
    assert not is_secret(name)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (f"token {GITHUB}.", f"token {MARK}."),
        ("AKIAIOSFODNN7EXAMPLE", MARK),
        (f"key:\n{KEY}\nend", f"key:\n{MARK}\nend"),
        ("https://ann:s3cret@host/x", f"https://ann:{MARK}@host/x"),
        ("postgres://ann:s3cret@host:5432/db", f"postgres://ann:{MARK}@host:5432/db"),
        ("get https://h/x?a=1&token=abc&b=2", f"get https://h/x?a=1&token={MARK}&b=2"),
        ("Authorization: Bearer abcdefghijklmnopqrst", f"Authorization: Bearer {MARK}"),
        ("fetch --password=hunter2 --n 3", f"fetch --password={MARK} --n 3"),
        ("hf_" + "x" * 34, MARK),
        ("eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSMeKKF2QT4", MARK),
    ],
)
def test_tokens(text, clean):
    redactor = Redactor({})
    assert redactor.text(text) == clean
    assert len(redactor.take()) == 1
    assert redactor.take() == ()


@pytest.mark.parametrize(
    "text",
    [
        "https://host/a?page=2", "mean = 3.2 ± 0.1", "user@host:path", "tokens: 12", "a basic example of things",
        "sk-learn", "keyboard=1", "ssh://host:22/x@y", "b3:6437b3ac38465133ffb63b75273a8db548c55846",
    ],
)  # fmt: skip
def test_other_texts_stay(text):
    assert Redactor({}).text(text) == text


def test_values_of_secret_variables_are_known():
    environment = {"DB_PASSWORD": "correct horse", "NAME": "correct", "PIN_TOKEN": "1234"}
    redactor = Redactor(environment)
    assert redactor.text("it is 'correct horse', 1234, correct") == f"it is '{MARK}', 1234, correct"
    assert redactor.take() == ("the value of DB_PASSWORD",)
    del environment["DB_PASSWORD"]
    assert redactor.text("correct horse") == MARK, "what was a secret once stays one"


def test_messages():
    picture = {"image/png": GITHUB, "text/plain": f"<{GITHUB}>"}
    message = [{"type": "display_data", "content": {"data": picture, "n": 1}}]
    assert Redactor({}).message(message)[0]["content"] == {
        "data": {"image/png": GITHUB, "text/plain": f"<{MARK}>"},
        "n": 1,
    }


def test_bytes():
    assert Redactor({"A_TOKEN": "secret-value"}).holds(b"\x80\x05 secret-value") == "the value of A_TOKEN"
    assert Redactor({}).holds(b"\x80\x05" + GITHUB.encode()) == "a GitHub token"
    assert Redactor({}).holds(b"\x80\x05 plain") == ""


def test_tied_texts_change_with_their_secret_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    redaction._key.cache_clear()
    one, again, other = (Redactor({}).text(f"--token {x}", tied=True) for x in ("aaa", "aaa", "bbb"))
    assert one == again != other
    assert "aaa" not in one
    kept = tmp_path / "nbrewind" / "redaction.key"
    assert os.stat(kept).st_mode & 0o777 == 0o600
    first = keyed("1234")
    redaction._key.cache_clear()
    assert keyed("1234") == first, "the key is kept"
    kept.write_bytes(b"x" * 32)
    redaction._key.cache_clear()
    assert keyed("1234") != first, "nobody else can tell it"
    redaction._key.cache_clear()


def test_digests_of_variables():
    assert env_digest("HOME", "/x") == digest_text("/x")
    assert env_digest("A_TOKEN", "1234") == keyed("1234") != digest_text("1234")
    assert env_digest("A_TOKEN", None) is None
