"""Bridges around the blocks, against what timm does to a network's weights."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cases import made
from timm.layers import resample_abs_pos_embed, resample_patch_embed
from timm.models._manipulate import adapt_input_conv

from learngenes.errors import InvalidValue
from learngenes.families.vit import Geometry
from learngenes.gene import Manifest
from learngenes.initialize import Request, initialize
from learngenes.recipe import Recipe, derive_seed
from learngenes.report import init_report
from learngenes.sources import Fill
from learngenes.stream import assemble, stream
from learngenes.tensorfile import TensorFile

LABELS = tuple("abcdefghij")
GEOMETRIES = {
    "average": Geometry(2, 32, 4, 4, 16, 10),
    "token": Geometry(2, 32, 4, 4, 16, 10, class_token=True, pool="token"),
    "average beside a token": Geometry(2, 32, 4, 4, 16, 10, class_token=True, pool="avg"),
    "norm after the pool": Geometry(2, 32, 4, 4, 16, 10, norm="after-pool"),
    "grey": Geometry(2, 32, 4, 4, 16, 10, channels=1),
}


@cache
def learngene(which: str) -> tuple[Manifest, TensorFile]:
    manifest, raw = made.staged(GEOMETRIES[which], stages=(1, 1), labels=LABELS)
    return manifest, TensorFile(raw)


def built(which: str, **request: Any) -> tuple[Recipe, TensorFile, list[str]]:
    """A descendant's recipe, its tensors, and the notes of its report."""
    manifest, tensors = learngene(which)
    recipe = initialize(manifest, Request(**request))
    made_of = TensorFile(b"".join(stream(assemble(recipe, tensors))))
    return recipe, made_of, init_report(recipe, manifest)["notes"]


