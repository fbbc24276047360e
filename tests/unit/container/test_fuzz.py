"""Damaged containers, records and site files: refused with an error of ours, or read; nothing else happens."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nbrewind.batch.reading import read as read_site
from nbrewind.container.archive import opened
from nbrewind.container.manifest import MANIFEST, decode
from nbrewind.container.opening import open_into, read_listing
from nbrewind.errors import NbrewindError
from nbrewind.record.store import Record
from tests.unit.container.conftest import Study
from tests.unit.container.forging import Forged

SECONDS = float(os.environ.get("NBREWIND_FUZZ_SECONDS", "20"))
"""How long each of these goes on; ten minutes together is ``NBREWIND_FUZZ_SECONDS=150``."""

pytestmark = pytest.mark.slow

damage = st.lists(
    st.one_of(
        st.tuples(st.just("flip"), st.floats(0, 1), st.integers(1, 255)),
        st.tuples(st.just("cut"), st.floats(0, 1), st.floats(0, 0.2)),
        st.tuples(st.just("double"), st.floats(0, 1), st.floats(0, 0.2)),
        st.tuples(st.just("put"), st.floats(0, 1), st.binary(min_size=1, max_size=12)),
        st.tuples(st.just("number"), st.floats(0, 1), st.sampled_from([0, 1, 0x7FFFFFFF, 0xFFFFFFFF])),
    ),
    min_size=1,
    max_size=4,
)


def damaged(data: bytes, changes) -> bytes:
    for kind, where, how in changes:
        at = int(where * len(data))
        if kind == "flip" and data:
            at = min(at, len(data) - 1)
            data = data[:at] + bytes([data[at] ^ how]) + data[at + 1 :]
        elif kind == "cut":
            data = data[:at] + data[at + 1 + int(how * len(data)) :]
        elif kind == "double":
            end = at + 1 + int(how * len(data))
            data = data[:end] + data[at:end] + data[end:]
        elif kind == "put":
            data = data[:at] + how + data[at + len(how) :]
        elif kind == "number":
            data = data[:at] + how.to_bytes(4, "little") + data[at + 4 :]
    return data


def keep_trying(test) -> None:
    """Run a Hypothesis test again and again until the time is over."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        test()


def hypothetical(**strategies):
    relaxed = settings(
        max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    return lambda test: relaxed(given(**strategies)(test))


@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    """A container, and the study that it was made of."""
    folder = tmp_path_factory.mktemp("fuzz")
    study = Study(folder)
    study.pack(folder / "good.zip")
    return folder, study


def snapshot(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_damaged_zips(origin, tmp_path):
    folder, _ = origin
    good = (folder / "good.zip").read_bytes()
    place, target = tmp_path / "bad.zip", tmp_path / "target"

    @hypothetical(changes=damage)
    def attempt(changes):
        place.write_bytes(damaged(good, changes))
        shutil.rmtree(target, ignore_errors=True)
        before = snapshot(tmp_path)
        try:
            with opened(place) as source:
                open_into(source, read_listing(source), target)
        except NbrewindError:
            assert snapshot(tmp_path) == before
        else:
            assert {path.partition("/")[0] for path in snapshot(tmp_path) - before} == {"target"}

    keep_trying(attempt)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def test_manifests_with_other_values(origin):
    """Any value in any place of a manifest."""
    folder, _ = origin
    good = Forged(folder / "good.zip").manifest
    paths = list(places(good))

    @hypothetical(where=st.sampled_from(paths), value=json_values)
    def attempt(where, value):
        changed = json.loads(json.dumps(good))
        inside = changed
        for key in where[:-1]:
            inside = inside[key]
        inside[where[-1]] = value
        try:
            manifest = decode(json.dumps(changed).encode("utf-8", "surrogatepass"), MANIFEST)
        except NbrewindError as error:
            assert MANIFEST in str(error)
        else:
            assert decode(manifest.encode(), MANIFEST) == manifest

    keep_trying(attempt)


def places(value, before=()):
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*before, key)
        if isinstance(inner, (dict, list)):
            yield from places(inner, (*before, key))


def test_damaged_records(origin, tmp_path):
    """What a record lost is told, and nothing that it gives is another thing than was recorded."""
    _, study = origin
    whole = {
        path.relative_to(study.record): path.read_bytes()
        for path in study.record.rglob("*")
        if path.is_file()
    }
    logs = [path for path in whole if path.suffix in (".log", ".json", ".sqlite")]
    with Record.open(study.record, readonly=True) as record:
        truth = {run.id: record.cells(run.id) for run in record.runs()}

    @hypothetical(name=st.sampled_from(logs), changes=damage)
    def attempt(name, changes):
        place = tmp_path / "bad.nbrewind"
        shutil.rmtree(place, ignore_errors=True)
        for path, content in whole.items():
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_bytes(damaged(content, changes) if path == name else content)
        try:
            with Record.open(place, create=False) as record:
                for run in record.runs():
                    for cell in record.cells(run.id):
                        assert cell in truth[run.id]
                        if cell.outputs and record.has_blob(cell.outputs):
                            record.blob(cell.outputs)
                list(record.tasks())
        except NbrewindError:
            pass

    keep_trying(attempt)


def test_damaged_site_files(tmp_path):
    files = sorted(Path("site-configs").glob("*.toml")) or sorted(
        Path(__file__).parents[3].glob("site-configs/*.toml")
    )
    assert files
    place = tmp_path / "site.toml"

    @hypothetical(origin=st.sampled_from(files), changes=damage)
    def attempt(origin, changes):
        place.write_bytes(damaged(origin.read_bytes(), changes))
        try:
            read_site(place)
        except NbrewindError as error:
            assert "site" in str(error)

    keep_trying(attempt)
