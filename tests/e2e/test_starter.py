"""The learngenes that ship: whole, and served in the first minute."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import pytest
import safetensors.torch
import timm
from learngenes_service.settings import from_environment

from learngenes.catalog import STARTER, starter
from learngenes.descendant import document
from learngenes.families import vit
from learngenes.gene import size_fitted
from learngenes.initialize import Request, initialize
from learngenes.ready import fitted_to, planned
from learngenes.sizes import Size

NAME, WAVE = from_environment({}).default, "wave-cifar100"


@pytest.fixture(scope="module")
def serving_starter(start: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with start(tmp_path_factory.mktemp("first-start"), default=NAME) as service:
        yield service


def test_the_starter_is_the_services_default_and_every_byte_is_as_promised() -> None:
    catalog = starter()
    assert [manifest.name for manifest in catalog.offered() if manifest.parent is None] == [NAME, WAVE]
    manifest = catalog.get(NAME)
    assert (manifest.geometry.width, manifest.method_facts["stages"]) == (384, [3, 3, 4, 3, 3])
    assert [q.depth for q in manifest.quality if q.width == 384] == list(range(6, 17))
    assert {q.width for q in manifest.quality} == {128, 192, 256, 320, 384}
    for manifest in catalog.offered():
        catalog.open(manifest)
        assert {tensor.dtype for tensor in manifest.weights.tensors.values()} == {"F16"}
        assert manifest.quality and all(q.n == 10_000 for q in manifest.quality)
    assert sum(path.stat().st_size for path in STARTER.rglob("*") if path.is_file()) < 30_000_000


@pytest.mark.parametrize(
    ("name", "depths", "widths"), [(NAME, range(4, 15), [384]), (WAVE, [3, 6, 9, 16], [192, 384, 576])]
)
def test_a_size_that_was_fitted_is_what_answers_and_states_its_own_quality(
    name: str, depths: Sequence[int], widths: Sequence[int]
) -> None:
    catalog = starter()
    manifest = catalog.get(name)
    children = fitted_to(catalog, manifest)
    assert {size_fitted(child) for child in children} == {Size(depth, width) for depth in depths for width in widths}
    for child in children:
        (quality,) = child.quality
        size = {"depth": quality.depth, "width": quality.width}
        recipe, used = planned(catalog, manifest, Request(**size))
        assert used == child
        assert document(recipe, child)["quality"] == [asdict(quality)]
        assert quality.value > 0.25


def test_the_second_version_is_the_first_with_more_widths() -> None:
    catalog = starter()
    first, second = (catalog.get(f"{NAME}@{version}") for version in catalog.versions(NAME))
    assert first.weights == second.weights and str(first.space.width) == "384"
    assert str(second.space.width) == "64 to 384 in steps of 64"
    recipes = [initialize(manifest, Request(depth=9)) for manifest in (first, second)]
    assert recipes[0].entries == recipes[1].entries


def test_a_service_that_is_told_so_has_its_own_learngenes_alone(services: Any) -> None:
    listed = httpx.get(f"{services(True).url}/v1/learngenes").json()["learngenes"]
    assert "tiny" in {row["name"] for row in listed} and not {NAME, WAVE} & {row["name"] for row in listed}


def test_the_readmes_request_works_on_a_fresh_data_directory(serving_starter: Any, tmp_path: Path) -> None:
    ready = httpx.get(f"{serving_starter.url}/readyz").json()
    assert (ready["status"], ready["learngene"]) == ("ready", f"{NAME}@2")
    answer = httpx.post(f"{serving_starter.url}/initialize", content=b'{"depth":9,"width":384}', timeout=60)
    assert answer.status_code == 200
    recipe, _ = planned(starter(), starter().get(NAME), Request(depth=9))
    state = safetensors.torch.load(answer.content)
    assert sum(t.numel() for t in state.values()) == vit.parameters(recipe.geometry)
    config = httpx.get(
        serving_starter.url + answer.headers["content-location"].replace("model.safetensors", "config.json")
    )
    facts = config.json()
    model = timm.create_model(facts["architecture"], num_classes=100, **facts["model_args"])
    model.load_state_dict(state, strict=True)
    assert facts["pretrained_cfg"]["label_names"][0] == "apple"