@pytest.mark.parametrize("which", ["average", "token", "average beside a token"])
@pytest.mark.parametrize("image", [4, 8, 12, 24, 36])
def test_position_embeddings_are_resized_as_timm_does_and_the_class_tokens_row_stays(which: str, image: int) -> None:
    recipe, file, notes = built(which, img_size=image)
    tensors = learngene(which)[1]
    prefix = int(GEOMETRIES[which].class_token)
    theirs = resample_abs_pos_embed(
        torch.from_numpy(tensors.array("pos_embed").copy()), [image // 4, image // 4], num_prefix_tokens=prefix
    )
    assert recipe.geometry.image == image  # type: ignore[union-attr]
    np.testing.assert_allclose(file.array("pos_embed"), theirs, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(file.array("pos_embed")[:, :prefix], tensors.array("pos_embed")[:, :prefix])
    assert notes == [f"pos_embed is resized from a grid of 4 to one of {image // 4} a side, bicubic"]


@pytest.mark.parametrize(("image", "patch"), [(None, 8), (None, 2), (32, 8), (14, 7)])
def test_patch_kernels_are_resized_as_timm_does(image: int | None, patch: int) -> None:
    _, file, notes = built("average", img_size=image, patch_size=patch)
    kernel = torch.from_numpy(learngene("average")[1].array("patch_embed.proj.weight").copy())
    theirs = resample_patch_embed(kernel, [patch, patch])
    np.testing.assert_allclose(file.array("patch_embed.proj.weight"), theirs, rtol=0, atol=1e-5)
    assert f"the patch kernel is resized from 4 to {patch} a side by pseudo-inverse" in notes
    assert (len(notes) == 1) == ((image or 16) // patch == 4)


@pytest.mark.parametrize("which", ["average", "grey"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 6, 13])
def test_channels_are_changed_as_timm_does(which: str, channels: int) -> None:
    own = GEOMETRIES[which].channels
    _, file, notes = built(which, in_chans=channels)
    kernel = torch.from_numpy(learngene(which)[1].array("patch_embed.proj.weight").copy())
    theirs = adapt_input_conv(channels, kernel, own)
    np.testing.assert_allclose(file.array("patch_embed.proj.weight"), theirs, rtol=1e-6, atol=1e-7)
    what = "summed into one" if channels == 1 else f"repeated to {channels}, times {own}/{channels}"
    assert notes == ([] if channels == own else [f"the patch kernel's {own} channels are {what}"])


def test_many_channels_are_summed_into_one() -> None:
    geometry = replace(GEOMETRIES["average"], channels=64)
    manifest, raw = made.staged(geometry, stages=(1, 1), labels=LABELS)
    recipe = initialize(manifest, Request(in_chans=1, patch_size=2))
    one, all_of_them = (
        TensorFile(b"".join(stream(assemble(wanted, TensorFile(raw))))).array("patch_embed.proj.weight")
        for wanted in (recipe, initialize(manifest, Request(patch_size=2)))
    )
    np.testing.assert_allclose(one, all_of_them.sum(1, keepdims=True), rtol=0, atol=1e-5)


def test_a_kernel_answers_a_grey_image_as_it_answered_three_equal_channels(tmp_path: Path) -> None:
    manifest, tensors = learngene("average")
    grey = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    said = [
        made.network(initialize(manifest, Request(in_chans=channels)), manifest, tensors, tmp_path)(
            grey.expand(-1, channels, -1, -1)
        )
        for channels in (3, 1, 6)
    ]
    for other in said[1:]:
        torch.testing.assert_close(other, said[0], rtol=0, atol=1e-5)


def test_from_average_to_class_token_adds_a_fresh_token_and_a_row_of_zeros() -> None:
    recipe, file, notes = built("average", pool="token", seed=4)
    own = learngene("average")[1]
    token = next(entry for entry in recipe.entries if entry.name == "cls_token")
    assert token.source == Fill("truncated_normal", derive_seed(4, "cls_token"))
    assert not file.array("pos_embed")[:, 0].any()
    np.testing.assert_array_equal(file.array("pos_embed")[:, 1:], own.array("pos_embed"))
    np.testing.assert_array_equal(file.array("head.weight"), own.array("head.weight"))
    assert "a class token was added: it is fresh, and its row of pos_embed is zero" in notes
    assert "1 tensor is fresh: cls_token" in notes


@pytest.mark.parametrize("norm", ["average", "norm after the pool"])
def test_patches_enter_the_blocks_as_before_beside_an_added_class_token(norm: str, tmp_path: Path) -> None:
    manifest, tensors = learngene(norm)
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    entered = []
    for request in (Request(), Request(pool="token")):
        model: Any = made.network(initialize(manifest, request), manifest, tensors, tmp_path)
        with torch.inference_mode():
            entered.append(model._pos_embed(model.patch_embed(images)))
    assert (entered[0].shape[1], entered[1].shape[1]) == (16, 17)
    assert torch.equal(entered[1][:, 1:], entered[0])


def test_from_class_token_to_average_drops_the_token_and_its_row() -> None:
    recipe, file, notes = built("token", pool="avg")
    own = learngene("token")[1]
    assert "cls_token" not in file.tensors and not recipe.geometry.class_token  # type: ignore[union-attr]
    np.testing.assert_array_equal(file.array("pos_embed"), own.array("pos_embed")[:, 1:])
    assert notes == ["the class token and its row of pos_embed were dropped; the head sees the average of the patches"]


def test_a_token_that_is_there_already_is_used() -> None:
    recipe, file, notes = built("average beside a token", pool="token")
    np.testing.assert_array_equal(file.array("cls_token"), learngene("average beside a token")[1].array("cls_token"))
    assert all(not isinstance(entry.source, Fill) for entry in recipe.entries)
    assert notes == ["the head sees the class token, and saw the average of the patches"]


@pytest.mark.parametrize("which", ["token", "average"])
def test_bridges_go_together(which: str, tmp_path: Path) -> None:
    manifest, tensors = learngene(which)
    pool = "avg" if which == "token" else "token"
    request = Request(img_size=36, patch_size=6, in_chans=4, pool=pool, labels=("new", "c"))  # type: ignore[arg-type]
    recipe = initialize(manifest, request)
    assert made.logits(recipe, manifest, tensors, tmp_path).shape == (2, 2)
    notes = " ".join(init_report(recipe, manifest)["notes"])
    for word in ("labels", "grid of 4 to one of 6", "from 4 to 6 a side", "channels", "class token"):
        assert word in notes


def test_nothing_asked_for_changes_nothing_and_says_nothing() -> None:
    for which, geometry in GEOMETRIES.items():
        recipe, _, notes = built(which)
        same = {"img_size": 16, "patch_size": 4, "in_chans": geometry.channels, "pool": geometry.pool}
        assert built(which, **same)[0] == recipe == built(which, labels=LABELS, num_classes=10)[0]
        assert (recipe.geometry, notes) == (geometry, [])


def test_known_labels_keep_their_rows_in_the_order_asked_for() -> None:
    recipe, file, notes = built("average", labels=("x", "j", "a", "y", "c"), seed=2)
    own = learngene("average")[1]
    for name in ("head.weight", "head.bias"):
        np.testing.assert_array_equal(file.array(name)[[1, 2, 4]], own.array(name)[[9, 0, 2]])
    fresh = file.array("head.weight")[[0, 3]]
    assert np.abs(fresh).max() <= 0.04 and not np.array_equal(fresh[0], fresh[1])
    assert not file.array("head.bias")[[0, 3]].any()
    assert notes == ["the head knows 3 of the 5 labels by name; its other rows are fresh"]
    assert recipe.labels == ("x", "j", "a", "y", "c")


def test_a_subset_of_the_labels_is_copied_whole() -> None:
    _, file, notes = built("average", labels=("b", "a"))
    np.testing.assert_array_equal(file.array("head.weight"), learngene("average")[1].array("head.weight")[[1, 0]])
    assert notes == ["the head knows 2 of the 2 labels by name"]


def test_unknown_labels_get_a_fresh_head() -> None:
    recipe, _, notes = built("average", labels=("x", "y"))
    assert {e.name for e in recipe.entries if isinstance(e.source, Fill)} == {"head.weight", "head.bias"}
    assert notes == ["the head knows 0 of the 2 labels by name; its other rows are fresh"]


def test_labels_need_a_learngene_that_knows_its_own() -> None:
    manifest, _ = made.staged()
    with pytest.raises(InvalidValue, match="learngene tiny@1 knows 10 classes but not their names; leave out labels"):
        initialize(manifest, Request(labels=("a",)))


REFUSED: dict[str, dict[str, Any]] = {
    "image side 18 does not divide into patches of 4": {"img_size": 18},
    "image side 16 does not divide into patches of 5": {"patch_size": 5},
    "an image of 1028 in patches of 4 is 257 a side, above 256": {"img_size": 1028},
    "img_size is a whole number of 1 to 8192, got 0": {"img_size": 0},
    "img_size is a whole number of 1 to 8192, got True": {"img_size": True},
    "patch_size is a whole number of 1 to 128, got 129": {"patch_size": 129},
    "in_chans is a whole number of 1 to 64, got 65": {"in_chans": 65},
    "in_chans is a whole number of 1 to 64, got '3'": {"in_chans": "3"},
    "unknown pooling 'max'": {"pool": "max"},
    "labels are at most 100000 texts": {"labels": (1, 2)},
    "labels names 'x' twice": {"labels": ("x", "x")},
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_cannot_be_is_refused_in_a_sentence(sentence: str) -> None:
    with pytest.raises(InvalidValue, match=sentence):
        built("average", **REFUSED[sentence])
