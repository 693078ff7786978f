"""Templates cut out of a checkpoint, and scalers by least squares: W5 of the method's notes."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from cases import wave

from learngenes import tensorfile
from learngenes.errors import InvalidValue
from learngenes.families import vit
from learngenes.formulas import compute
from learngenes.gene import Manifest
from learngenes.initialize import Request, initialize
from learngenes.methods.wave.condense import Condensed, condensed
from learngenes.methods.wave.facts import cuts, facts_of, scalers_name, templates_name
from learngenes.methods.wave.grids import block_cuts
from learngenes.methods.wave.options import LearnOptions, PlanOptions
from learngenes.methods.wave.pieces import distance, fitted, pieces
from learngenes.methods.wave.plan import tensors as templated
from learngenes.methods.wave.start import Arrays, closest, ruled
from learngenes.sizes import Size
from learngenes.sources import Order
from learngenes.tensorfile import FloatArray, TensorFile

GEOMETRY = replace(wave.GEOMETRY, depth=5)
ORDERS: tuple[Order, ...] = ("scaler-first", "template-first")


@cache
def ancestor() -> dict[str, FloatArray]:
    draw = np.random.default_rng(1)
    return {name: draw.normal(0, 0.1, shape).astype(np.float32) for name, shape in vit.shapes(GEOMETRY).items()}


def cut_out(**options: Any) -> Condensed:
    return condensed(ancestor(), GEOMETRY, LearnOptions(unit=16, condense="svd", **options))


def rebuilt(made: Condensed) -> dict[str, FloatArray]:
    """The network that templates and scalers make, through the plan's own sources."""
    size = Size(GEOMETRY.depth, GEOMETRY.width)
    blocks, frame = templated(GEOMETRY, made.facts, size, PlanOptions())
    reader = Arrays(made.tensors)
    inner = {
        f"blocks.{i}.{name}": compute(block(name), shape, reader)
        for i, block in enumerate(blocks)
        for name, shape in vit.block_shapes(GEOMETRY).items()
    }
    outer = {name: compute(frame(name), shape, reader) for name, shape in vit.frame_shapes(GEOMETRY).items()}
    return inner | outer


