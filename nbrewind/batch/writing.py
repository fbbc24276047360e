"""Site files as text: a new one to fill in, and one as nbrewind understood it."""

from __future__ import annotations

import json
from typing import Any

from nbrewind.batch.model import Kind, Site
from nbrewind.batch.schema import table

_HINTS: dict[str, str] = {
    "local": "",
    "slurm": "# queue = …       sinfo --summarize lists the partitions",
    "pbs": "# queue = …       qstat -Q lists the queues",
    "torque": "# queue = …       qstat -Q lists the queues",
    "uge": "# queue = …       qconf -sql lists the queues",
    "condor": "",
}


def toml(site: Site, *, full: bool = False) -> str:
    """Return a site as TOML: what is not the default, or everything."""
    parts = []
    for name, body in table(site, full=full).items():
        inner = {each: value for each, value in body.items() if _tables(value)}
        plain = [f"{each} = {_value(value)}" for each, value in body.items() if each not in inner]
        parts.append("\n".join([f"[{name}]", *plain]))
        for each, rows in inner.items():
            for row in rows:
                parts.append(
                    "\n".join([f"[[{name}.{each}]]", *(f"{k} = {_value(v)}" for k, v in row.items())])
                )
    return "\n\n".join(parts) + "\n"


def _tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return (
            "{ " + ", ".join(f"{json.dumps(k)} = {_value(v)}" for k, v in value.items()) + " }"
            if value
            else "{}"
        )
    if isinstance(value, list):
        return f"[{', '.join(_value(each) for each in value)}]"
    # every JSON string is a TOML string, but for the one character that JSON leaves alone
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def beginning(name: str, base: str, kind: Kind, date: str) -> str:
    """Return a new file that extends a site and changes nothing yet."""
    lines = [
        f"# The site {name}: what differs from {base}. `nbrewind site show {base}` says what it has,",
        "# and `nbrewind site check " + name + "` whether workers can be started like this.",
        "",
        "[site]",
        f'extends = "{base}"',
        'description = ""',
        f'date = "{date}"',
        "",
        "[scheduler]",
        *([_HINTS[kind]] if _HINTS[kind] else []),
        '# walltime = "2:00:00"',
        "",
        "[workers]",
        "# cores = 4",
        '# memory = "8 GB"',
        "# max = 20",
        "",
        "[environment]",
        '# modules = ["python/3.13"]',
        "",
        "[paths]",
        '# scratch = "$SCRATCH/nbrewind"',
    ]
    return "\n".join(lines) + "\n"
