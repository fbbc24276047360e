"""Site files: what they may say, how mistakes are told, where they are found."""

import json
import tomllib
from pathlib import Path
from typing import get_type_hints

import attrs
import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbrewind.batch import places, queues, reading, schema, search, units, writing
from nbrewind.batch.model import Site
from nbrewind.errors import SiteFileError, SiteUnusable

CHECKOUT = Path(__file__).parents[3]
PACKAGED = sorted((CHECKOUT / "site-configs").glob("*.toml"))

WRONG = """\
# a comment
[site]
descripton = "x"

[scheduler]
type = "slrum"
walltime = "abc"
account = "m123"
job_extra_directives = [
  "--a",
  3,
]
cores = 2

[[scheduler.queues]]
nam = "x"
[[scheduler.queues]]
name = "y"

[workers]
cores = "4"
memory = 4

[quark]
"""


def site(text="", **tables):
    return reading.site_of(
        tomllib.loads(text) or {"scheduler": {"type": "slurm"}, **tables}, "test.toml", text
    )


def mistakes(text, *, shared=False):
    with pytest.raises(SiteFileError) as caught:
        reading.site_of(tomllib.loads(text), "test.toml", text, shared=shared)
    return list(caught.value.mistakes)


def test_every_mistake_is_told_at_once_with_its_line_and_the_nearest_key():
    assert mistakes(WRONG, shared=True) == [
        "line 3: site.descripton: [site] has no such key; did you mean 'description'?",
        "line 6: scheduler.type: 'slrum' is none of local, slurm, pbs, torque, uge, condor; did you mean 'slurm'?",
        'line 7: scheduler.walltime: \'abc\' is no length of time: write "H:MM:SS", "D-HH:MM:SS" or "90 min"',
        "line 8: scheduler.account: does not belong in a file that others read: set "
        "NBREWIND_ACCOUNT, or write it to a file of your own that extends this one",
        "line 9: scheduler.job_extra_directives[2]: 3 is not text in quotes",
        "line 13: scheduler.cores: [scheduler] has no such key; it belongs to [workers]",
        "line 15: scheduler.queues[1].name: is missing",
        "line 16: scheduler.queues[1].nam: [scheduler.queues[1]] has no such key; did you mean 'name'?",
        "line 21: workers.cores: '4' is not a whole number",
        'line 22: workers.memory: 4 is no amount of memory: write a number and a unit, as in "4 GB"',
        "line 24: quark: a site file has no such key; it has site, scheduler, workers, network, security, "
        "environment, paths",
    ]


def test_account_is_no_mistake_in_a_file_of_ones_own():
    assert site('[scheduler]\ntype = "pbs"\naccount = "m123"\n').scheduler.account == "m123"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[workers]\nmin = 20", "workers.min: 20 is more than max, 10"),
        ("[workers]\ncores = 0", "workers.cores: 0 is less than 1"),
        ("[workers]\ncores = true", "workers.cores: True is not a whole number"),
        ("[security]\ntls = 1", "security.tls: 1 is not true or false"),
        ("[network]\nport_range = [9000]", "network.port_range: [9000] are not a first and a last port"),
        ("[network]\nport_range = [80, 90]", "network.port_range: [80, 90] are not a first and a last port"),
        (
            '[environment]\npacked = "a"\ncontainer = "b"',
            "environment.container: cannot be given together with packed",
        ),
        ('[environment]\nmodules = "a"', "environment.modules: 'a' is not a list"),
        (
            '[network]\ninterface = "a"\naddress = "b"',
            "network.address: cannot be given together with interface",
        ),
        ("workers = 3", "workers: 3 is not a table"),
    ],
)
def test_what_cannot_be_is_told(text, expected):
    scheduler = '[scheduler]\ntype = "slurm"\n'
    found = mistakes(scheduler + text if text.startswith("[") else text + "\n" + scheduler)
    assert len(found) == 1
    assert expected in found[0]


