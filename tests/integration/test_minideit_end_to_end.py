"""Mini-DeiT from images to its one descendant: learned by the command, built, loaded, measured."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from learngenes.__main__ import main
from learngenes.catalog import Catalog
from learngenes.families.mini import MiniGeometry
from learngenes.store.local import LocalStore
from learngenes.training import mini
from learngenes.training.loaders import load_model

CONFIG = """
name = "mini"
method = "minideit"
[geometry]
depth = 4
width = 32
heads = 4
patch = 4
image = 8
classes = 10
channels = 1
[data]
train = "digits:train"
test = "digits:test"
mean = [0.3]
std = [0.38]
augment = "light"
padding = 1
flip = 0.0
[options]
mix = "{mix}"
alpha = 0.5
[training]
epochs = {epochs}
batch = 64
learning_rate = 3e-3
warmup_epochs = 1
clip_grad = 1.0
[ancestor]
architecture = "vit"
[ancestor.training]
epochs = 1
batch = 64
learning_rate = 3e-3
clip_grad = 1.0
"""
IMAGES = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize(("mix", "epochs", "least"), [("identity", 5, 0.3), ("normal", 1, 0.0)])
def test_what_was_learned_is_published_built_and_loaded_as_it_was(
    tmp_path: Path, mix: str, epochs: int, least: float
) -> None:
    (tmp_path / "job.toml").write_text(CONFIG.format(mix=mix, epochs=epochs))
    store, out = tmp_path / "store", tmp_path / "out"
    words = ["learn", str(tmp_path / "job.toml"), "--run", str(tmp_path / "run"), "--store", str(store)]
    assert main([*words, "--measure", "4"]) == 0
    catalog = Catalog(LocalStore(store))
    manifest = catalog.get("mini")
    (quality,) = manifest.quality
    assert quality.value == manifest.training["accuracy"] > least
    assert manifest.method_facts == {"repeats": 2}

    assert main(["build", "mini", "--store", str(store), "--out", str(out)]) == 0
    config = json.loads((out / "config.json").read_text())
    assert config["learngenes"]["family"] == "mini" and "architecture" not in config
    network, tensors = mini.network(MiniGeometry(manifest.geometry, 2)), catalog.open(manifest)
    with torch.no_grad():
        for name, place in network.named_parameters():
            place.copy_(torch.from_numpy(tensors.array(name).copy()))
    with torch.inference_mode():
        assert torch.equal(load_model(out)(IMAGES), network.eval()(IMAGES))
