"""An environment as files that conda and pip read."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from nbrewind.environment.comparing import normal
from nbrewind.record.redaction import Redactor


def requirements(environment: Mapping[str, Any]) -> str:
    """The text of ``requirements.txt``: versions, or addresses where packages came from elsewhere than an index."""
    lines = [f"# Python {environment['python']['version']}"]
    lines += [line for name, about in environment["packages"].items() for line in _requirement(name, about)]
    return "\n".join(lines) + "\n"


def _requirement(name: str, about: Mapping[str, Any]) -> Iterator[str]:
    origin = about.get("origin", {})
    url = Redactor().text(origin.get("url", ""))
    if "vcs_info" in origin:
        vcs = origin["vcs_info"]
        yield f"{name} @ {vcs.get('vcs', 'git')}+{url}@{vcs.get('commit_id', '')}{_subdirectory(origin)}"
    elif "archive_info" in origin and not url.startswith("file:"):
        yield f"{name} @ {url}"
    elif url.startswith("file:"):
        yield f"# {name} {about['version']} came from a folder or file of the machine: {url}"
    else:
        yield f"{name}=={about['version']}"


def _subdirectory(origin: Mapping[str, Any]) -> str:
    return f"#subdirectory={origin['subdirectory']}" if origin.get("subdirectory") else ""


def conda_environment(environment: Mapping[str, Any], name: str) -> str:
    """The text of ``environment.yml``; what conda did not install is left to pip."""
    conda = environment.get("conda", [])
    lines = [
        f"name: {name}",
        "channels:",
        *(f"  - {channel}" for channel in _channels(conda)),
        "dependencies:",
    ]
    if conda:
        lines += [f"  - {one['name']}={one['version']}={one['build']}" for one in conda]
    else:
        lines += [f"  - python={environment['python']['version']}", "  - pip"]
    packages = environment["packages"].items()
    rest = {key: about for key, about in packages if about.get("installer") != "conda" or not conda}
    wanted = [line for key, about in rest.items() for line in _requirement(key, about)]
    listed = [line for line in wanted if not line.startswith("#")]
    if listed:
        lines += ["  - pip:", *(f"      - {line}" for line in listed)]
    return "\n".join(lines) + "\n"


def _channels(conda: list[dict[str, str]]) -> list[str]:
    """Channels of the packages, in the order in which they occur."""
    found = (
        one["url"].rsplit("/", 2)[0].rsplit("/", 1)[-1] for one in conda if one.get("url", "").count("/") > 3
    )
    return list(dict.fromkeys(found)) or ["conda-forge"]


def explicit(environment: Mapping[str, Any]) -> str:
    """The text of conda's explicit list; empty where conda installed nothing."""
    rows = [
        f"{one['url']}#{one['md5']}" if "md5" in one else one["url"] for one in environment.get("conda", [])
    ]
    return "\n".join(["@EXPLICIT", *rows]) + "\n" if rows else ""


def pylock(environment: Mapping[str, Any], files: Mapping[str, Mapping[str, Any]]) -> str:
    """The text of ``pylock.toml`` (PEP 751).

    Parameters
    ----------
    files
        For packages from an index, by normalised name, the ``download_info`` of the file to install (see `resolve`).
        Others than these and those that tell their own origin are left out: a lock file has a digest for each.
    """
    version = ".".join(environment["python"]["version"].split(".")[:2])
    parts = ['lock-version = "1.0"\ncreated-by = "nbrewind"\n' + f'requires-python = "=={version}.*"\n']
    for name, about in environment["packages"].items():
        body = _locked(about.get("origin", {}) or files.get(normal(name), {}), bool(about.get("origin")))
        if body:
            key = normal(name).replace("_", "-")
            parts.append(f'[[packages]]\nname = "{key}"\nversion = {_toml(about["version"])}\n{body}')
    return "\n".join(parts)


def _locked(origin: Mapping[str, Any], direct: bool) -> str:
    url, subdirectory = Redactor().text(origin.get("url", "")), origin.get("subdirectory")
    more = f"subdirectory = {_toml(subdirectory)}\n" if subdirectory else ""
    if "vcs_info" in origin:
        vcs = origin["vcs_info"]
        kind, commit = _toml(vcs.get("vcs", "git")), _toml(vcs.get("commit_id", ""))
        return f"[packages.vcs]\ntype = {kind}\nurl = {_toml(url)}\ncommit-id = {commit}\n{more}"
    hashes = origin.get("archive_info", {}).get("hashes") or {}
    if not hashes or url.startswith("file:"):
        return ""
    table = "{ " + ", ".join(f"{name} = {_toml(value)}" for name, value in hashes.items()) + " }"
    if direct:
        return f"[packages.archive]\nurl = {_toml(url)}\nhashes = {table}\n{more}"
    section = "[[packages.wheels]]" if url.endswith(".whl") else "[packages.sdist]"
    return f"{section}\nname = {_toml(url.rsplit('/', 1)[-1])}\nurl = {_toml(url)}\nhashes = {table}\n"


def _toml(text: Any) -> str:
    return json.dumps(str(text))


def resolve(environment: Mapping[str, Any], timeout: float = 600.0) -> dict[str, dict[str, Any]]:
    """Ask pip, and so the index that it is set up for, which files these versions are; nothing is installed.

    Raises
    ------
    OSError
        pip cannot be run, or does not find them all.
    """
    wanted = [
        f"{name}=={about['version']}"
        for name, about in environment["packages"].items()
        if "origin" not in about
    ]
    if not wanted:
        return {}
    version = ".".join(environment["python"]["version"].split(".")[:2])
    foreign = (
        [] if version == f"{sys.version_info[0]}.{sys.version_info[1]}" else ["--python-version", version]
    )
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--dry-run",
        "--ignore-installed",
        "--no-deps",
        "--quiet",
    ]
    command += ["--disable-pip-version-check", "--report", "-", *foreign, *wanted]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired as error:
        raise OSError(f"pip did not answer within {timeout:.0f} s") from error
    if done.returncode:
        raise OSError((done.stderr.strip().splitlines() or ["pip failed"])[-1])
    found = json.loads(done.stdout)["install"]
    return {normal(one["metadata"]["name"]): one["download_info"] for one in found}
