"""The container as an RO-Crate: cells and tasks as actions, by the profile Provenance Run Crate.

Profiles: https://w3id.org/ro/wfrun/provenance/0.5 and those it builds on, in RO-Crate 1.1 (what public validators
check). It is written here rather than by a library, because members are streamed and the bytes must be the same each
time.
"""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import nbrewind
from nbrewind.container.deeds import Deed, Deeds
from nbrewind.container.storing import Item

CRATE = "ro-crate-metadata.json"
SPEC = "https://w3id.org/ro/crate/1.1"
WORKFLOW_CRATE = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/provenance/0.5": ("Provenance Run Crate", "0.5"),
    WORKFLOW_CRATE: ("Workflow RO-Crate", "1.0"),
}
BIOSCHEMAS = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
ENGINE = "https://pypi.org/project/nbrewind/"
NO_LICENCE = "No licence is stated; ask the authors before you reuse this."
_DONE = "http://schema.org/CompletedActionStatus"
_FAILED = "http://schema.org/FailedActionStatus"

Entity = dict[str, Any]


def crate(deeds: Deeds, plain: Mapping[str, Any], items: Sequence[Item]) -> bytes:
    """The content of ``ro-crate-metadata.json``.

    Parameters
    ----------
    deeds
        What was done.
    plain
        The notebook's JSON.
    items
        What else goes into the container.
    """
    made = _Crate(deeds, plain, items)
    body = {"@context": f"{SPEC}/context", "@graph": made.graph()}
    return json.dumps(body, indent=1, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


class _Crate:
    def __init__(self, deeds: Deeds, plain: Mapping[str, Any], items: Sequence[Item]) -> None:
        self._deeds, self._plain = deeds, plain
        self._items = [item for item in items if item.role != "record"]
        self._here = {item.path for item in self._items}
        self._entities: dict[str, Entity] = {}

    def graph(self) -> list[Entity]:
        """All entities; the descriptor and the root come first."""
        run = self._deeds.run
        agent = self._add("Person", f"#person-{_safe(run.user or 'unknown')}", name=run.user or "unknown")
        place = self._add("Place", f"#host-{_safe(run.host or 'unknown')}", name=run.host or "unknown")
        by = {"agent": agent, "location": place}
        cells = [self._cell(deed, by) for deed in self._deeds.cells]
        tasks = [self._task(deed, by) for deed in self._deeds.tasks]
        whole = self._run(by)
        self._engine(whole, [control for _, control in cells], by)
        files = [self._file(item) for item in self._items]
        workflow = self._workflow()
        for url, (name, version) in PROFILES.items():
            self._add("CreativeWork", url, name=name, version=version)
        root = self._root(agent, [workflow, *files], [whole, *(action for action, _ in cells), *tasks])
        return [_descriptor(), root, *self._entities.values()]

    def _add(self, kind: str | list[str], identity: str, /, **properties: Any) -> Entity:
        """Add an entity once, and return a reference to it."""
        kept = {key: value for key, value in properties.items() if value not in (None, "", [], {})}
        self._entities.setdefault(identity, {"@id": identity, "@type": kind, **kept})
        return {"@id": identity}

    def _root(self, author: Entity, parts: list[Entity], mentions: list[Entity]) -> Entity:
        run = self._deeds.run
        name = self._deeds.notebook
        return {
            "@id": "./",
            "@type": "Dataset",
            "name": name.removesuffix(".ipynb"),
            "description": f"The notebook {name}, the record of its runs, and what is needed to repeat it",
            "author": author,
            "datePublished": _moment(run.ended or run.started),
            "license": str(self._plain.get("metadata", {}).get("license") or NO_LICENCE),
            "conformsTo": [{"@id": url} for url in PROFILES],
            "mainEntity": {"@id": quote(name)},
            "hasPart": _some(parts),
            "mentions": _some(mentions),
        }

    def _workflow(self) -> Entity:
        deeds = self._deeds
        language = self._add(
            "ComputerLanguage",
            "#jupyter-notebook",
            name="Jupyter Notebook",
            url="https://nbformat.readthedocs.io/",
            version=deeds.run.python and f"Python {deeds.run.python}",
        )
        needed = [
            self._add(
                "SoftwareApplication",
                f"https://pypi.org/project/{quote(name)}/",
                name=name,
                softwareVersion=version,
                url=f"https://pypi.org/project/{quote(name)}/",
            )
            for name, version in deeds.software.items()
        ]
        tools = [{"@id": name} for name in dict.fromkeys(map(_tool, [*deeds.cells, *deeds.tasks]))]
        return self._add(
            ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
            quote(deeds.notebook),
            name=deeds.notebook,
            conformsTo={"@id": BIOSCHEMAS},
            encodingFormat="application/x-ipynb+json",
            programmingLanguage=language,
            version=deeds.run.id,
            hasPart=_some(tools),
            step=_some([{"@id": _step(deed)} for deed in deeds.cells]),
            input=_some([self._parameter(path) for path in sorted(deeds.reads)]),
            softwareRequirements=_some(needed),
        )

    def _parameter(self, path: str) -> Entity:
        name = f"#input-{_safe(path)}"
        known = self._used(path)
        self._entities[known["@id"]].setdefault("exampleOfWork", {"@id": name})
        return self._add("FormalParameter", name, name=path, additionalType="File", workExample=known)

    def _file(self, item: Item) -> Entity:
        kind = ["File", "SoftwareSourceCode"] if item.role == "code" else "File"
        return self._add(
            kind,
            quote(item.path),
            name=item.path,
            contentSize=str(item.size),
            encodingFormat=mimetypes.guess_type(item.path)[0] or "application/octet-stream",
        )

    def _used(self, path: str) -> Entity:
        """A file that was read or written: the member, or a description of what is not here."""
        inside = path.removeprefix("./")
        if path.startswith("./") and inside in self._here:
            return self._file(next(item for item in self._items if item.path == inside))
        if path.startswith("./") and any(item.path.startswith(inside + "/") for item in self._items):
            return self._add("Dataset", quote(inside) + "/", name=inside)
        digest = self._deeds.digests.get(path, "")
        return self._add("CreativeWork", f"#file-{_safe(path)}", name=path, identifier=digest)

    def _action(self, name: str, deed: Deed, tool: Entity, by: Entity, title: str) -> Entity:
        status = {} if deed.ok else {"error": "it failed"}
        return self._add(
            "CreateAction",
            name,
            name=title,
            description=title,
            instrument=tool,
            startTime=_moment(deed.started),
            endTime=_moment(deed.started + deed.seconds),
            actionStatus=_DONE if deed.ok else _FAILED,
            object=_some([self._used(path) for path in deed.reads]),
            result=_some([self._used(path) for path in deed.writes]),
            **status,
            **by,
        )

    def _cell(self, deed: Deed, by: Entity) -> tuple[Entity, Entity]:
        """The action of a cell, and the control action that stands for its step."""
        tool = self._add(
            "SoftwareApplication",
            _tool(deed),
            name=f"cell {deed.name}",
            description=deed.source,
            softwareVersion=deed.code,
        )
        step = self._add("HowToStep", _step(deed), position=str(deed.position), workExample=tool)
        action = self._action(f"#cell-run-{_safe(deed.id)}", deed, tool, by, f"cell {deed.name} ran")
        control = self._add(
            "ControlAction",
            f"#control-{_safe(deed.id)}",
            name=f"nbrewind had cell {deed.name} run",
            instrument=step,
            object=action,
        )
        return action, control

    def _task(self, deed: Deed, by: Entity) -> Entity:
        tool = self._add("SoftwareApplication", _tool(deed), name=deed.name, softwareVersion=deed.code)
        place = (
            self._add("Place", f"#host-{_safe(deed.host)}", name=deed.host) if deed.host else by["location"]
        )
        title = f"the task {deed.name} of cell {deed.source} ran"
        return self._action(f"#task-{_safe(deed.id)}", deed, tool, by | {"location": place}, title)

    def _run(self, by: Entity) -> Entity:
        run = self._deeds.run
        ended = run.ended or run.started
        whole = Deed(
            run.id, run.id, run.started, ended - run.started, run.status != "failed",
            tuple(sorted(self._deeds.reads)), tuple(sorted(self._deeds.writes)),
        )  # fmt: skip
        title = f"{run.kind} of {self._deeds.notebook} by {run.user or 'somebody'} on {run.host or 'some machine'}"
        return self._action(f"#run-{_safe(run.id)}", whole, {"@id": quote(self._deeds.notebook)}, by, title)

    def _engine(self, whole: Entity, controls: Iterable[Entity], by: Entity) -> None:
        run = self._deeds.run
        version = run.version or nbrewind.__version__
        engine = self._add(
            "SoftwareApplication", ENGINE, name="nbrewind", url=ENGINE, softwareVersion=version
        )
        self._add(
            "OrganizeAction",
            f"#organize-{_safe(run.id)}",
            name=f"nbrewind ran {self._deeds.notebook}",
            instrument=engine,
            startTime=_moment(run.started),
            endTime=_moment(run.ended or run.started),
            object=_some(list(controls)),
            result=whole,
            agent=by["agent"],
        )


def _descriptor() -> Entity:
    return {
        "@id": CRATE,
        "@type": "CreativeWork",
        "conformsTo": [{"@id": SPEC}, {"@id": WORKFLOW_CRATE}],
        "about": {"@id": "./"},
    }


def _some(entities: list[Entity]) -> Entity | list[Entity]:
    """References without repetition; one alone stands for itself."""
    distinct = list({entity["@id"]: entity for entity in entities}.values())
    return distinct[0] if len(distinct) == 1 else distinct


def _tool(deed: Deed) -> str:
    return f"#tool-{_safe(deed.tool)}"


def _step(deed: Deed) -> str:
    return f"#step-{_safe(deed.id)}"


def _safe(text: str) -> str:
    return quote(text.encode("utf-8", "replace"), safe="")


def _moment(seconds: float) -> str:
    """ISO 8601, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
