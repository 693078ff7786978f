"""The auxiliary network of WAVE: torch and the numpy plan are each other's oracle; W7 of the method's notes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from cases import wave

from learngenes.errors import InvalidValue
from learngenes.families import vit
from learngenes.formulas import compute
from learngenes.initialize import Request, initialize
from learngenes.methods.wave.facts import Facts, at, cuts, facts_of, scalers_name, templates_name
from learngenes.methods.wave.learn import sizes
from learngenes.methods.wave.network import Auxiliary, Templated, drawn
from learngenes.methods.wave.options import LearnOptions
from learngenes.sizes import Size
from learngenes.sources import Order
from learngenes.tensorfile import TensorFile
from learngenes.training.expanded import TensorTree

GEOMETRY = wave.GEOMETRY
FACTS = Facts(16, 3, 2, "scaler-first", (Size(4, 32), Size(4, 16), Size(2, 32)))


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def auxiliary(facts: Facts = FACTS, *, seed: int = 0) -> Auxiliary:
    return Auxiliary(GEOMETRY, facts, drawn(GEOMETRY, facts), seed=seed)


def images(count: int = 4) -> torch.Tensor:
    return torch.randn(count, 3, 8, 8)


@pytest.mark.parametrize("order", ["scaler-first", "template-first"])
@pytest.mark.parametrize(("depth", "width"), [(4, 32), (4, 16)])
def test_what_torch_computes_is_what_the_plan_does(order: Order, depth: int, width: int) -> None:
    manifest, raw = wave.make(order=order)
    tensors, facts, size = TensorFile(raw), facts_of(manifest), Size(depth, width)
    names = [*cuts(GEOMETRY, facts), "head.bias"]
    templates = {n: torch.tensor(tensors.array(n if n == "head.bias" else templates_name(n))) for n in names}
    scalers = {n: torch.tensor(tensors.array(scalers_name(size, n))) for n in cuts(GEOMETRY, facts)}
    network = Templated(at(GEOMETRY, size), facts, TensorTree(templates), TensorTree(scalers))
    made = network.arrays()
    for entry in initialize(manifest, Request(depth=depth, width=width)).entries:
        np.testing.assert_allclose(made[entry.name], compute(entry.source, entry.shape, tensors), atol=1e-6)


def test_a_drawn_start_has_the_usual_deviations() -> None:
    geometry = replace(GEOMETRY, width=128, heads=16)
    facts = Facts(32, 16, 4, "scaler-first", (Size(4, 128),))
    made = Auxiliary(geometry, facts, drawn(geometry, facts), seed=0).arrays()
    for name in ("blocks.0.attn.qkv.weight", "blocks.3.mlp.fc2.weight", "pos_embed", "head.weight"):
        assert made[name].std() == pytest.approx(0.02, rel=0.4)
    assert abs(made["blocks.1.norm1.weight"] - 1).max() < 0.1 and not made["head.bias"].any()


def test_templates_are_shared_and_counted_once() -> None:
    network = auxiliary()
    names = [name for name, _ in network.named_parameters()]
    assert len([n for n in names if n.startswith("templates.")]) == len(cuts(GEOMETRY, FACTS)) + 1
    assert not any("templates" in n for n in names if n.startswith("others."))
    assert network.stored().keys() == drawn(GEOMETRY, FACTS).keys()


def test_every_step_draws_a_size_from_the_seed_and_the_number_of_steps_before() -> None:
    def drawn_sizes(network: Auxiliary, steps: int) -> list[int]:
        found = []
        for _ in range(steps):
            network(images(1)).sum().backward()
            parts: list[Any] = [network, *network.others]
            used = [any(p.grad is not None for p in part.scalers.parameters()) for part in parts]
            assert sum(used) == 1
            found.append(used.index(True))
            network.zero_grad()
        return found

    whole = drawn_sizes(auxiliary().train(), 12)
    assert set(whole) == {0, 1, 2}
    resumed = auxiliary().train()
    resumed.steps.fill_(5)
    assert drawn_sizes(resumed, 7) == whole[5:]
    assert drawn_sizes(auxiliary(seed=1).train(), 12) != whole


def test_evaluation_sees_the_geometrys_own_size_and_counts_no_step() -> None:
    network = auxiliary().eval()
    assert network(images()).shape == (4, 10) and int(network.steps) == 0
    assert {name: a.shape for name, a in network.arrays().items()} == vit.shapes(GEOMETRY)


def test_w7_frozen_templates_get_no_gradient_and_scalers_all_get_one() -> None:
    own = drawn(GEOMETRY, FACTS)
    size = Size(4, 32)
    names = list(cuts(GEOMETRY, FACTS))
    frozen = {n: own[templates_name(n)] for n in names} | {"head.bias": own["head.bias"]}
    network = Templated(
        GEOMETRY,
        FACTS,
        TensorTree(frozen, requires_grad=False),
        TensorTree({n: own[scalers_name(size, n)] for n in names}),
    )
    network(images()).square().sum().backward()
    learns = {name for name, p in network.named_parameters() if p.requires_grad}
    assert learns == {f"scalers.{name}" for name in names}
    assert all((p.grad is not None) == (name in learns) for name, p in network.named_parameters())


def test_weight_decay_spares_all_but_what_makes_weight_matrices() -> None:
    spared = auxiliary().no_weight_decay()
    decayed = {name for name, _ in auxiliary().named_parameters()} - spared
    made = {name.split("templates.")[-1].split("scalers.")[-1] for name in decayed}
    inner = {"attn.qkv.weight", "attn.proj.weight", "mlp.fc1.weight", "mlp.fc2.weight"}
    assert made == inner | {"patch_embed.proj.weight", "head.weight"}


def test_sizes_to_train_have_the_geometrys_own_first() -> None:
    every = sizes(GEOMETRY, LearnOptions(unit=8, widths=(8, 16), depths=(2,)))
    assert every == (Size(4, 32), Size(2, 8), Size(2, 16), Size(2, 32), Size(4, 8), Size(4, 16))
    assert sizes(GEOMETRY, LearnOptions(unit=16)) == (Size(4, 32),)
    with pytest.raises(InvalidValue, match="widths are multiples of unit 16 up to 512, got 24"):
        sizes(GEOMETRY, LearnOptions(unit=16, widths=(24,)))
    with pytest.raises(InvalidValue, match=r"depths are within 1\.\.512, got 0"):
        sizes(GEOMETRY, LearnOptions(unit=16, depths=(0,)))
