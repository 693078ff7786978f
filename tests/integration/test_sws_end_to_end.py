"""SWS from images to descendants: learned by the command, published, expanded, measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from learngenes.__main__ import main
from learngenes.catalog import Catalog
from learngenes.gene import Manifest
from learngenes.initialize import Request, initialize
from learngenes.quality import load, measure
from learngenes.store.local import LocalStore
from learngenes.tensorfile import TensorFile
from learngenes.training.data import open_images
from learngenes.training.vit import auxiliary, choose_attention, load_stage_tensors, network

CONFIG = """
name = "digits"
method = "sws"
{more}
[geometry]
depth = 5
width = 48
heads = 3
patch = 4
image = 8
classes = 10
channels = 1
{geometry}
[data]
train = "digits:train"
test = "digits:test"
mean = [0.3]
std = [0.38]
augment = "light"
padding = 1
flip = 0.0
[options]
stages = [2, 1, 2]
alpha = 0.0
[training]
epochs = 8
batch = 64
learning_rate = 3e-3
warmup_epochs = 1
clip_grad = 1.0
"""
KINDS = {"average": "", "token": 'class_token = true\npool = "token"'}


Learned = tuple[Path, Manifest, TensorFile]


@pytest.fixture(scope="module", params=KINDS)
def learned(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Learned:
    """The store a command published in, and the learngene."""
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "digits.toml").write_text(CONFIG.format(more="", geometry=KINDS[request.param]))
    words = ["learn", str(folder / "digits.toml"), "--run", str(folder / "run"), "--store", str(folder / "store")]
    assert main([*words, "--measure", "3-7"]) == 0
    catalog = Catalog(LocalStore(folder / "store"))
    manifest = catalog.get("digits")
    return folder / "store", manifest, catalog.open(manifest)


def test_i1_the_auxiliary_networks_own_depth_gives_bit_identical_logits(
    learned: Learned,
) -> None:
    _, manifest, tensors = learned
    stages = manifest.method_facts["stages"]
    aux = auxiliary(manifest.geometry, stages).eval()
    load_stage_tensors(aux, stages, {name: tensors.array(name) for name in tensors.tensors})
    choose_attention(aux, fused=False)
    descendant = load(initialize(manifest, Request(depth=sum(stages))), tensors)
    images = torch.rand(16, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(aux(images), descendant(images))


def test_descendants_of_other_depths_beat_scratch_untuned(learned: Learned) -> None:
    _, manifest, _ = learned
    scratch = 1 / manifest.geometry.classes
    assert [q.depth for q in manifest.quality] == [3, 4, 5, 6, 7]
    assert all(q.value > 2 * scratch for q in manifest.quality)
    own = next(q for q in manifest.quality if q.depth == 5)
    assert own.value == manifest.training["accuracy"]
    assert own.value > 0.5
    assert (own.n, own.metric, own.epochs_after) == (360, "top1", 0)


def test_the_manifest_says_how_it_was_learned(learned: Learned) -> None:
    _, manifest, _ = learned
    assert manifest.labels == tuple("0123456789")
    assert manifest.training["command"].startswith("learngenes learn ")
    assert manifest.training["versions"]["torch"] == torch.__version__
    assert manifest.training["seconds"] > 0
    assert manifest.ancestor is None


def test_evaluate_prints_what_the_manifest_says(learned: Learned, capsys: pytest.CaptureFixture[str]) -> None:
    store, manifest, _ = learned
    assert main(["evaluate", "digits", "--store", str(store), "--test", "digits:test", "--depths", "3,5"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["depth"]: line["value"] for line in lines} == {
        q.depth: q.value for q in manifest.quality if q.depth in (3, 5)
    }


def test_rounding_the_learngene_to_half_precision_hardly_changes_it(
    learned: Learned,
) -> None:
    _, manifest, tensors = learned
    images = open_images("digits:test", data=Path())
    (whole,) = measure(manifest, tensors, depths=[5], images=images, source="digits:test", command="")
    half = load(initialize(manifest, Request(dtype="f16")), tensors)
    full = load(initialize(manifest, Request()), tensors)
    pixels = torch.rand(64, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert whole.value == manifest.training["accuracy"]
    assert torch.allclose(half(pixels), full(pixels), atol=0.05)
    assert not torch.equal(half(pixels), full(pixels))


def test_publishing_again_makes_the_next_version(learned: Learned, tmp_path: Path) -> None:
    store, manifest, _ = learned
    again = store.parent
    words = ["learn", str(again / "digits.toml"), "--run", str(again / "run"), "--store", str(tmp_path)]
    assert main(words) == 0
    assert main(words) == 0
    catalog = Catalog(LocalStore(tmp_path))
    assert catalog.versions("digits") == [1, 2]
    assert catalog.get("digits@2").weights == manifest.weights


def test_fresh_networks_of_the_same_geometry_have_the_same_tensors(
    learned: Learned,
) -> None:
    _, manifest, tensors = learned
    recipe = initialize(manifest, Request(depth=9))
    assert load(recipe, tensors).state_dict().keys() == network(recipe.geometry).state_dict().keys()
