"""Learning runs as values: what their TOML may say, and what it may not."""

import dataclasses
from pathlib import Path

import pytest

from learngenes import config
from learngenes.errors import InvalidValue, LearngenesError, UnknownName
from learngenes.families.vit import parameters
from learngenes.job import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    AncestorOptions,
    DataOptions,
    Input,
    LearnJob,
    TrainingOptions,
    identity,
)
from learngenes.job_options import Teaching
from learngenes.methods.sws.options import LearnOptions
from learngenes.zoo import METHODS

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.toml"))

TABLE = {
    "name": "toy",
    "method": "sws",
    "geometry": {"depth": 4, "width": 32, "heads": 2, "patch": 4, "image": 8, "classes": 10},
    "data": {"train": "digits:train", "test": "digits:test"},
    "training": {"epochs": 1, "batch": 32, "learning_rate": 1e-3},
}


def parse(**changes):
    return config.parse({**TABLE, **changes}, LearnJob, where="job.toml")


def within(name, **changes):
    return {name: {**TABLE[name], **changes}}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_configuration_is_a_job_of_its_method(path):
    job = config.load(path, LearnJob)
    options = config.parse(job.options, METHODS[job.method].learning, where="options")
    assert parameters(job.geometry) > 0
    assert path.stem.startswith(job.method) and f"configs/{path.name}" in path.read_text("utf-8")
    if isinstance(options, LearnOptions):
        assert sum(options.stages) == job.geometry.depth
    if isinstance(options, Teaching):
        assert (job.ancestor is not None) == (options.alpha > 0)


def test_every_method_has_a_configuration():
    assert {config.load(path, LearnJob).method for path in CONFIGS} == METHODS.keys()


