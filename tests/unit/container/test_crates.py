"""The container as others read it: RO-Crate, PROV-JSON, BagIt, Binder, JSON Schema."""

from __future__ import annotations

import hashlib
import json
from importlib import resources
from importlib.util import find_spec

import jsonschema
import pytest
from blake3 import blake3

from tests.unit.container.conftest import Study

# The validator fetches the context of RO-Crate 1.1 from the web; tests give it the terms that crates of nbrewind use.
SCHEMA = """
about actionStatus additionalType agent author contentSize ComputerLanguage CreateAction ControlAction CreativeWork
datePublished Dataset description encodingFormat endTime error exampleOfWork hasPart HowTo HowToStep identifier
instrument license location mainEntity mentions name object OrganizeAction Person Place position programmingLanguage
result SoftwareApplication SoftwareSourceCode softwareRequirements softwareVersion startTime step url version
workExample
""".split()
CONTEXT = {word: f"http://schema.org/{word}" for word in SCHEMA} | {
    "File": "http://schema.org/MediaObject",
    "ComputationalWorkflow": "https://bioschemas.org/ComputationalWorkflow",
    "FormalParameter": "https://bioschemas.org/FormalParameter",
    "input": "https://bioschemas.org/ComputationalWorkflow#input",
    "output": "https://bioschemas.org/ComputationalWorkflow#output",
    "conformsTo": "http://purl.org/dc/terms/conformsTo",
}


@pytest.fixture
def folder(study: Study, tmp_path):
    """A container as a folder."""
    study.pack(tmp_path / "c", prov=True)
    return tmp_path / "c"


def by_id(folder):
    graph = json.loads((folder / "ro-crate-metadata.json").read_text())["@graph"]
    return {entity["@id"]: entity for entity in graph}


def test_every_reference_in_a_crate_leads_somewhere(folder):
    known = by_id(folder)

    def references(value):
        if isinstance(value, dict):
            yield from (
                [value["@id"]]
                if set(value) == {"@id"}
                else (found for each in value.values() for found in references(each))
            )
        elif isinstance(value, list):
            yield from (found for each in value for found in references(each))

    outside = ("https://w3id.org/ro/crate", "http://schema.org/", "https://bioschemas.org/")
    dangling = {
        name
        for entity in known.values()
        for name in references({key: value for key, value in entity.items() if key != "@id"})
        if name not in known and not name.startswith(outside)
    }
    assert dangling == set()


def test_cells_and_tasks_are_actions_with_files_times_and_agents(study, folder):
    known = by_id(folder)
    run = known[f"#run-{study.runs[0]}"]
    assert run["instrument"] == {"@id": "analysis.ipynb"}
    assert known[run["agent"]["@id"]]["name"] == "ada"
    assert known[run["location"]["@id"]]["name"] == "alpha"
    cell = known[f"#cell-run-{study.runs[0]}-0"]
    assert {each["@id"] for each in cell["object"]} == {"in.txt", "helper.py"}
    assert (cell["startTime"], cell["endTime"]) == (
        "2026-01-02T03:03:20.000+00:00",
        "2026-01-02T03:03:20.500+00:00",
    )
    tasks = [entity for name, entity in known.items() if name.startswith("#task-")]
    assert [known[task["location"]["@id"]]["name"] for task in tasks] == ["worker1"]
    assert known["./"]["mainEntity"] == {"@id": "analysis.ipynb"}
    needed = known["analysis.ipynb"]["softwareRequirements"]
    assert {known[each["@id"]]["softwareVersion"] for each in needed} == {"2.5.5", "3.13"}