def test_queue_that_is_not_listed_and_walltime_beyond_the_limit_are_told():
    listed = '[[scheduler.queues]]\nname = "short"\nmax_walltime = "1:00:00"\n'
    assert "did you mean 'short'?" in mistakes(f'[scheduler]\ntype = "slurm"\nqueue = "shrot"\n{listed}')[0]
    told = mistakes(f'[scheduler]\ntype = "slurm"\nqueue = "short"\nwalltime = "2:00:00"\n{listed}')
    assert told == ["line 4: scheduler.walltime: 2:00:00 is more than queue short allows, 1:00:00"]


def test_text_that_is_no_toml_is_told_with_its_place(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text('[scheduler]\ntype = "slurm\n')
    with pytest.raises(SiteFileError, match=r"line 2"):
        reading.read(path)


@pytest.mark.parametrize("path", PACKAGED, ids=lambda path: path.stem)
def test_packaged_files_are_valid_and_say_where_they_come_from(path):
    read = search.read_all(search.Found(path.stem, path, "packaged"))
    assert read.site.description
    assert read.site.source
    assert read.site.date
    queues.choose(read)
    jsonschema.validate(tomllib.loads(path.read_text()), schema.schema())


def test_public_systems_are_packaged_and_unverified():
    templates = {"local", "slurm", "pbs", "uge", "condor"}
    names = {path.stem for path in PACKAGED}
    assert templates <= names
    systems = [search.read_all(search.find(name)) for name in names - templates]
    assert len(systems) >= 6
    assert all(each.site.url and not each.site.verified for each in systems)


def test_schema_file_is_in_step_with_the_model():
    written = json.loads((CHECKOUT / "site-configs" / "site.schema.json").read_text())
    assert written == schema.schema(), "nbrewind site schema > site-configs/site.schema.json"
    jsonschema.Draft202012Validator.check_schema(written)


def test_reference_is_in_step_with_the_model():
    text = (CHECKOUT / "docs" / "reference" / "site-file.md").read_text()
    assert schema.reference() in text


def test_schema_rejects_what_reading_rejects():
    validator = jsonschema.Draft202012Validator(schema.schema())
    found = {".".join(map(str, error.absolute_path)) for error in validator.iter_errors(tomllib.loads(WRONG))}
    assert {"scheduler.type", "scheduler.walltime", "workers.cores", "workers.memory"} <= found


@pytest.mark.parametrize("section", [each.name for each in attrs.fields(Site)])
def test_examples_of_keys_are_valid(section):
    table = get_type_hints(Site)[section]
    for each in attrs.fields(table):
        for example in each.metadata["examples"]:
            tables = {"scheduler": {"type": "slurm"}}
            tables.setdefault(section, {})[each.name] = example
            reading.site_of(tables, "example")
            jsonschema.validate(tables, schema.schema())


def test_file_that_extends_another_changes_only_what_it_says(tmp_path, monkeypatch):
    folder = tmp_path / search.FOLDER
    folder.mkdir()
    (folder / "mine.toml").write_text('[site]\nextends = "slurm"\n[workers]\ncores = 7\n')
    base, mine = search.load("slurm", tmp_path), search.load("mine", tmp_path)
    assert mine.workers.cores == 7
    assert mine.workers.memory == base.workers.memory
    assert not mine.site.verified


def test_file_may_extend_the_packaged_one_of_its_own_name(tmp_path):
    folder = tmp_path / search.FOLDER
    folder.mkdir()
    (folder / "pbs.toml").write_text('[site]\nextends = "pbs"\n[workers]\ncores = 7\n')
    assert search.load("pbs", tmp_path).workers.cores == 7
    assert search.find("pbs", tmp_path).origin == "project"


def test_files_that_extend_each_other_are_an_error(tmp_path):
    folder = tmp_path / search.FOLDER
    folder.mkdir()
    for one, other in (("x", "y"), ("y", "x")):
        (folder / f"{one}.toml").write_text(f'[site]\nextends = "{other}"\n')
    with pytest.raises(SiteFileError, match="circle: x → y → x"):
        search.load("x", tmp_path)


def test_search_goes_from_project_over_user_to_system(tmp_path, monkeypatch):
    project, user, system = tmp_path / "project", tmp_path / "user", tmp_path / "system"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(user))
    environment = {"XDG_CONFIG_DIRS": str(system)}
    homes = [project / search.FOLDER, user / "nbrewind" / search.FOLDER, system / "nbrewind" / search.FOLDER]
    for cores, home in enumerate(homes, start=1):
        home.mkdir(parents=True)
        (home / "mine.toml").write_text(f'[scheduler]\ntype = "slurm"\n[workers]\ncores = {cores}\n')
    for cores, home in enumerate(homes, start=1):
        assert search.load("mine", project, environment).workers.cores == cores
        (home / "mine.toml").unlink()
    with pytest.raises(SiteFileError, match="no site of that name"):
        search.load("mine", project, environment)


