"""Secrets, which stay out of the record: found by their names, by the form of tokens, or by being a known value.

A text that holds some is recorded with ``[redacted]`` in their place. Where a change must still be noticed, a digest
stands for the secret, keyed with a key that stays with the user: short passwords cannot be guessed from a record that
was passed on, and elsewhere the secret counts as another one.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any

from attrs import define, field, frozen
from blake3 import blake3

from nbrewind.record.digests import digest_text
from nbrewind.record.model import Digest

MARK = "[redacted]"
SHORTEST = 6
"""Shorter values of variables occur in texts by chance, and are not looked for."""
_LONGEST = 1 << 20
"""Longer texts are searched for known values alone."""
_WORDS = frozenset(
    """pass password passwd passphrase passcode pwd secret secrets token tokens credential credentials apikey key keys
    auth authorization bearer cookie jwt pat dsn""".split()
)
_ENDINGS = ("password", "passwd", "token", "secret", "apikey", "credentials")
_HARMLESS = frozenset({"PWD", "OLDPWD", "SSH_AUTH_SOCK"})


@frozen
class Form:
    """What a kind of secret looks like.

    Parameters
    ----------
    label
        What it is, in words.
    hints
        Texts of which one occurs wherever the pattern matches; looking for them is quick.
    pattern
        Its group ``secret`` is the secret; without one, all of it is.
    """

    label: str
    hints: tuple[str, ...]
    pattern: re.Pattern[str]


def _form(label: str, hints: str, pattern: str) -> Form:
    return Form(label, tuple(hints.split()), re.compile(pattern))


_FORMS = (
    _form(
        "a private key",
        "PRIVATE",
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]+?-----END [A-Z ]*PRIVATE KEY-----",
    ),
    _form("a GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", r"\bgh[opusr]_[A-Za-z0-9]{36,}"),
    _form("a GitHub token", "github_pat_", r"\bgithub_pat_[A-Za-z0-9_]{22,}"),
    _form("a GitLab token", "glpat-", r"\bglpat-[\w-]{20,}"),
    _form("an AWS key", "AKIA ASIA", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    _form("a Slack token", "xox", r"\bxox[abeoprs]-[\w-]{10,}"),
    _form("an API key", "sk- sk_ rk_", r"\b(?:sk|rk)[-_](?:[A-Za-z]{2,10}[-_])*[A-Za-z0-9_-]{20,}"),
    _form("an API key", "AIza", r"\bAIza[\w-]{35}\b"),
    _form("an API key", "hf_", r"\bhf_[A-Za-z0-9]{30,}"),
    _form("a registry token", "npm_ pypi-", r"\bnpm_[A-Za-z0-9]{36}\b|\bpypi-[\w-]{50,}"),
    _form("a web token", "eyJ", r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}"),
    _form("a password in a URL", "://", r"(?<=://)[^\s/@:\"']*:(?P<secret>[^\s/@\"']+)(?=@)"),
    _form(
        "a secret in a URL",
        "token= key= apikey= password= secret= sig= Signature= signature= Credential= Token=",
        r"[?&](?:access_token|token|api_?key|key|password|(?:client_)?secret|sig|signature|X-Amz-Signature"
        r"|X-Amz-Credential|X-Amz-Security-Token)=(?P<secret>[^&\s\"'<>\\]+)",
    ),
    _form(
        "an authorization header",
        "earer asic uthorization",
        r"(?i:\b(?:bearer|basic|authorization:\s*token)\s+)(?P<secret>[\w.~+/-]{16,}=*)",
    ),
    _form(
        "an option of a command",
        "-pass -token -secret -api",
        r"(?<!\S)--?(?:password|passwd|token|secret|api-?key)[= ](?P<secret>[^\s\"']+)",
    ),
)


def is_secret(name: str) -> bool:
    """Whether an environment variable of this name holds a secret.

    >>> [is_secret(name) for name in ("DB_PASSWORD", "OPENAI_API_KEY", "PWD", "GIT_AUTHOR_NAME", "HOME")]
    [True, True, False, False, False]
    """
    if name in _HARMLESS:
        return False
    words = re.split(r"[^A-Za-z]+", name)
    return not _WORDS.isdisjoint(word.lower() for word in words) or name.lower().endswith(_ENDINGS)


def env_digest(name: str, value: str | None) -> Digest | None:
    """Digest of the value of an environment variable; keyed where its name says that it is a secret."""
    return keyed(value) if value is not None and is_secret(name) else digest_text(value)


def keyed(value: str) -> Digest:
    """Digest that tells nothing to whoever lacks this user's key."""
    data = value.encode("utf-8", "surrogateescape")
    return "k3:" + blake3(data, key=_key()).hexdigest(20)


