"""Jobs as data: read, written, named, checked without torch."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import factories
import pytest
from cases import jobs, wave
from cases.jobs import EVALUATE, LEARN, TABLES
from hypothesis import given
from hypothesis import strategies as st

from learngenes import spec
from learngenes.catalog import Catalog
from learngenes.errors import (
    InvalidKey,
    InvalidValue,
    LearngenesError,
    UnknownName,
)

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.toml"))


@pytest.fixture
def catalog() -> Catalog:
    """`tiny` of SWS, and `templates` of WAVE."""
    return factories.catalog(None, factories.learngene(), wave.make(name="templates"))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_every_config_is_a_job_that_passes_every_check_and_comes_back_from_json(config: Path, catalog: Catalog) -> None:
    job = spec.read("learn", tomllib.loads(config.read_text("utf-8")))
    assert spec.from_json(spec.to_json(job)) == job
    spec.confine(job)
    spec.check(job, catalog)


@pytest.mark.parametrize("kind", TABLES)
def test_a_job_comes_back_from_its_canonical_json_with_every_default_written(kind: str) -> None:
    job = spec.read(kind, TABLES[kind])
    raw = spec.to_json(job)
    assert (spec.kind_of(job), type(job)) == (kind, spec.KINDS[kind])
    assert spec.from_json(raw) == job
    assert spec.to_json(spec.from_json(raw)) == raw
    document = json.loads(raw)
    assert document["spec"].keys() > TABLES[kind].keys()
    assert spec.read(kind, document["spec"]) == job
    assert spec.identify(spec.from_json(raw)) == spec.identify(job)


@given(
    names=st.sets(st.sampled_from(["seed", "dtype", "measure", "alias", "private", "license", "description"])),
    data=st.data(),
)
def test_any_choice_of_fields_comes_back(names: set[str], data: st.DataObject) -> None:
    values = {
        "seed": st.integers(0, 1 << 62),
        "dtype": st.sampled_from(["f32", "f16", "bf16"]),
        "measure": st.lists(st.integers(1, 512), unique=True),
        "alias": st.one_of(st.none(), st.text()),
        "private": st.booleans(),
        "license": st.text(st.characters(exclude_categories=["Cs"])),
        "description": st.text(st.characters(exclude_categories=["Cs"])),
    }
    job = spec.read("learn", LEARN | {name: data.draw(values[name]) for name in sorted(names)})
    assert spec.from_json(spec.to_json(job)) == job
    assert len(spec.identify(job)) == 32


def test_the_id_follows_from_what_decides_the_outcome_and_nothing_else() -> None:
    job = spec.read("learn", LEARN)
    idle = LEARN["training"] | {"workers": 7, "checkpoint_minutes": 9.0, "report_seconds": 1.0}
    assert spec.identify(spec.read("learn", LEARN | {"training": idle})) == spec.identify(job)
    spelt_out = LEARN | {"options": {"stages": [1, 1], "alpha": 0.0, "temperature": 1.0}, "seed": 0}
    assert spec.identify(spec.read("learn", spelt_out)) == spec.identify(job)
    ids = {
        spec.identify(spec.read("learn", LEARN | change))
        for change in (
            {},
            {"seed": 1},
            {"name": "other"},
            {"private": True},
            {"alias": "best"},
            {"license": "mit"},
            {"measure": [2]},
            {"dtype": "f16"},
            {"options": {"stages": [2], "alpha": 0.0}},
        )
    }
    assert len(ids) == 9
    evaluate = [spec.identify(spec.read("evaluate", EVALUATE | {"seeds": [seed]})) for seed in (0, 1)]
    assert len({*ids, *evaluate}) == 11


@pytest.mark.parametrize("kind", TABLES)
def test_every_document_one_change_away_is_a_job_or_refused_with_a_sentence(kind: str) -> None:
    junk = [None, True, -1, 10**30, float("nan"), "x", [], {}, [[]], "\ud800"]
    refused = 0
    for document in factories.mutations({"kind": kind, "spec": TABLES[kind]}, junk):
        try:
            job = spec.from_json(json.dumps(document).encode())
        except InvalidValue as error:
            refused += 1
            assert str(error)
        else:
            assert spec.from_json(spec.to_json(job)) == job
    assert refused > 20


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'{"kind": "learn"}', b'{"kind": [], "spec": {}}', b"[" * 100_000])
def test_what_is_no_job_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidValue):
        spec.from_json(raw)


@pytest.mark.parametrize(
    ("kind", "change", "error", "message"),
    [
        ("lern", {}, UnknownName, "did you mean 'learn'"),
        ("learn", {"methd": 1}, UnknownName, "did you mean 'method'"),
        ("learn", {"method": "swsx"}, UnknownName, "did you mean 'sws'"),
        ("learn", {"options": {"stages": [1, 1], "alfa": 0.0}}, UnknownName, "did you mean 'alpha'"),
        ("learn", {"name": "../x"}, InvalidKey, "can't name a learngene"),
        ("learn", {"measure": 3}, InvalidValue, "measure is a list"),
        ("learn", {"measure": [2, 3, 2]}, InvalidValue, "measure names 2 twice"),
        ("learn", {"measure": [2], "measure_widths": [16, 16]}, InvalidValue, "measure_widths names 16 twice"),
        ("evaluate", {"seeds": [*range(100_000), 7]}, InvalidValue, "seeds names 7 twice"),
        ("fit-size", {"depth": "3"}, InvalidValue, "depth is of type int"),
        ("evaluate", {"epochs": [0, 1]}, InvalidValue, "need images to train on"),
        ("tournament", {"seeds": []}, InvalidValue, "seeds are one or more whole numbers"),
        ("tournament", {"methods": ["sws", "sws"]}, InvalidValue, "names 'sws' twice"),
        ("tournament", {"methods": ["swx"]}, UnknownName, "did you mean 'sws'"),
        ("tournament", {"options": {"sws": 1}}, InvalidValue, "is a table"),
        ("tournament", {"tuning": {"batch": 8}}, InvalidValue, "tuning_epochs is 0"),
        ("tournament", {"data": jobs.DATA | {"tran": "x"}}, UnknownName, "did you mean 'train'"),
    ],
)
def test_what_makes_no_sense_is_refused_when_it_is_read(
    kind: str, change: dict[str, Any], error: type[LearngenesError], message: str
) -> None:
    with pytest.raises(error, match=message):
        spec.read(kind, TABLES.get(kind, {}) | change)


def test_jobs_are_checked_without_torch() -> None:
    script = "import sys, learngenes.spec, learngenes.guard; print(sorted({'torch', 'timm'} & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout == b"[]\n"
