"""Provenance of one run as PROV-JSON (https://www.w3.org/submissions/prov-json/)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from nbrewind.container.deeds import Deed, Deeds

PROV = "provenance.prov.json"
_NAMESPACE = "https://w3id.org/nbrewind/run/"


def provenance(deeds: Deeds) -> bytes:
    """The document: cells and tasks are activities, files are entities, the user and nbrewind are agents."""
    made = _Document(deeds)
    for deed in deeds.cells:
        made.activity("cell", deed)
    for deed in deeds.tasks:
        made.activity("task", deed)
    return json.dumps(made.body, indent=1, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


class _Document:
    def __init__(self, deeds: Deeds) -> None:
        self._deeds, self._cells = deeds, {deed.name: deed for deed in deeds.cells}
        self._person, self._engine = _name("person", deeds.run.user or "unknown"), "nb:nbrewind"
        self.body: dict[str, dict[str, Any]] = {
            "prefix": {"nb": f"{_NAMESPACE}{quote(deeds.run.id)}#"},
            "agent": {
                self._person: {"prov:type": {"$": "prov:Person", "type": "prov:QUALIFIED_NAME"}},
                self._engine: {"prov:type": {"$": "prov:SoftwareAgent", "type": "prov:QUALIFIED_NAME"}},
            },
            "actedOnBehalfOf": {"_:d1": {"prov:delegate": self._engine, "prov:responsible": self._person}},
            "entity": {},
            "activity": {},
            "used": {},
            "wasGeneratedBy": {},
            "wasAssociatedWith": {},
            "wasInformedBy": {},
        }

    def activity(self, kind: str, deed: Deed) -> None:
        name = _name(kind, deed.id)
        self.body["activity"][name] = {
            "prov:startTime": _moment(deed.started),
            "prov:endTime": _moment(deed.started + deed.seconds),
            "prov:label": f"{kind} {deed.name}",
            **({"prov:location": deed.host} if deed.host else {}),
        }
        self._relate("wasAssociatedWith", {"prov:activity": name, "prov:agent": self._engine})
        for path in deed.reads:
            self._relate("used", {"prov:activity": name, "prov:entity": self._file(path)})
        for path in deed.writes:
            self._relate("wasGeneratedBy", {"prov:entity": self._file(path), "prov:activity": name})
        if kind == "task" and deed.source in self._cells:
            cell = _name("cell", self._cells[deed.source].id)
            self._relate("wasInformedBy", {"prov:informed": name, "prov:informant": cell})

    def _relate(self, relation: str, body: dict[str, str]) -> None:
        self.body[relation][f"_:{relation}{len(self.body[relation]) + 1}"] = body

    def _file(self, path: str) -> str:
        digest = self._deeds.digests.get(path, "")
        name = _name("file", f"{path} {digest}".strip())
        self.body["entity"].setdefault(
            name, {"prov:label": path, **({"nb:digest": digest} if digest else {})}
        )
        return name


def _name(kind: str, text: str) -> str:
    return f"nb:{kind}-{quote(text.encode('utf-8', 'replace'), safe='')}"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
