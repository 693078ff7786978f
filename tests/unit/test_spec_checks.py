"""What is refused of a job before anything is learned, and what a job says of a learngene."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import factories
import pytest
from cases import jobs, wave
from cases.jobs import EVALUATE, FIT, LEARN, TABLES, TOURNAMENT
from cases.measurements import top1

from learngenes import gene, spec
from learngenes.catalog import Catalog
from learngenes.errors import (
    InvalidKey,
    InvalidValue,
    LearngeneNotFound,
    LearngenesError,
    NeedsLearning,
    UnsupportedSize,
)
from learngenes.publish import publish_measured
from learngenes.spec import Evaluate, FitSize, Learn, Tournament


@pytest.fixture
def catalog() -> Catalog:
    """`tiny` of SWS, and `templates` of WAVE."""
    return factories.catalog(None, factories.learngene(), wave.make(name="templates"))


@pytest.mark.parametrize(
    ("kind", "change", "error", "message"),
    [
        ("learn", {"ancestor": {"architecture": "resnet10t", "pretrained": True}}, InvalidValue, "without a part"),
        ("learn", {"options": {"stages": [1, 1]}}, InvalidValue, "weighs an ancestor and there is none"),
        ("learn", {"training": None}, InvalidValue, r"needs \[training\]"),
        ("learn", {"method": "scratch", "options": {}}, InvalidValue, r"no use for \[data\]"),
        ("learn", {"measure": [600]}, UnsupportedSize, "the nearest is depth 512"),
        ("learn", {"measure_widths": [16]}, InvalidValue, "add measure"),
        ("learn", {"alias": "3"}, InvalidKey, "read like a version"),
        ("learn", {"alias": "a b"}, InvalidKey, "a b"),
        ("fit-size", {"learngene": "nobody"}, LearngeneNotFound, "nobody"),
        ("fit-size", {}, InvalidValue, "whose sizes need no fitting"),
        ("fit-size", {"learngene": "templates"}, InvalidValue, "put the learngene's into data"),
        ("evaluate", {"depths": [600]}, UnsupportedSize, "the nearest is depth 512"),
        ("evaluate", {"learngene": "templates", "depths": [3]}, NeedsLearning, "3"),
        ("tournament", {"learngenes": ["nobody@1"]}, LearngeneNotFound, "nobody"),
        (
            "tournament",
            {"width": 4096, "methods": ["sws"]},
            InvalidValue,
            "nobody can take part at depth 2, width 4096",
        ),
        ("tournament", {"ancestor": None, "methods": ["selection"]}, InvalidValue, r"needs \[ancestor\]"),
    ],
)
def test_what_can_not_be_in_this_catalog_is_refused_before_anything_is_learned(
    kind: str, change: dict[str, Any], error: type[LearngenesError], message: str, catalog: Catalog
) -> None:
    job = spec.read(kind, TABLES[kind] | change)
    with pytest.raises(error, match=message):
        spec.check(job, catalog)


@pytest.mark.parametrize("kind", ["learn", "evaluate", "tournament"])
def test_what_can_be_is_not_refused(kind: str, catalog: Catalog) -> None:
    spec.check(spec.read(kind, TABLES[kind]), catalog)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("learn", {"data": jobs.DATA | {"train": "parquet:/etc/passwd"}}),
        ("learn", {"data": jobs.DATA | {"test": "folder:a/../../b"}}),
        ("learn", {"data": jobs.DATA | {"test": "folder:a\\b"}}),
        ("learn", {"ancestor": {"architecture": "vit", "checkpoint": "/x.safetensors"}}),
        ("learn", {"ancestor": {"architecture": "vit", "checkpoint": "../x.safetensors"}}),
        *(
            ("learn", {"ancestor": {"architecture": "resnet10t", "arguments": {name: "x"}, "pretrained": True}})
            for name in ("checkpoint_path", "pretrained_cfg", "pretrained_cfg_overlay", "cache_dir")
        ),
        ("learn", {"training": LEARN["training"] | {"workers": 65}}),
        ("learn", {"geometry": jobs.GEOMETRY | {"depth": 512, "width": 16384}}),
        ("fit-size", {"data": jobs.DATA | {"train": "folder:.."}}),
        ("fit-size", {"options": {"init": "lstsq", "target": "../x.safetensors"}}),
        ("evaluate", {"test": "parquet:/x.parquet"}),
        ("evaluate", {"train": "parquet:../x.parquet"}),
        ("evaluate", {"training": {"workers": 1000}}),
        ("tournament", {"data": jobs.DATA | {"train": "folder:/"}}),
        ("tournament", {"tuning": {"workers": 100}, "tuning_epochs": 1}),
        ("tournament", {"ancestor": {"architecture": "vit", "checkpoint": "/x.safetensors"}}),
    ],
)
def test_a_confined_job_reaches_no_file_outside_the_image_directory_and_has_a_limited_size(
    kind: str, change: dict[str, Any]
) -> None:
    spec.confine(spec.read(kind, TABLES[kind]))
    with pytest.raises(
        InvalidValue, match=r"inside the image directory|workers is at most 64|may not name files|parameters, the most"
    ):
        spec.confine(spec.read(kind, TABLES[kind] | change))


def test_a_learngene_says_which_job_fits_it_to_a_size_if_it_says_what_it_was_learned_from(catalog: Catalog) -> None:
    manifest = catalog.get("templates")
    assert spec.fitting(manifest, depth=3, width=16) is None
    assert spec.fitting(catalog.get("tiny"), depth=3, width=16) is None
    told = replace(manifest, training={"train": "digits:train", "test": "digits:test"}, data_license="bsd")
    job = spec.fitting(told, depth=3, width=16)
    assert job is not None
    assert (job.job.learngene, job.job.depth, job.job.width) == ("templates@1", 3, 16)
    assert (job.job.data.train, job.job.data.test, job.job.data.license) == ("digits:train", "digits:test", "bsd")
    spec.check(job, catalog)
    assert spec.from_json(spec.to_json(job)) == job


def test_a_pinned_job_names_the_first_version_that_differs_in_measurements_alone(catalog: Catalog) -> None:
    publish_measured(catalog.get("tiny"), [top1(3, 32, 0.5)], catalog=catalog)
    other, raw = factories.learngene(version=3, seed=1)
    for reference, first in (("tiny", "tiny@1"), ("tiny@2", "tiny@1")):
        evaluate = spec.pinned(spec.read("evaluate", EVALUATE | {"learngene": reference}), catalog)
        assert isinstance(evaluate, Evaluate)
        assert evaluate.job.learngene == first
    catalog.publish(other, [raw])
    compare = spec.pinned(spec.read("tournament", TOURNAMENT | {"learngenes": ["tiny", "tiny@2", "tiny@1"]}), catalog)
    assert isinstance(compare, Tournament)
    assert compare.job.learngenes == ("tiny@3", "tiny@1")
    fit = spec.pinned(spec.read("fit-size", FIT | {"learngene": "templates"}), catalog)
    assert isinstance(fit, FitSize)
    assert fit.job.learngene == "templates@1"
    learn = spec.read("learn", LEARN)
    assert isinstance(learn, Learn)
    assert spec.pinned(learn, catalog) == learn
    assert gene.unmeasured(catalog.get("tiny@1")) == gene.unmeasured(catalog.get("tiny@2"))
