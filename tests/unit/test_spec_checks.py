"""What is refused of a job before anything is learned, and what a job says of a learngene."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import factories
import pytest
from cases import jobs, selection, wave
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
from learngenes.gene import Parent
from learngenes.publish import publish_measured
from learngenes.sizes import Size
from learngenes.spec import Evaluate, FitSize, Learn, Tournament


@pytest.fixture
def catalog() -> Catalog:
    """`tiny` of SWS, `templates` of WAVE, and `picked` of weight selection."""
    made = (factories.learngene(), wave.make(name="templates"), selection.make(name="picked"))
    return factories.catalog(None, *made)


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
        ("learn", {"alias": "v2"}, InvalidKey, "can't be a new alias"),
        ("learn", {"name": "depth6-width32"}, InvalidKey, "reads like a size"),
        ("learn", {"name": "docs"}, InvalidKey, "something else in addresses"),
        ("fit-size", {"learngene": "nobody"}, LearngeneNotFound, "nobody"),
        ("fit-size", {"learngene": "picked"}, InvalidValue, "whose sizes need no fitting"),
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
            for name in ("checkpoint_path", "pretrained_cfg", "pretrained_cfg_overlay", "cache_dir", "scriptable")
        ),
        *(
            ("learn", {"ancestor": {"architecture": "resnet10t", "arguments": {"depth": value}, "pretrained": True}})
            for value in ({"a": 1}, [[1]], list(range(17)), "a/b", "x" * 65)
        ),
        ("learn", {"ancestor": {"architecture": "local-dir:/x", "pretrained": True}}),
        ("learn", {"options": {"stages": [1] * 1001, "alpha": 0.0}}),
        ("learn", {"measure": list(range(1, 66))}),
        ("learn", {"measure": list(range(1, 65)), "measure_widths": list(range(16, 32))}),
        ("learn", {"training": LEARN["training"] | {"workers": 65}}),
        ("learn", {"geometry": jobs.GEOMETRY | {"depth": 512, "width": 16384}}),
        ("fit-size", {"data": jobs.DATA | {"train": "folder:.."}}),
        ("fit-size", {"options": {"init": "lstsq", "target": "../x.safetensors"}}),
        ("evaluate", {"test": "parquet:/x.parquet"}),
        ("evaluate", {"train": "parquet:../x.parquet"}),
        ("evaluate", {"training": {"workers": 1000}}),
        ("evaluate", {"seeds": list(range(65))}),
        ("evaluate", {"depths": list(range(1, 33)), "seeds": list(range(32))}),
        ("tournament", {"learngenes": [f"tiny@{version}" for version in range(1, 66)]}),
        ("tournament", {"seeds": list(range(64)), "learngenes": [f"tiny@{version}" for version in range(1, 9)]}),
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
        InvalidValue,
        match=r"inside the image directory|workers is at most 64|parameters, the most|unknown argument of an "
        r"ancestor's network|a word, or a list|a name of timm's|at most (64|1,000) entries, got|at most 1,000, got 1,",
    ):
        spec.confine(spec.read(kind, TABLES[kind] | change))


def test_only_what_replaces_what_others_get_counts_as_replacing(catalog: Catalog) -> None:
    def replaced(kind: str, **change: object) -> str | None:
        return spec.replaced(spec.read(kind, TABLES[kind] | change), catalog)

    assert replaced("learn") is None
    assert replaced("learn", name="tiny") == "tiny@1"
    own = spec.read("learn", LEARN | {"name": "tiny", "seed": 5})
    manifest, raw = factories.learngene(version=2)
    catalog.publish(replace(manifest, training={"job": spec.identify(own)}), [raw])
    assert spec.replaced(own, catalog) is None
    assert replaced("learn", name="tiny", alias="best") == "tiny@2"
    assert replaced("evaluate") is None
    assert replaced("evaluate", alias="best") == "tiny@best"
    assert replaced("tournament") is None
    fit = {"learngene": "templates@1", "data": jobs.DATA | {"mean": [0.5], "std": [0.5]}}
    assert replaced("fit-size", **fit) is None
    parent = catalog.get("templates")
    child, file = wave.make(name=gene.fitted_name("templates", Size(3, 16)))
    catalog.publish(replace(child, parent=Parent(parent.reference, parent.digest)), [file])
    assert replaced("fit-size", **fit) == f"{child.name}@1"
    assert replaced("fit-size", **fit | {"depth": 2}) is None


def test_what_is_public_can_not_be_hidden_by_a_job_of_its_name(catalog: Catalog) -> None:
    job = spec.read("learn", LEARN | {"name": "tiny", "private": True})
    with pytest.raises(InvalidValue, match="'tiny', which is public"):
        spec.check(job, catalog)
    catalog.set_private("tiny", True)
    spec.check(job, catalog)
    spec.check(spec.read("learn", LEARN | {"name": "new", "private": True}), catalog)


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