@pytest.mark.skipif(not find_spec("rocrate_validator"), reason="needs roc-validator")
@pytest.mark.parametrize("form", ["c", "c.zip"])
def test_a_public_validator_finds_a_provenance_run_crate(study, tmp_path, form, monkeypatch):
    from rocrate_validator import models, services
    from rocrate_validator.utils.http import HttpRequester

    class Answer:
        status_code = 200
        ok = True
        headers = {"Content-Type": "application/ld+json"}
        text = json.dumps({"@context": CONTEXT})

        def json(self):
            return json.loads(self.text)

    monkeypatch.setattr(HttpRequester, "get", lambda *_, **__: Answer(), raising=False)
    study.pack(tmp_path / form)
    settings = models.ValidationSettings(
        rocrate_uri=str(tmp_path / form),
        profile_identifier="provenance-run-crate-0.5",
        requirement_severity=models.Severity.REQUIRED,
    )
    result = services.validate(settings)
    assert [f"{issue.check.identifier}: {issue.message}" for issue in result.get_issues()] == []
    assert result.passed()


def test_binder_finds_what_the_notebook_needs(folder):
    assert (folder / "requirements.txt").read_text() == "cloudpickle\nnumpy==2.5.5\n"
    lines = (folder / "environment.yml").read_text().splitlines()
    assert "- python=3.13" in lines
    assert "- ndcctools" in lines
    assert "  - numpy==2.5.5" in lines


def test_the_authors_own_environment_goes_along_instead(study, tmp_path):
    (study.folder / "environment.yml").write_text("dependencies:\n- python=3.12\n")
    study.pack(tmp_path / "c")
    assert (tmp_path / "c" / "environment.yml").read_text() == "dependencies:\n- python=3.12\n"


@pytest.mark.skipif(not find_spec("prov"), reason="needs prov")
def test_the_provenance_is_prov_json(study, folder):
    from prov.model import ProvActivity, ProvDocument, ProvUsage

    document = ProvDocument.deserialize(str(folder / "provenance.prov.json"), format="json")
    activities = [str(record.label) for record in document.get_records(ProvActivity)]
    assert activities == ["cell c0", "cell c1", "cell c2", "task f"]
    assert len(list(document.get_records(ProvUsage))) == 2


def test_a_bag_has_right_sums(study, tmp_path):
    study.pack(tmp_path / "bag", bag=True)
    for listing in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
        lines = (tmp_path / "bag" / listing).read_text().splitlines()
        for line in lines:
            digest, _, path = line.partition("  ")
            assert hashlib.sha256((tmp_path / "bag" / path).read_bytes()).hexdigest() == digest
    listed = {
        line.partition("  ")[2]
        for line in (tmp_path / "bag" / "manifest-sha256.txt").read_text().splitlines()
    }
    inside = {
        path.relative_to(tmp_path / "bag").as_posix()
        for path in (tmp_path / "bag" / "data").rglob("*")
        if path.is_file()
    }
    assert listed == inside


@pytest.mark.parametrize("since", [False, True])
def test_what_is_written_fits_the_published_schemas(study, tmp_path, since):
    first = study.runs[0]
    if since:
        study.run()
    (study.folder / "in.txt").unlink()
    study.pack(tmp_path / "s", since=first if since else "", url="https://example.org/s.zip")
    metadata = json.loads((tmp_path / "s" / "analysis.ipynb").read_text())["metadata"]["nbrewind"]
    manifest = json.loads((tmp_path / "s" / "nbrewind-container.json").read_text())
    schemas = resources.files("nbrewind.container") / "schemas"
    for name, body in (("manifest", manifest), ("notebook", metadata)):
        schema = json.loads((schemas / f"{name}.schema.json").read_text())
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.validate(body, schema)
    assert metadata["container"]["url"] == "https://example.org/s.zip"


def test_the_notebook_alone_verifies_its_container(folder):
    """As the schema of its metadata says, without nbrewind."""
    contents = json.loads((folder / "analysis.ipynb").read_text())["metadata"]["nbrewind"]["container"][
        "contents"
    ]
    members = json.loads((folder / "nbrewind-container.json").read_text())["members"]
    lines = sorted(
        f"{one['path']}\n{one['size']} {one['digest']} {int(one['executable'])}\n"
        for one in members
        if one["role"] != "notebook"
    )
    assert contents == "blake3:" + blake3("".join(lines).encode()).hexdigest()