def test_account_comes_from_the_option_then_the_environment_then_ones_own_file(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text('[scheduler]\ntype = "slurm"\naccount = "file"\n')
    accounts = [
        search.load(str(path), environment={search.ACCOUNT: "variable"}, account="option"),
        search.load(str(path), environment={search.ACCOUNT: "variable"}),
        search.load(str(path), environment={}),
    ]
    assert [each.scheduler.account for each in accounts] == ["option", "variable", "file"]


def test_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(SiteFileError, match="did you mean 'slurm'"):
        search.find("slrum")


def test_first_queue_that_takes_the_workers_is_chosen():
    listed = [
        {"name": "short", "max_walltime": "1:00:00", "max_cores": 4},
        {"name": "long", "max_walltime": "24:00:00", "max_cores": 4, "max_memory": "8 GB"},
        {"name": "gpu", "max_gpus": 2},
    ]

    def chosen(walltime="0:30:00", **workers):
        tables = {"scheduler": {"type": "slurm", "walltime": walltime, "queues": listed}, "workers": workers}
        return queues.choose(reading.site_of(tables, "test")).name

    assert chosen() == "short"
    assert chosen("2:00:00") == "long"
    assert chosen("2:00:00", memory="9 GB") == "gpu"
    assert chosen(gpus=1) == "gpu"
    with pytest.raises(
        SiteUnusable, match=r"(?s)short: 5 cores are more than 4.*gpu: 3 GPUs are more than 2"
    ):
        chosen(cores=5, gpus=3)


@given(st.integers(1, 10**7), st.integers(1, 10**7))
def test_amounts_are_read_back_as_written(time, memory):
    assert units.seconds(units.clock(time)) == time
    assert units.megabytes(units.memory_text(memory)) == memory


@given(st.text(max_size=12))
def test_any_text_is_an_amount_or_an_error(text):
    for read in (units.seconds, units.megabytes):
        try:
            assert read(text) > 0
        except ValueError as error:
            assert repr(text) in str(error)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("path", PACKAGED, ids=lambda path: path.stem)
def test_what_show_prints_reads_as_the_same_site(path, full):
    read = search.read_all(search.Found(path.stem, path, "file"))
    assert reading.site_of(tomllib.loads(writing.toml(read, full=full)), "shown") == read


def test_beginning_of_a_new_file_is_valid_for_every_template(tmp_path):
    for name in ("slurm", "pbs", "uge", "condor", "local"):
        kind = search.load(name).scheduler.type
        path = tmp_path / "mine.toml"
        path.write_text(writing.beginning("mine", name, kind, "2026-01-01"))
        assert search.load(str(path)).scheduler.type == kind


def test_lines_of_keys_are_found_in_values_of_many_lines():
    text = 'a = [\n 1,\n]\n[b]\nc = """\nd = 1\n"""\n[[e]]\nf = 1\n[[e]]\nf = 2\n"g.h" = 3\n'
    found = places.lines(text)
    assert found[("a",)] == 1
    assert found[("b", "c")] == 5
    assert ("b", "d") not in found
    assert found[("e", 1, "f")] == 11
