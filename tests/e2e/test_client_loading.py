"""Checkpoints of a real service in the hands of timm and transformers: one network, three loaders, equal logits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import factories
import pytest
import torch
from learngenes_client import BadAnswer, Client, Model, NotInTimm

from learngenes.store.local import LocalStore

Start = Callable[..., AbstractContextManager[Any]]
IMAGE = torch.linspace(-1, 1, 3 * 64).reshape(1, 3, 8, 8)


@pytest.fixture(scope="module")
def client(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Its learngenes average their tokens without a class token, or look at the class token."""
    data = tmp_path_factory.mktemp("loading")
    factories.catalog(
        None,
        factories.learngene(),
        factories.learngene(name="token", class_token=True, pool="token", dtype="F16"),
        store=LocalStore(data / "store"),
    )
    with start(data) as service, Client(service.url, cache=data / "cache") as client:
        yield client


@pytest.mark.slow
@pytest.mark.parametrize(("learngene", "native"), [("tiny", "IJepa"), ("token", "ViT")])
def test_timm_its_wrapper_and_transformers_own_class_give_the_same_logits(
    client: Client, learngene: str, native: str
) -> None:
    by_timm = client.fetch_model(5, learngene=learngene)
    by_transformers = client.fetch_model(5, learngene=learngene, keys="transformers")
    networks = [by_timm.to_timm(), by_timm.to_transformers(), by_transformers.to_transformers()]
    assert [type(network).__name__ for network in networks[1:]] == [
        "TimmWrapperForImageClassification",
        f"{native}ForImageClassification",
    ]
    assert not any(network.training for network in networks)
    assert {parameter.dtype for network in networks for parameter in network.parameters()} == {torch.float32}
    with torch.no_grad():
        timm = networks[0](IMAGE)
        for network in networks[1:]:
            torch.testing.assert_close(network(pixel_values=IMAGE).logits, timm, rtol=1e-4, atol=1e-5)
    assert by_timm.state_dict().keys() == networks[0].state_dict().keys()
    assert {"classifier.weight", "classifier.bias"} <= by_transformers.state_dict().keys()
    assert (by_transformers.path.parent / "preprocessor_config.json").exists()


@pytest.mark.slow
def test_half_precision_loads_as_float32(client: Client) -> None:
    model = client.fetch_model(3, learngene="token", dtype="f16", keys="transformers")
    assert {tensor.dtype for tensor in model.state_dict().values()} == {torch.float16}
    assert {parameter.dtype for parameter in model.to_transformers().parameters()} == {torch.float32}


def test_timm_can_not_load_transformers_names_and_says_what_does(client: Client) -> None:
    model = client.fetch_model(5, keys="transformers")
    with pytest.raises(NotInTimm, match=r"to_transformers\(\) loads it"):
        model.to_timm()


def test_a_checkpoint_that_does_not_fit_its_config_is_not_loaded_half(client: Client, tmp_path: Path) -> None:
    fitting, other = (client.fetch_model(depth, learngene="token", keys="transformers") for depth in (3, 4))
    for name, model in (("config.json", fitting), ("model.safetensors", other)):
        (tmp_path / name).write_bytes((model.path.parent / name).read_bytes())
    with pytest.raises(BadAnswer, match="differ in tensor"):
        Model(tmp_path / "model.safetensors", other.document).to_transformers()
