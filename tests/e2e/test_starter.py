"""The learngene that ships: whole, served in the first minute, and better than nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import safetensors.torch
import timm
import torch
from learngenes_service.settings import from_environment

from learngenes.catalog import starter
from learngenes.families import vit
from learngenes.initialize import Request, initialize
from learngenes.quality import load
from learngenes.training.augment import seed_process
from learngenes.training.data import in_memory, open_images
from learngenes.training.vit import network

NAME = from_environment({}).default
STEPS, BATCH = 10, 32


@pytest.fixture
def one_thread() -> Iterator[None]:
    """On a busy machine two threads mostly wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def serving_starter(start: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with start(tmp_path_factory.mktemp("first-start"), default=NAME) as service:
        yield service


def test_the_starter_is_the_services_default_and_every_byte_is_as_promised() -> None:
    catalog = starter()
    assert catalog.names() == [NAME]
    manifest = catalog.get(NAME)
    catalog.open(manifest)
    assert (manifest.geometry.width, manifest.method_facts["stages"]) == (384, [3, 3, 4, 3, 3])
    assert {tensor.dtype for tensor in manifest.weights.tensors.values()} == {"F16"}
    assert [q.depth for q in manifest.quality if q.width == 384] == list(range(6, 17))
    assert {q.width for q in manifest.quality} == {128, 192, 256, 320, 384}
    assert all(q.n == 10_000 for q in manifest.quality)


def test_the_second_version_is_the_first_with_more_widths() -> None:
    catalog = starter()
    first, second = (catalog.get(f"{NAME}@{version}") for version in catalog.versions(NAME))
    assert first.weights == second.weights and str(first.space.width) == "384"
    assert str(second.space.width) == "64 to 384 in steps of 64"
    recipes = [initialize(manifest, Request(depth=9)) for manifest in (first, second)]
    assert recipes[0].entries == recipes[1].entries


def test_the_readmes_request_works_on_a_fresh_data_directory(serving_starter: Any, tmp_path: Path) -> None:
    ready = httpx.get(f"{serving_starter.url}/readyz").json()
    assert (ready["status"], ready["learngene"]) == ("ready", f"{NAME}@2")
    answer = httpx.post(f"{serving_starter.url}/initialize", content=b'{"depth":9,"width":384}', timeout=60)
    assert answer.status_code == 200
    recipe = initialize(starter().get(NAME), Request(depth=9))
    state = safetensors.torch.load(answer.content)
    assert sum(t.numel() for t in state.values()) == vit.parameters(recipe.geometry)
    config = httpx.get(
        serving_starter.url + answer.headers["content-location"].replace("model.safetensors", "config.json")
    )
    facts = config.json()
    model = timm.create_model(facts["architecture"], num_classes=100, **facts["model_args"])
    model.load_state_dict(state, strict=True)
    assert facts["pretrained_cfg"]["label_names"][0] == "apple"


@pytest.mark.usefixtures("one_thread")
def test_a_descendant_of_the_starter_learns_another_task_faster_than_scratch() -> None:
    manifest = starter().get(NAME)
    recipe = initialize(manifest, Request(depth=6, num_classes=10))
    inherited = tune(load(recipe, starter().open(manifest)))
    seed_process(0)
    fresh = tune(network(recipe.geometry))
    assert inherited > fresh + 0.05


def tune(model: torch.nn.Module) -> float:
    """Accuracy on scikit-learn's digits, drawn at 32 pixels, after a few steps of training."""
    pixels, labels = (tensor(a) for a in in_memory(open_images("digits:train", data=Path()), side=32, channels=3))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
    draw = np.random.default_rng(0)
    model.train()
    for _ in range(STEPS):
        chosen = torch.from_numpy(draw.integers(0, len(labels), BATCH))
        loss = torch.nn.functional.cross_entropy(model(normalised(pixels[chosen])), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    shown, truth = (tensor(a) for a in in_memory(open_images("digits:test", data=Path()), side=32, channels=3))
    model.eval()
    with torch.inference_mode():
        return float((model(normalised(shown)).argmax(1) == truth).float().mean())


def tensor(array: Any) -> torch.Tensor:
    return torch.from_numpy(array)


def normalised(x_BHWC: torch.Tensor) -> torch.Tensor:
    return x_BHWC.permute(0, 3, 1, 2).float() / 127.5 - 1
