"""TLEG, Simple-LG, Vanilla-LG, scratch and mimetic: learned, published, expanded in numpy and, the same, in torch."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from learngenes.__main__ import main
from learngenes.catalog import Catalog
from learngenes.errors import InvalidValue
from learngenes.families.vit import Geometry, shapes
from learngenes.gene import Manifest
from learngenes.initialize import Request, initialize
from learngenes.job import AncestorOptions, DataOptions, Learned, LearnJob, Stopped, TrainingOptions
from learngenes.learners import LEARNERS
from learngenes.methods.tleg.learn import OnALine
from learngenes.publish import publish
from learngenes.quality import load, measure
from learngenes.store.local import LocalStore
from learngenes.store.memory import MemoryStore
from learngenes.tensorfile import TensorFile
from learngenes.training.data import open_images
from learngenes.training.vit import arrays, choose_attention, load_stage_tensors, network

GEOMETRY = Geometry(depth=4, width=48, heads=3, patch=4, image=8, classes=10, channels=1)
DATA = DataOptions("digits:train", "digits:test", mean=(0.3,), std=(0.38,), augment="light", padding=1, flip=0.0)
TRAINING = TrainingOptions(epochs=6, batch=64, learning_rate=3e-3, warmup_epochs=1, clip_grad=1.0, report_seconds=60)
SHORT = AncestorOptions("vit", training=replace(TRAINING, epochs=3))
STORED = AncestorOptions("vit", mean=(0.3,), std=(0.38,), checkpoint="vit.safetensors")
TLEG = LearnJob("line", "tleg", GEOMETRY, DATA, TRAINING, SHORT, {"alpha": 0.5})
SIMPLE = LearnJob("simple", "simple_lg", GEOMETRY, DATA, TRAINING, options={"stages": [2, 1, 1, 2], "alpha": 0.0})
VANILLA = LearnJob("vanilla", "vanilla_lg", GEOMETRY, DATA, ancestor=SHORT)
PUBLISHED_SIZES = {"tiny": (192, 3, 1_268_392), "small": (384, 6, 4_305_256), "base": (768, 12, 15_687_400)}
BASE = Geometry(depth=12, width=768, heads=12, patch=16, image=224, classes=1000)


def learn(job: LearnJob, folder: Path, *, stops: bool = False) -> Learned | Stopped:
    return LEARNERS[job.method](job, run=folder, data=folder, report=lambda event: None, stop=lambda: stops)


def published(job: LearnJob, folder: Path) -> tuple[Manifest, TensorFile]:
    outcome = learn(job, folder)
    assert isinstance(outcome, Learned)
    catalog = Catalog(MemoryStore())
    manifest = publish(job, outcome, catalog=catalog)
    return manifest, catalog.open(manifest)


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, TensorFile]:
    return published(TLEG, tmp_path_factory.mktemp("tleg"))


@pytest.fixture(scope="module")
def simple(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, TensorFile]:
    return published(SIMPLE, tmp_path_factory.mktemp("simple"))


@pytest.fixture(scope="module")
def vanilla(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, TensorFile]:
    return published(VANILLA, tmp_path_factory.mktemp("vanilla"))


@cache
def pixels() -> torch.Tensor:
    return torch.rand(16, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def accuracies(learned: tuple[Manifest, TensorFile], *depths: int) -> list[float]:
    images = open_images("digits:test", data=Path())
    return [q.value for q in measure(*learned, depths=depths, images=images, source="digits:test", command="")]


def on_a_line(tensors: TensorFile, depth: int) -> OnALine:
    """The network in torch, of the stored tensors."""
    made = OnALine(replace(GEOMETRY, depth=depth)).eval()
    named = {name.removeprefix("frame."): value for name, value in made.named_parameters()}
    assert named.keys() == tensors.tensors.keys()
    with torch.no_grad():
        for name, value in named.items():
            value.copy_(torch.tensor(tensors.array(name)))
    choose_attention(made, fused=False)  # as load does
    return made


def test_tleg_e4_the_auxiliary_networks_depth_gives_its_very_logits(line: tuple[Manifest, TensorFile]) -> None:
    manifest, tensors = line
    descendant = load(initialize(manifest, Request()), tensors)
    assert torch.equal(descendant(pixels()), on_a_line(tensors, 4)(pixels()))
    assert accuracies(line, 4) == [manifest.training["accuracy"]]


@pytest.mark.parametrize("depth", [1, 3, 7])
def test_tleg_numpy_and_torch_expand_to_the_same_tensors(line: tuple[Manifest, TensorFile], depth: int) -> None:
    manifest, tensors = line
    made = load(initialize(manifest, Request(depth=depth)), tensors)
    expected = on_a_line(tensors, depth).arrays()
    found = arrays(made.state_dict())
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], value) for name, value in expected.items())


def test_tleg_learns_from_an_ancestor_and_other_depths_know_the_digits_untuned(
    line: tuple[Manifest, TensorFile],
) -> None:
    assert line[0].ancestor is not None and line[0].ancestor["accuracy"] > 0.3
    assert all(value > 0.2 for value in accuracies(line, 3, 4, 5))


@pytest.mark.parametrize("size", PUBLISHED_SIZES)
def test_tleg_learns_and_stores_as_many_parameters_as_published(size: str) -> None:
    width, heads, count = PUBLISHED_SIZES[size]
    with torch.device("meta"):
        made = OnALine(replace(BASE, width=width, heads=heads))
    assert sum(value.numel() for value in made.parameters()) == count
    assert sum(value.numel() for value in made.learned().values()) == count


def test_tleg_starts_as_the_authors_code_does() -> None:
    torch.manual_seed(0)
    made = OnALine(replace(BASE, width=192, heads=3)).learned()
    for name, value in made.items():
        part, _, within = name.partition(".")
        if part not in ("base", "slope"):
            continue
        if within.endswith("bias"):
            assert not value.any()
        elif within.startswith("norm"):
            assert (value == float(part == "base")).all()
        else:
            assert 0.0195 < value.std() < 0.0205
    assert not torch.equal(made["base.mlp.fc1.weight"], made["slope.mlp.fc1.weight"])


def test_tleg_a_run_that_was_stopped_goes_on_and_gives_the_same_tensors(tmp_path: Path) -> None:
    job = replace(TLEG, training=replace(TRAINING, epochs=1), ancestor=None, options={"alpha": 0.0})
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    for folder in (whole, stopped):
        folder.mkdir()
    assert learn(job, stopped, stops=True) == Stopped("auxiliary", 1, 22)
    one, two = learn(job, whole), learn(job, stopped)
    assert isinstance(one, Learned) and isinstance(two, Learned)
    assert all(np.array_equal(value, two.tensors[name]) for name, value in one.tensors.items())


def test_simple_lg_its_own_depth_is_the_trained_network_bit_for_bit(simple: tuple[Manifest, TensorFile]) -> None:
    manifest, tensors = simple
    trained = network(GEOMETRY).eval()
    load_stage_tensors(trained, (1, 1, 1, 1), {name: tensors.array(name) for name in tensors.tensors})
    choose_attention(trained, fused=False)
    descendant = load(initialize(manifest, Request()), tensors)
    assert torch.equal(descendant(pixels()), trained(pixels()))
    assert accuracies(simple, 4) == [manifest.training["accuracy"]]
    assert manifest.training["accuracy"] > 0.4


def test_simple_lg_deeper_ones_repeat_its_layers_where_sws_would(simple: tuple[Manifest, TensorFile]) -> None:
    recipe = initialize(simple[0], Request(depth=6))
    assert recipe.layer_map == (0, 0, 1, 2, 3, 3)
    state = load(recipe, simple[1]).state_dict()
    for at, layer in enumerate(recipe.layer_map):
        weight = torch.tensor(simple[1].array(f"stages.{layer}.mlp.fc2.weight"))
        assert torch.equal(state[f"blocks.{at}.mlp.fc2.weight"], weight)


def test_vanilla_lg_descendants_end_in_the_ancestors_very_tensors(tmp_path: Path) -> None:
    torch.manual_seed(0)
    ancestor = network(GEOMETRY)
    save_file(ancestor.state_dict(), tmp_path / "vit.safetensors")
    manifest, tensors = published(replace(VANILLA, data=None, ancestor=STORED), tmp_path)
    state, made = ancestor.state_dict(), load(initialize(manifest, Request(depth=7)), tensors).state_dict()
    inherited = {name for name in state if name.startswith(("blocks.1.", "blocks.2.", "blocks.3.", "norm.", "head."))}
    assert tensors.tensors.keys() == inherited
    for name in inherited:
        _, layer, within = name.split(".", 2) if name.startswith("blocks.") else ("", "", "")
        assert torch.equal(made[f"blocks.{int(layer) + 3}.{within}" if within else name], state[name])
    assert not torch.equal(made["patch_embed.proj.weight"], state["patch_embed.proj.weight"])
    assert manifest.normalization.mean == (0.3,)


def test_vanilla_lg_keeps_all_of_what_made_the_ancestor_good_but_its_front(
    vanilla: tuple[Manifest, TensorFile],
) -> None:
    manifest, _ = vanilla
    assert manifest.ancestor is not None and manifest.ancestor["accuracy"] > 0.3
    assert "accuracy" not in manifest.training and manifest.labels == tuple("0123456789")
    assert all(value < 0.25 for value in accuracies(vanilla, 4, 8))


def commanded(method: str, folder: Path) -> tuple[Manifest, TensorFile]:
    """Learned and published by the command, without images; read back from the disk."""
    (folder / "job.toml").write_text(
        f'name = "made"\nmethod = "{method}"\nseed = 3\n'
        "[geometry]\ndepth = 4\nwidth = 48\nheads = 3\npatch = 4\nimage = 8\nclasses = 10\nchannels = 1\n"
    )
    words = ["learn", str(folder / "job.toml"), "--run", str(folder / "run"), "--store", str(folder / "store")]
    assert main(words) == 0
    catalog = Catalog(LocalStore(folder / "store"))
    manifest = catalog.get("made")
    return manifest, catalog.open(manifest)


def test_scratch_is_stored_as_a_file_without_tensors_and_makes_networks_that_compute(tmp_path: Path) -> None:
    manifest, tensors = commanded("scratch", tmp_path)
    assert not tensors.tensors and manifest.weights.bytes == len(tensors.view) < 100
    for size in ({"depth": 2, "width": 16}, {"depth": 9, "width": 80}):
        assert torch.isfinite(load(initialize(manifest, Request(**size)), tensors)(pixels())).all()
    out = tmp_path / "out"
    assert main(["build", "made", "--store", str(tmp_path / "store"), "--depth", "2", "--out", str(out)]) == 0
    file = TensorFile.open(out / "model.safetensors")
    assert {name: tensor.shape for name, tensor in file.tensors.items()} == shapes(replace(GEOMETRY, depth=2))


def test_mimetic_banks_are_stored_and_expanded_as_they_were_made(tmp_path: Path) -> None:
    manifest, tensors = commanded("mimetic", tmp_path)
    state = load(initialize(manifest, Request(depth=6)), tensors).state_dict()
    for at, layer in enumerate((0, 1, 2, 3, 0, 1)):
        stored = torch.tensor(tensors.array(f"blocks.{layer}.attn.qkv.weight"))
        assert torch.equal(state[f"blocks.{at}.attn.qkv.weight"], stored)
    again = LEARNERS["mimetic"](
        LearnJob("made", "mimetic", GEOMETRY, seed=3),
        run=tmp_path,
        data=tmp_path,
        report=lambda event: None,
        stop=lambda: False,
    )
    assert isinstance(again, Learned)
    assert all(np.array_equal(value, tensors.array(name)) for name, value in again.tensors.items())


def test_mimetic_is_scratch_but_for_attention_and_positions(tmp_path: Path) -> None:
    bank, empty = published(LearnJob("bank", "mimetic", GEOMETRY), tmp_path), commanded("scratch", tmp_path)
    made, fresh = (load(initialize(manifest, Request()), tensors).state_dict() for manifest, tensors in (bank, empty))
    differ = {name.split(".", 2)[-1] for name, value in made.items() if not torch.equal(value, fresh[name])}
    assert differ == {"attn.qkv.weight", "attn.proj.weight", "pos_embed"}


REFUSED: dict[str, LearnJob] = {
    "geometry.depth is 4 and options.stages has 3 counts": replace(SIMPLE, options={"stages": [1, 1, 1], "alpha": 0.0}),
    "geometry.depth is 4 and options.stages has 5 counts": replace(SIMPLE, ancestor=SHORT, options={}),
    r"alpha 1.0 weighs an ancestor and there is none": replace(TLEG, ancestor=None, options={}),
    "alpha 0 leaves the ancestor without a part": replace(TLEG, options={"alpha": 0.0}),
    "alpha is within 0..1, got 1.5": replace(TLEG, options={"alpha": 1.5}),
    "temperature is above 0, got 0.0": replace(TLEG, options={"temperature": 0.0}),
    r"method 'tleg' needs \[data\]; add the table": LearnJob("line", "tleg", GEOMETRY),
    "options.blocks is 5 and the ancestor has 4": replace(VANILLA, options={"blocks": 5}),
    "blocks is at least 1, got 0": replace(VANILLA, options={"blocks": 0}),
    r"method 'vanilla_lg' has no use for \[training\]": replace(VANILLA, training=TRAINING),
    r"method 'vanilla_lg' needs \[ancestor\]; add the table": replace(VANILLA, ancestor=None),
    r"method 'scratch' has no use for \[data\]": LearnJob("none", "scratch", GEOMETRY, DATA),
    r"query_key_beta is within 0..10, got -1.0": LearnJob(
        "bank", "mimetic", GEOMETRY, options={"query_key_beta": -1.0}
    ),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_jobs_that_cannot_be_are_refused_in_a_sentence(sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match=sentence):
        learn(REFUSED[sentence], tmp_path)