def layers(tensors: dict[str, FloatArray], name: str) -> FloatArray:
    return np.stack([tensors[f"blocks.{i}.{name}"] for i in range(GEOMETRY.depth)])


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("templates", [1, 4, 16])
def test_w5_the_error_is_what_the_singular_values_left_out_say_and_what_is_built_has(
    order: Order, templates: int
) -> None:
    made = cut_out(templates=templates, order=order)
    network = rebuilt(made)
    for name, cut in block_cuts(GEOMETRY, 16).items():
        stacked = np.concatenate([pieces(w, cut, order) for w in layers(ancestor(), name)]).astype(np.float64)
        tail = np.linalg.svd(stacked, compute_uv=False)[templates:]
        norm = np.linalg.norm(layers(ancestor(), name))
        assert made.errors[name] == pytest.approx(np.sqrt((tail**2).sum()) / norm, rel=1e-4, abs=1e-6)
        seen = np.linalg.norm(layers(network, name) - layers(ancestor(), name)) / norm
        assert seen == pytest.approx(made.errors[name], rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("order", ORDERS)
def test_outside_the_blocks_nothing_is_lost_and_inside_nothing_with_enough_templates(order: Order) -> None:
    few, many = cut_out(templates=2, order=order), cut_out(templates=256, order=order)
    for name in vit.frame_shapes(GEOMETRY):
        np.testing.assert_allclose(rebuilt(few)[name], ancestor()[name], atol=1e-6)
    for name, tensor in rebuilt(many).items():
        np.testing.assert_allclose(tensor, ancestor()[name], atol=2e-6)
    assert few.facts.frame == 2


def test_no_other_templates_come_closer() -> None:
    made = cut_out(templates=4)
    cut = block_cuts(GEOMETRY, 16)["mlp.fc1.weight"]
    values = np.stack([pieces(w, cut, "scaler-first") for w in layers(ancestor(), "mlp.fc1.weight")])
    best = made.errors["mlp.fc1.weight"] * np.linalg.norm(values)
    draw = np.random.default_rng(2)
    templates = made.tensors[templates_name("mlp.fc1.weight")].reshape(4, -1)
    for amount in (1e-3, 1e-2, 1.0):
        other = (templates + amount * draw.normal(size=templates.shape)).astype(np.float32)
        assert distance(values, other, fitted(values, other), norm=1.0) > best


def test_an_error_gives_the_fewest_templates_that_keep_it() -> None:
    made = cut_out(error=0.5)
    fewer = cut_out(templates=made.facts.templates - 1)
    inner = block_cuts(GEOMETRY, 16)
    assert max(made.errors[name] for name in inner) <= 0.5 < max(fewer.errors[name] for name in inner)


def test_templates_start_with_the_usual_deviation() -> None:
    made = cut_out(templates=4)
    for name in ("attn.qkv.weight", "mlp.fc2.weight", "attn.qkv.bias"):
        assert np.sqrt(np.square(made.tensors[templates_name(name)]).mean()) == pytest.approx(0.02, rel=1e-3)


def test_w5_least_squares_find_planted_scalers() -> None:
    draw = np.random.default_rng(0)
    templates = draw.normal(size=(3, 20)).astype(np.float32)
    planted = draw.normal(size=(5, 3, 6)).astype(np.float32)
    found = fitted(np.swapaxes(planted, 1, 2) @ templates, templates)
    np.testing.assert_allclose(found, planted, atol=1e-5)


def learngene(**options: Any) -> tuple[Manifest, TensorFile]:
    manifest, raw = wave.make(**options)
    return manifest, TensorFile(raw)


@pytest.mark.parametrize("order", ORDERS)
def test_w5_scalers_close_to_the_learngenes_own_network_are_its_own(order: Order) -> None:
    manifest, tensors = learngene(order=order)
    facts, size = facts_of(manifest), Size(4, 32)
    found = closest(manifest, facts, size, tensors, None)
    for name in cuts(manifest.geometry, facts):
        stored = tensors.array(scalers_name(size, name))
        np.testing.assert_allclose(found[scalers_name(size, name)], stored, atol=1e-4)


def test_w5_a_target_in_the_span_is_met_exactly() -> None:
    manifest, tensors = learngene(templates=6, sizes=((4, 32), (7, 16)))
    recipe = initialize(manifest, Request(depth=7, width=16))
    values = {e.name: compute(e.source, e.shape, tensors) for e in recipe.entries}
    target = TensorFile(b"".join(tensorfile.write(values, "F32")))
    facts = facts_of(manifest)
    found = closest(manifest, facts, Size(7, 16), tensors, target)
    reader = Arrays({name: tensors.array(name) for name in tensors.tensors} | found)
    for entry in recipe.entries:
        np.testing.assert_allclose(compute(entry.source, entry.shape, reader), values[entry.name], atol=1e-5)


def test_a_narrower_target_and_another_network_are_refused() -> None:
    manifest, tensors = learngene()
    facts = facts_of(manifest)
    with pytest.raises(InvalidValue, match="at least as wide as 48; learngene tiny@1 stores 32, 16: name a target"):
        closest(manifest, facts, Size(4, 48), tensors, None)
    small = {"pos_embed": (1, 4, 32), "blocks.0.norm1.weight": (32,)}
    target = TensorFile(b"".join(tensorfile.write({n: np.zeros(s, np.float32) for n, s in small.items()}, "F32")))
    with pytest.raises(
        InvalidValue, match=r"does not fit learngene tiny@1: tensor 'blocks\.0\.attn\.proj\.bias' has shape None"
    ):
        closest(manifest, facts, Size(4, 32), tensors, target)
    with pytest.raises(InvalidValue, match="no plain ViT"):
        closest(manifest, facts, Size(4, 32), tensors, tensors)


def test_scalers_by_rule_are_those_the_plan_computes() -> None:
    manifest, tensors = learngene()
    facts, size = facts_of(manifest), Size(6, 48)
    made = ruled(manifest.geometry, facts, size, PlanOptions("interp"), tensors)
    recipe = initialize(manifest, Request(depth=6, width=48, options={"scalers": "interp"}))
    held = {name: tensors.array(name) for name in tensors.tensors} | made
    blocks, frame = templated(manifest.geometry, facts, size, PlanOptions("fitted"))
    for entry in recipe.entries:
        inner = entry.name.split(".", 2)
        source = blocks[int(inner[1])](inner[2]) if inner[0] == "blocks" else frame(entry.name)
        own = compute(source, entry.shape, Arrays(held))
        np.testing.assert_array_equal(own, compute(entry.source, entry.shape, tensors))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unit": 0}, "unit is at least 1"),
        ({"unit": 16, "templates": 0}, "templates is at least 1"),
        ({"unit": 16, "templates": 4, "error": 0.1, "condense": "svd"}, "both decide how many"),
        ({"unit": 16, "error": 0.1}, "needs condense or start 'svd'"),
        ({"unit": 16, "error": 1.0, "start": "svd"}, "above 0 and below 1"),
        ({"unit": 16, "condense": "svd", "widths": (32,)}, "trains nothing"),
        ({"unit": 16, "alpha": 2.0}, "alpha is within 0..1"),
        ({"unit": 16, "temperature": 0.0}, "temperature is above 0"),
    ],
)
def test_options_that_can_not_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        LearnOptions(**options)