@cache
def _key() -> bytes:
    """The user's key, made when it is first needed; one of this process alone where it cannot be kept."""
    import platformdirs

    path = Path(platformdirs.user_data_dir("nbrewind")) / "redaction.key"
    made = secrets.token_bytes(32)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(made)
    except FileExistsError:
        pass
    except OSError:
        return made
    try:
        found = path.read_bytes()
    except OSError:
        return made
    return found if len(found) == 32 else made


@define
class Redactor:
    """Takes secrets out of texts.

    Parameters
    ----------
    environment
        Variables whose values are secrets where their names say so. Values that they once had stay secrets.
    found
        What was taken out since the last `take`: how often, by what it was.
    """

    environment: Mapping[str, str] = field(factory=lambda: os.environ)
    found: dict[str, int] = field(factory=dict)
    _known: dict[str, str] = field(factory=dict)

    def look(self) -> None:
        """Take note of the values that secret variables have now."""
        for name, value in self.environment.items():
            if len(value) >= SHORTEST and value not in self._known and _is_secret(name):
                self._known[value] = f"the value of {name}"
                self._known = dict(sorted(self._known.items(), key=lambda pair: -len(pair[0])))

    def text(self, text: str, *, tied: bool = False) -> str:
        """The text without secrets.

        Parameters
        ----------
        tied
            Put keyed digests in their place, so that another secret makes another text.
        """
        self.look()
        return self._cleaned(text, tied)

    def message(self, value: Any) -> Any:
        """An output message, or a part of one, without secrets."""
        self.look()
        return self._part(value)

    def _part(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._cleaned(value, tied=False)
        if isinstance(value, list):
            return [self._part(item) for item in value]
        if isinstance(value, dict):
            return {key: item if _is_picture(key) else self._part(item) for key, item in value.items()}
        return value

    def _cleaned(self, text: str, tied: bool) -> str:
        for value, label in self._known.items():
            if value in text:
                self._note(label, text.count(value))
                text = text.replace(value, _stand_in(value, tied))
        for form in _FORMS if len(text) <= _LONGEST else ():
            if any(hint in text for hint in form.hints):
                text = form.pattern.sub(partial(self._taken, form, tied), text)
        return text

    def holds(self, data: bytes) -> str:
        """What secret some bytes hold, in words; empty: none."""
        self.look()
        for value, label in self._known.items():
            if value.encode("utf-8", "surrogateescape") in data:
                return label
        if len(data) > _LONGEST:
            return ""
        text = data.decode("latin-1")
        found = (
            form.label
            for form in _FORMS
            if any(hint in text for hint in form.hints) and form.pattern.search(text)
        )
        return next(found, "")

    def leave_out(self, what: str, secret: str) -> None:
        """Note that something is not kept because of the secret in it."""
        self._note(f"{what}, which holds {secret}", 1)

    def take(self) -> tuple[str, ...]:
        """What was taken out since the last call, in words."""
        said = tuple(
            label if count == 1 else f"{label} ({count} times)" for label, count in self.found.items()
        )
        self.found = {}
        return said

    def _taken(self, form: Form, tied: bool, match: re.Match[str]) -> str:
        group = "secret" if "secret" in form.pattern.groupindex else 0
        secret, whole = match[group], match[0]
        if secret.startswith(MARK[:-1]):
            return whole  # it was a known value
        self._note(form.label, 1)
        start = match.start(group) - match.start()
        return whole[:start] + _stand_in(secret, tied) + whole[start + len(secret) :]

    def _note(self, label: str, count: int) -> None:
        self.found[label] = self.found.get(label, 0) + count


def _stand_in(secret: str, tied: bool) -> str:
    return f"{MARK[:-1]} {keyed(secret)[3:15]}]" if tied else MARK


_is_secret = lru_cache(maxsize=4096)(is_secret)


def _is_picture(key: Any) -> bool:
    return isinstance(key, str) and key.startswith(("image/", "audio/", "video/"))


REDACTOR = Redactor()
"""The one of this process."""


def found_in(text: str) -> tuple[str, ...]:
    """What secrets a text holds that cannot be changed, such as code, in words."""
    looking = Redactor()
    looking.text(text)
    return tuple(looking.found)
