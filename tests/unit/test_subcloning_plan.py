"""Weight subcloning, read off descendants of a learngene whose values are their own positions; S4 to S7 by number.

S1 to S3 speak of functions: tests/integration/test_subcloning_end_to_end.py.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from cases import made, subcloning
from cases.coded import Picked, coded, picked
from hypothesis import given
from hypothesis import strategies as st

from learngenes import gene, tensorfile
from learngenes.errors import BadManifest, InvalidValue, UnsupportedSize
from learngenes.families import vit
from learngenes.families.vit import Geometry
from learngenes.gene import Manifest, Parent
from learngenes.initialize import Request, initialize
from learngenes.methods.subcloning.options import FitOptions, LearnOptions, PlanOptions
from learngenes.planning.depth import chosen
from learngenes.sizes import SizeSpace, Steps
from learngenes.sources import Stored
from learngenes.stream import assemble, stream
from learngenes.tensorfile import TensorFile, Tensors

TOKEN = replace(made.TINY, class_token=True, pool="token")
WIDTHS = (8, 16, 24)
Learngene = tuple[Manifest, TensorFile]


@cache
def parent() -> Learngene:
    return coded(*subcloning.make(geometry=TOKEN))


def subclone(width: int, **options: Any) -> dict[str, Picked]:
    return picked(*parent(), width=width, options={"scale": "none"} | options)


def built(manifest: Manifest, tensors: Tensors, **request: Any) -> TensorFile:
    return TensorFile(b"".join(stream(assemble(initialize(manifest, Request(**request)), tensors))))


def factor(name: str, before: Geometry, after: Geometry) -> float:
    """sqrt(inputs before / inputs now) of a linear layer whose inputs were thinned out, for its weight alone."""
    inputs = {"qkv": "width", "fc1": "width", "head": "width", "proj": "width", "fc2": "hidden"}
    parts = name.split(".")
    if parts[0] == "patch_embed" or parts[-1] != "weight" or parts[-2] not in inputs:
        return 1.0
    return math.sqrt(getattr(before, inputs[parts[-2]]) / getattr(after, inputs[parts[-2]]))


def test_s1_the_ancestors_own_size_is_the_ancestor_whatever_the_scores() -> None:
    for seed in range(3):
        manifest, _ = subcloning.make(seed=seed)
        recipe = initialize(manifest, Request())
        assert all(entry.source == Stored(entry.name) for entry in recipe.entries)
        assert recipe.layer_map == tuple(range(made.TINY.depth))


@pytest.mark.parametrize("width", WIDTHS)
def test_s4_every_element_is_the_parents_at_its_recorded_index_times_the_recorded_factor(width: int) -> None:
    manifest, tensors = parent()
    plain = built(manifest, tensors, width=width, options={"scale": "none"})
    scaled = built(manifest, tensors, width=width)
    child = initialize(manifest, Request(width=width)).geometry
    changed = set()
    for name in plain.tensors:
        by = factor(name, TOKEN, child)
        np.testing.assert_array_equal(scaled.array(name), plain.array(name) * np.float32(by))
        changed |= {name.split(".", 2)[2] if name.startswith("blocks.") else name} if by != 1 else set()
    assert changed == {"attn.qkv.weight", "attn.proj.weight", "mlp.fc1.weight", "mlp.fc2.weight", "head.weight"}


@pytest.mark.parametrize("width", WIDTHS)
def test_s4_the_most_important_units_are_kept_in_their_own_order(width: int) -> None:
    _, tensors = parent()
    heads, hidden = width // 8, width * 4
    for name, what in subclone(width).items():
        assert what.source == name
        if not name.startswith("blocks."):
            continue
        ranked = f"rankings.{'.'.join(name.split('.')[:2])}"
        kept = sorted(tensors.indices(f"{ranked}.heads")[:heads].tolist())
        if "att" in what.lists:
            assert what.lists["att"] == [8 * head + at for head in kept for at in range(8)]
        if "hid" in what.lists:
            assert what.lists["hid"] == sorted(tensors.indices(f"{ranked}.hidden")[:hidden].tolist())
        if "part" in what.lists:
            assert what.lists["part"] == [0, 1, 2]


@pytest.mark.parametrize("width", WIDTHS)
def test_s5_the_residual_list_is_one_in_every_tensor_that_has_the_axis(width: int) -> None:
    _, tensors = parent()
    kept = sorted(tensors.indices("rankings.res")[:width].tolist())
    residual = [what.lists["res"] for what in subclone(width).values() if "res" in what.lists]
    assert len(residual) == 7 + 10 * TOKEN.depth
    assert all(indices == kept for indices in residual)


def test_s6_what_a_smaller_one_keeps_a_larger_one_keeps_too() -> None:
    for small, large in ((8, 16), (16, 24), (24, 32)):
        narrow, wide = subclone(small), subclone(large)
        for name, what in narrow.items():
            for kind, indices in what.lists.items():
                assert set(indices) <= set(wide[name].lists[kind])


def again(manifest: Manifest, tensors: TensorFile, width: int) -> Learngene:
    """The descendant of this width as a learngene itself, with what is left of the rankings."""
    child = built(manifest, tensors, width=width)
    values: dict[str, Any] = {name: child.array(name) for name in child.tensors}
    counts = {"res": width, "heads": width // 8, "hidden": width * 4}
    for name in [name for name in tensors.tensors if name.startswith("rankings.")]:
        kept = tensors.indices(name)[: counts[name.rpartition(".")[2]]]
        values[name] = np.argsort(np.argsort(kept))[: len(kept)].astype(np.int32)
    raw = TensorFile(b"".join(tensorfile.write(values, "F32")))
    geometry = replace(manifest.geometry, width=width, heads=width // 8)
    made_anew, _ = subcloning.make(geometry=geometry)
    return replace(made_anew, weights=gene.weigh(raw)), raw


def test_s6_children_of_children_agree_and_their_factors_multiply() -> None:
    once, twice = built(*parent(), width=8), built(*again(*parent(), 16), width=8)
    for name in once.tensors:
        np.testing.assert_allclose(twice.array(name), once.array(name), rtol=3e-7)
    plain = built(*parent(), width=8, options={"scale": "none"})
    assert not np.array_equal(once.array("head.weight"), plain.array("head.weight"))


def test_s7_layers_are_dropped_from_the_middle() -> None:
    maps = [initialize(parent()[0], Request(depth=depth)).layer_map for depth in range(1, 7)]
    assert maps == [(0,), (0, 5), (0, 1, 5), (0, 1, 4, 5), (0, 1, 2, 4, 5), (0, 1, 2, 3, 4, 5)]
    large = [placed.layer for placed in chosen(24, 36, keep="middle-drop", grow="duplicate")]
    assert large == [*range(12), *range(24, 36)]  # the paper's 36 to 24


@given(st.integers(1, 40), st.integers(1, 40))
def test_s7_the_first_half_rounded_up_and_the_last(layers: int, depth: int) -> None:
    if depth > layers:
        return
    kept = [placed.layer for placed in chosen(depth, layers, keep="middle-drop", grow="duplicate")]
    first, last = math.ceil(depth / 2), depth // 2
    assert kept == [*range(first), *range(layers - last, layers)]


def test_more_layers_are_duplicates_of_those_in_the_middle_beside_their_source() -> None:
    assert initialize(parent()[0], Request(depth=8)).layer_map == (0, 1, 2, 2, 3, 3, 4, 5)
    assert initialize(parent()[0], Request(depth=8, options={"grow": "stack"})).layer_map == (0, 1, 2, 3, 4, 5, 0, 1)


def test_layers_may_go_by_their_own_importance_but_never_the_first_or_the_last() -> None:
    manifest, _ = subcloning.make(facts={"block_scores": [0.0, 0.3, 0.1, 0.5, 0.2, 0.0]})
    maps = [initialize(manifest, Request(depth=depth, options={"keep": "importance"})).layer_map for depth in (2, 3, 4)]
    assert maps == [(0, 5), (0, 3, 5), (0, 1, 3, 5)]


@pytest.mark.parametrize("select", ["uniform", "random", "consecutive"])
def test_the_ablation_that_does_not_order_keeps_other_units(select: str) -> None:
    _, tensors = parent()
    kept = subclone(16, select=select)["cls_token"].lists["res"]
    assert len(kept) == 16 and kept != sorted(tensors.indices("rankings.res")[:16].tolist())


def test_how_many_images_are_looked_at() -> None:
    assert LearnOptions().count(1_281_167) == 6406
    assert LearnOptions().count(10_000) == 256
    assert LearnOptions().count(100) == 100
    assert LearnOptions(images=7).count(10_000) == 7
    assert LearnOptions(share=0.1).count(10_000) == 1000


FITTED = (
    "fitted.blocks.0.attn.proj.bias", "fitted.blocks.0.attn.proj.weight",
    "fitted.blocks.0.mlp.fc2.bias", "fitted.blocks.0.mlp.fc2.weight",
)  # fmt: skip


@cache
def child() -> Learngene:
    """A learngene fitted to depth 1, width 16."""
    manifest, _ = parent()
    narrow = vit.block_shapes(replace(TOKEN, width=16, heads=2))
    fitted, raw = made.learngene(
        "subcloning",
        {name: narrow[name.removeprefix("fitted.blocks.0.")] for name in FITTED},
        geometry=TOKEN,
        facts=manifest.method_facts,
        name=gene.fitted_name(manifest.name, manifest.space.nearest(1, 16)),
        space=SizeSpace(Steps(1, 1), Steps(16, 16)),
        parent=Parent(manifest.reference, manifest.digest),
    )
    return fitted, TensorFile(raw)


def test_a_fitted_size_takes_its_own_tensors_unscaled_and_the_others_from_its_parent() -> None:
    manifest, _ = parent()
    plain = {entry.name: entry for entry in initialize(manifest, Request(depth=1, width=16)).entries}
    for entry in initialize(child()[0], Request(seed=5)).entries:
        own = f"fitted.{entry.name}"
        assert entry == (replace(entry, source=Stored(own)) if own in FITTED else plain[entry.name])


@pytest.mark.parametrize(
    "options", [{"compensate": "none"}, {"select": "uniform"}, {"scale": "none"}, {"keep": "first"}]
)
def test_a_fit_goes_with_the_default_choices_and_no_others(options: dict[str, Any]) -> None:
    manifest, _ = parent()
    wanted = Request(depth=1, width=16, options=options)
    assert initialize(child()[0], wanted).entries == initialize(manifest, wanted).entries


def without_rankings() -> Manifest:
    manifest, _ = parent()
    left = {name: tensor for name, tensor in manifest.weights.tensors.items() if not name.startswith("rankings.")}
    return replace(manifest, weights=replace(manifest.weights, tensors=left))


@pytest.mark.parametrize("width", [40, 20, 4])
def test_a_width_above_the_ancestors_or_off_its_heads_is_refused_with_both_values(width: int) -> None:
    with pytest.raises(UnsupportedSize, match=f"width {width}: it takes depth .* and width 8 to 32 in steps of 8"):
        initialize(parent()[0], Request(width=width))


def test_missing_scores_are_named_with_the_way_out() -> None:
    with pytest.raises(InvalidValue, match=r"holds no importance scores 'rankings\..*choose select 'uniform', or"):
        initialize(without_rankings(), Request(width=16))
    initialize(without_rankings(), Request(width=16, options={"select": "uniform"}))
    manifest, _ = subcloning.make(facts={})
    with pytest.raises(InvalidValue, match="needs a score for each of 6 layers, the learngene holds 0; learn it with"):
        initialize(manifest, Request(depth=3, options={"keep": "importance"}))


@pytest.mark.parametrize("scores", ["high", {"a": 1}, [0.1, None], 3])
def test_block_scores_that_are_none_are_the_manifests_fault(scores: object) -> None:
    manifest, _ = subcloning.make(facts={"block_scores": scores})
    with pytest.raises(BadManifest, match="learngene tiny@1: block scores are a list of numbers"):
        initialize(manifest, Request(depth=3, options={"keep": "importance"}))


@pytest.mark.parametrize(
    ("sentence", "make"),
    [
        ("images is at least 0, got -1", lambda: LearnOptions(images=-1)),
        ("share is above 0 and at most 1, got 0", lambda: LearnOptions(share=0)),
        ("share is above 0 and at most 1, got 1.5", lambda: LearnOptions(share=1.5)),
        ("ridge is above 0 and finite, got 0", lambda: FitOptions(ridge=0)),
        ("ridge is above 0 and finite, got inf", lambda: FitOptions(ridge=math.inf)),
        ("heads 'blend' can't be chosen by it", lambda: PlanOptions(heads="blend")),
    ],
)
def test_options_that_cannot_be_are_refused_in_a_sentence(sentence: str, make: Any) -> None:
    with pytest.raises(InvalidValue, match=sentence):
        make()


def test_importance_does_not_rank_the_dimensions_of_a_head() -> None:
    with pytest.raises(InvalidValue, match="importance ranks whole heads: heads 'within' needs another selection"):
        initialize(parent()[0], Request(width=16, options={"heads": "within"}))
