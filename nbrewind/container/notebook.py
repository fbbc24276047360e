"""The notebook as it goes into a container: with the outputs of its last runs, and what leads back to the container."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from nbrewind.container.manifest import FORMAT, MANIFEST, Member, digest_of, record_of
from nbrewind.errors import NbrewindError, NotebookError
from nbrewind.record.model import CellRun
from nbrewind.record.store import Record

_OUTPUTS = {"stream", "display_data", "execute_result", "error"}


def read_plain(path: Path) -> dict[str, Any]:
    """A notebook's JSON as it is.

    Raises
    ------
    NotebookError
        It is missing or no notebook of format 4.
    """
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NotebookError(
            f"{path}: cannot be read ({error.strerror}); give the path of a .ipynb notebook"
        ) from None
    except (ValueError, RecursionError):
        raise NotebookError(
            f"{path}: not JSON; restore it from a backup, or save it again from Jupyter"
        ) from None
    if not isinstance(plain, dict) or plain.get("nbformat") != 4 or not isinstance(plain.get("cells"), list):
        raise NotebookError(
            f"{path}: no notebook of format 4; open and save it in Jupyter to bring it up to date"
        )
    return plain


def code_cells(plain: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Identifier and JSON of each code cell; in formats before 4.5 the identifier is its position, as in records."""
    for position, cell in enumerate(plain["cells"]):
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            yield str(cell.get("id") or f"cell-{position}"), cell


def source_of(cell: Mapping[str, Any]) -> str:
    """Its code in one piece."""
    source = cell.get("source", "")
    return "".join(map(str, source)) if isinstance(source, list) else str(source)


def last_runs(record: Record, runs: Iterable[str], plain: Mapping[str, Any]) -> dict[str, CellRun]:
    """By cell, its newest good run in which it had the source that it has now."""
    sources = {name: source_of(cell) for name, cell in code_cells(plain)}
    found: dict[str, CellRun] = {}
    for run in runs:
        for seen in record.cells(run):
            same = seen.status == "ok" and sources.get(seen.cell_id) == seen.source
            if same and (seen.cell_id not in found or found[seen.cell_id].run == run):
                found[seen.cell_id] = seen
        if len(found) == len(sources):
            break
    return found


def with_outputs(record: Record, plain: dict[str, Any], last: Mapping[str, CellRun]) -> None:
    """Put recorded outputs into a notebook's JSON; a cell without recorded ones keeps those that it has."""
    for number, (name, cell) in enumerate(code_cells(plain), 1):
        if name in last:
            try:
                messages = json.loads(record.blob(last[name].outputs)) if last[name].outputs else []
            except (KeyError, NbrewindError, ValueError):
                continue
            cell["outputs"] = shown(messages, number)
            cell["execution_count"] = number


def shown(messages: Iterable[Mapping[str, Any]], number: int) -> list[dict[str, Any]]:
    """What a notebook keeps of output messages, in nbformat's form."""
    outputs: list[dict[str, Any]] = []
    displays: dict[str, list[dict[str, Any]]] = {}
    clear = False
    for message in messages:
        kind, content = message.get("type"), message.get("content") or {}
        if kind == "clear_output":
            clear = True
            if not content.get("wait"):
                outputs, clear = [], False
            continue
        display = str((content.get("transient") or {}).get("display_id") or "")
        if kind == "update_display_data":
            for output in displays.get(display, ()):
                output.update(data=content.get("data", {}), metadata=content.get("metadata", {}))
        if kind not in _OUTPUTS:
            continue
        if clear:
            outputs, clear = [], False
        output = _output(str(kind), content, number)
        _append(outputs, output)
        if display:
            displays.setdefault(display, []).append(output)
    return outputs


def _output(kind: str, content: Mapping[str, Any], number: int) -> dict[str, Any]:
    output: dict[str, Any] = {"output_type": kind}
    if kind == "stream":
        return output | {"name": content.get("name", "stdout"), "text": content.get("text", "")}
    if kind == "error":
        return output | {name: content.get(name, "") for name in ("ename", "evalue", "traceback")}
    output |= {"data": content.get("data", {}), "metadata": content.get("metadata", {})}
    return output | ({"execution_count": number} if kind == "execute_result" else {})


def _append(outputs: list[dict[str, Any]], output: dict[str, Any]) -> None:
    last = outputs[-1] if outputs else {}
    if output["output_type"] == "stream" and last.get("name") == output["name"]:
        last["text"] += output["text"]
    else:
        outputs.append(output)


def contents_digest(members: Iterable[Member], notebook: str) -> str:
    """Names all of a container but its notebook, which can therefore hold it."""
    lines = sorted(
        f"{each.path}\n{each.size} {each.digest} {int(each.executable)}\n"
        for each in members
        if each.path != notebook
    )
    return digest_of("".join(lines).encode())


def link(plain: dict[str, Any], name: str, run: str, contents: str, url: str) -> None:
    """Write into a notebook's metadata what finds and verifies its container; see ``schemas/notebook.schema.json``."""
    metadata = plain.setdefault("metadata", {})
    about = metadata.get("nbrewind")
    metadata["nbrewind"] = (about if isinstance(about, dict) else {}) | {
        "schema": 1,
        "container": {
            "format": FORMAT,
            "manifest": MANIFEST,
            "record": record_of(name),
            "run": run,
            "contents": contents,
            **({"url": url} if url else {}),
        },
    }


def encode(plain: Mapping[str, Any]) -> bytes:
    """A notebook as Jupyter writes it."""
    text = json.dumps(plain, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    return text.encode("utf-8", "surrogatepass")