def test_an_unknown_key_names_the_nearest_known_one():
    with pytest.raises(UnknownName, match="did you mean 'learning_rate'"):
        parse(**within("training", learning_rat=1.0))
    with pytest.raises(UnknownName, match="did you mean 'augment'"):
        parse(**within("data", augmnt="light"))
    with pytest.raises(UnknownName, match="did you mean 'geometry'"):
        parse(geometri={})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "Not A Name"}, "'Not A Name' can't name a learngene"),
        ({"seed": -1}, "seed is at least 0, got -1"),
        (within("data", mean=[0.5], std=[0.5]), "one value per channel: 3, got 1"),
        (within("data", std=[0.5]), "std has one value above 0 per entry of mean"),
        (within("data", flip=2.0), "flip is within 0..1, got 2.0"),
        (within("data", augment="light", padding=8), "below its side 8, got 8"),
        (within("data", train="cifar:train"), "unknown data set 'cifar:train'"),
        (within("data", train="digits:all"), "unknown data set 'digits:all'"),
        (within("training", epochs=0), "epochs is at least 1, got 0"),
        (within("training", min_lr=1.0), "min_lr is within 0..0.001, got 1.0"),
        (within("training", ema_decay=1.0), "ema_decay is at least 0 and below 1, got 1.0"),
        (within("training", batch=31, mixup=0.2), "need an even batch, got 31"),
        (within("training", precision="float16"), "float16"),
        ({"ancestor": {"architecture": "resnet18"}}, "exactly one of .* got none"),
        (
            {"ancestor": {"architecture": "resnet18", "pretrained": True, "checkpoint": "a.safetensors"}},
            "got checkpoint and pretrained",
        ),
        ({"ancestor": {"architecture": "resnet18", "checkpoint": "a.pth"}}, "can run code when opened"),
        ({"ancestor": {"architecture": "vit", "pretrained": True}}, "nobody published weights; name one of timm's"),
        (
            {"ancestor": {"architecture": "vit", "checkpoint": "a.safetensors", "arguments": {"depth": 3}}},
            "takes no arguments, got depth; remove them",
        ),
        (
            {"ancestor": {"architecture": "resnet18", "pretrained": True, "arguments": {"num_classes": 3}}},
            "num_classes is not among the ancestor's arguments",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_the_value_and_the_limit(changes, message):
    with pytest.raises(InvalidValue, match=message):
        parse(**changes)


@pytest.mark.parametrize(
    "values", [{"stages": []}, {"stages": [1, 0]}, {"stages": [1], "alpha": 1.5}, {"stages": [1], "temperature": 0.0}]
)
def test_options_of_sws_are_checked(values):
    with pytest.raises(LearngenesError):
        config.parse(values, LearnOptions, where="options")


def test_the_identity_of_a_run_holds_what_decides_it_and_nothing_else():
    job = parse(options={"stages": [1, 2, 1]}, ancestor={"architecture": "resnet18", "pretrained": True})
    same = dataclasses.replace(
        job, training=dataclasses.replace(job.training, workers=3, checkpoint_minutes=1.0, report_seconds=0.0)
    )
    assert identity(same) == identity(job)
    for other in (
        dataclasses.replace(job, seed=1),
        dataclasses.replace(job, data=dataclasses.replace(job.data, padding=2)),
        dataclasses.replace(job, options={"stages": [2, 1, 1]}),
        dataclasses.replace(job, ancestor=None),
    ):
        assert identity(other) != identity(job)
    assert identity(job)["training.learning_rate"] == 1e-3
    assert identity(job)["options.stages"] == [1, 2, 1]


def bare(**changes):
    table = {name: value for name, value in TABLE.items() if name not in ("data", "training")}
    return config.parse({**table, **changes}, LearnJob, where="job.toml")


STORED = {"architecture": "resnet18", "checkpoint": "a.safetensors"}


def test_a_method_says_which_tables_it_needs_and_which_it_has_no_use_for():
    job = bare(method="tleg")
    for need, table in ((job.need_data, "data"), (job.need_training, "training"), (job.need_ancestor, "ancestor")):
        with pytest.raises(InvalidValue, match=rf"method 'tleg' needs \[{table}\]; add the table"):
            need()
    job.refuse("data", "training", "ancestor")
    full = parse(ancestor={"architecture": "resnet18", "pretrained": True})
    assert (full.need_data(), full.need_training(), full.need_ancestor()) == (full.data, full.training, full.ancestor)
    for table in ("data", "training", "ancestor"):
        with pytest.raises(InvalidValue, match=rf"method 'sws' has no use for \[{table}\]; remove the table"):
            full.refuse(table)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training": TABLE["training"]}, r"\[training\] needs images to train on; add \[data\]"),
        (
            {"ancestor": {"architecture": "vit", "training": TABLE["training"]}},
            r"\[ancestor.training\] needs images to train on; add \[data\], or name a checkpoint",
        ),
        ({"ancestor": STORED}, "images were normalised for a.safetensors; add ancestor.mean and ancestor.std"),
        ({"ancestor": {**STORED, "mean": [0.5], "std": [0.5]}}, "ancestor's mean and std .* per channel: 3, got 1"),
    ],
)
def test_what_cannot_be_without_images_is_refused(changes, message):
    with pytest.raises(InvalidValue, match=message):
        bare(**changes)


def test_the_input_is_that_of_the_images_else_of_the_ancestor_else_imagenets():
    assert parse().input == Input(IMAGENET_MEAN, IMAGENET_STD, "bicubic", 0.875)
    light = parse(**within("data", augment="light", mean=[0.1] * 3, std=[0.2] * 3, interpolation="bilinear"))
    assert light.input == Input((0.1,) * 3, (0.2,) * 3, "bilinear", 1.0)
    assert bare(ancestor={**STORED, "mean": [0.1] * 3, "std": [0.2] * 3}).input == Input((0.1,) * 3, (0.2,) * 3)
    assert bare().input == Input(IMAGENET_MEAN, IMAGENET_STD)
    assert bare(geometry={**TABLE["geometry"], "channels": 1}).input == Input((0.5,), (0.5,))


def test_values_cannot_be_changed():
    for value in (TrainingOptions(1, 2, 0.1), DataOptions("digits:train", "digits:test")):
        with pytest.raises((dataclasses.FrozenInstanceError, TypeError)):
            value.epochs = 3
    assert AncestorOptions("resnet18", pretrained=True).arguments == {}
