"""Options of submit commands, on the command line and in job scripts: how many jobs, and how large. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from nbrewind.batch.units import megabytes

_FLAGS: dict[str, frozenset[str]] = {
    "sbatch": frozenset("H h k K O Q s v W V parsable hold wait requeue no-requeue overcommit oversubscribe quiet "
                        "verbose test-only ignore-pbs contiguous spread-job use-min-nodes reboot no-kill exclusive "
                        "help usage version nice get-user-env".split()),
    "qsub": frozenset("I V X h z f cwd terse notify clear verify help version".split()),
    "condor_submit": frozenset("terse verbose unused spool remote dry-run h help version".split()),
}  # fmt: skip


def number(value: object) -> int | None:
    """Return a whole number, or `None` where there is none.

    Examples
    --------
    >>> number("4.0"), number("auto")
    (4, None)
    """
    try:
        return int(float(value))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def words(program: str, arguments: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Return options with their values, and what follows them.

    Examples
    --------
    >>> words("sbatch", ["-n4", "--mem", "2G", "--parsable", "job.sh", "9123"])
    ({'n': '4', 'mem': '2G', 'parsable': ''}, ['job.sh', '9123'])
    """
    flags, found = _FLAGS[program], dict[str, str]()
    left = list(arguments)
    while left and left[0].startswith("-") and left[0] != "-":
        word = left.pop(0)
        if word == "--":
            break
        name, equals, value = word.lstrip("-").partition("=")
        if word.startswith("--") or len(name) == 1 or program == "condor_submit" or word[1:] in _LONG_QSUB:
            if not equals and name not in flags and left:
                value = left.pop(0)
                value = f"{value} {left.pop(0)}" if name == "pe" and left else value
        elif name[0] in flags:
            left[:0] = [f"-{word[2:]}"]
            name, value = name[0], ""
        else:
            name, value = word[1], word[2:]
        found[name] = f"{found[name]},{value}" if name == "l" and "l" in found else value
    return found, left


_LONG_QSUB = frozenset(
    "pe cwd tc wd ac hold_jid sync terse notify js soft hard masterq shell now mods".split()
)


def slurm(asked: Mapping[str, str]) -> dict[str, int]:
    """Return jobs, nodes and the size of each from options of Slurm."""

    def either(*names: str) -> str:
        return next((asked[name] for name in names if asked.get(name)), "")

    found = {"jobs": _array(either("a", "array"))}
    found["nodes"] = number(either("n", "ntasks")) or number(either("N", "nodes").partition("-")[0]) or 1
    for name, text in {
        "cores": either("c", "cpus-per-task"),
        "gpus": either("G", "gpus", "gpus-per-node"),
    }.items():
        if amount := number(text.rpartition(":")[2]):
            found[name] = amount
    if whole := memory(either("mem"), "M"):
        found["memory"] = whole
    elif each := memory(either("mem-per-cpu"), "M"):
        found["memory"] = each * found.get("cores", 1)
    return found


def pbs(asked: Mapping[str, str]) -> dict[str, int]:
    """Return the same from options of PBS, Torque and Grid Engine."""
    found = {"jobs": _array(asked.get("J") or asked.get("t") or "")}
    resources = asked.get("l", "")
    if match := re.search(r"\b(?:select|nodes)=(\d+)", resources):
        found["nodes"] = int(match[1])
    for name, pattern in {"cores": r"\b(?:ncpus|ppn)=(\d+)", "gpus": r"\b(?:ngpus|gpus?)=(\d+)"}.items():
        if match := re.search(pattern, resources):
            found[name] = int(match[1])
    if match := re.search(r"\b(?:mem|h_vmem|mem_free)=(\d+\w*)", resources):
        found |= {"memory": amount} if (amount := memory(match[1], "B")) else {}
    if match := re.search(r"(\d+)$", asked.get("pe", "")):
        found["cores"] = int(match[1])
    return found


def memory(text: str, unit: str) -> int | None:
    """Return an amount of memory in megabytes; a number alone is in `unit`, megabytes (``M``) or bytes (``B``).

    Examples
    --------
    >>> memory("4gb", "B"), memory("500", "M"), memory("", "M")
    (4096, 500, None)
    """
    if text.isdigit():
        return int(text) if unit == "M" else int(text) // 2**20 or None
    try:
        return int(megabytes(text))
    except ValueError:
        return None


def _array(text: str) -> int:
    """How many jobs an array has: ``1-10:2%4``, ``1,3,7``.

    Examples
    --------
    >>> _array("0-9"), _array("1-10:2%4"), _array("1,3,7"), _array("")
    (10, 5, 3, 1)
    """
    count = 0
    for part in text.partition("%")[0].split(","):
        if match := re.fullmatch(r"(\d+)-(\d+)(?::(\d+))?", part.strip()):
            count += len(range(int(match[1]), int(match[2]) + 1, int(match[3] or 1) or 1))
        elif part.strip().isdigit():
            count += 1
    return max(count, 1)
