"""The ancestor as a plain ViT: its tensors come out bit for bit, and whatever is another network is refused."""

import dataclasses

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from learngenes.errors import BadCheckpoint, InvalidValue
from learngenes.families.vit import Geometry, shapes
from learngenes.job import AncestorOptions, DataOptions, Input, LearnJob, Stopped, TrainingOptions
from learngenes.training import vit
from learngenes.training.parent import plain_ancestor, vit_tensors
from learngenes.training.session import session

GEOMETRY = Geometry(depth=2, width=32, heads=2, patch=4, image=8, classes=10, channels=1)
DATA = DataOptions("digits:train", "digits:test", mean=(0.3,), std=(0.38,), augment="light", padding=1)
TRAINING = TrainingOptions(epochs=1, batch=256, learning_rate=1e-3, report_seconds=0)
STORED = AncestorOptions("vit", mean=(0.5,), std=(0.25,), checkpoint="vit.safetensors")
TIMM = {"img_size": 8, "patch_size": 4, "depth": 2, "embed_dim": 32, "num_heads": 2, "class_token": False}
TIMM |= {"global_pool": "avg", "fc_norm": False}


def parent(tmp_path, ancestor, *, data=None, geometry=GEOMETRY, stop=lambda: False):
    job = LearnJob("toy", "selection", geometry, data, ancestor=ancestor)
    with session(job, run=tmp_path, data=tmp_path, report=lambda event: None, stop=stop) as running:
        return plain_ancestor(running)


@pytest.fixture
def network(tmp_path):
    torch.manual_seed(0)
    made = vit.network(GEOMETRY)
    save_file(made.state_dict(), tmp_path / "vit.safetensors")
    return made


def same(tensors, model):
    state = model.state_dict()
    assert tensors.keys() == state.keys() == shapes(GEOMETRY).keys()
    assert {t.dtype for t in tensors.values()} == {np.dtype(np.float32)}
    return all(np.array_equal(tensors[name], state[name].numpy()) for name in state)


def test_a_checkpoint_needs_no_images_and_comes_out_bit_for_bit(tmp_path, network):
    made = parent(tmp_path, STORED)
    assert same(made.tensors, network)
    assert made.input == Input((0.5,), (0.25,))
    assert made.ancestor.record["source"] == "vit.safetensors"


def test_an_architecture_of_timm_will_do_when_it_is_that_geometry(tmp_path, network):
    made = parent(tmp_path, dataclasses.replace(STORED, architecture="vit_tiny_patch16_224", arguments=TIMM))
    assert same(made.tensors, network)


def test_published_weights_bring_their_own_input(tmp_path):
    arguments = {**TIMM, "patch_size": 4, "pretrained_cfg_overlay": {"file": str(tmp_path / "published.safetensors")}}
    geometry = dataclasses.replace(GEOMETRY, classes=1000, channels=3)
    torch.manual_seed(0)
    made = vit.network(geometry)
    save_file(made.state_dict(), tmp_path / "published.safetensors")
    ancestor = AncestorOptions("vit_tiny_patch16_224", arguments=arguments, pretrained=True)
    plain = parent(tmp_path, ancestor, geometry=geometry)
    cfg = timm.get_pretrained_cfg("vit_tiny_patch16_224")
    assert plain.input == Input(cfg.mean, cfg.std, cfg.interpolation, cfg.crop_pct)
    assert np.array_equal(plain.tensors["head.weight"], made.head.weight.detach().numpy())


def test_an_ancestor_may_be_trained_first_and_that_can_stop(tmp_path):
    job = LearnJob("toy", "selection", GEOMETRY, DATA, ancestor=AncestorOptions("vit", training=TRAINING))
    outcomes = []
    for stops in (True, False):
        with session(job, run=tmp_path, data=tmp_path, report=lambda event: None, stop=lambda s=stops: s) as running:
            outcomes.append(plain_ancestor(running))
    assert outcomes[0] == Stopped("ancestor", 1, 5)
    assert same(outcomes[1].tensors, outcomes[1].ancestor.model)
    assert outcomes[1].input == DATA.input == Input((0.3,), (0.38,), "bicubic", 1.0)


def test_images_of_another_normalisation_than_the_ancestors_are_refused(tmp_path, network):
    with pytest.raises(
        InvalidValue, match=r"mean \[0\.5\] and std \[0\.25\], and \[data\] says \[0\.3\] and \[0\.38\]"
    ):
        parent(tmp_path, STORED, data=DATA)
    made = parent(tmp_path, dataclasses.replace(STORED, mean=(), std=()), data=DATA)
    assert made.input == DATA.input


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depth": 3}, r"'blocks\.2\.attn\.proj\.bias' has no place in the ancestor and shape \(32,\) in \[geometry\]"),
        (
            {"patch": 2},
            r"'patch_embed\.proj\.weight' has shape \(32, 1, 4, 4\) in the ancestor and shape \(32, 1, 2, 2\)",
        ),
        ({"heads": 4}, r"has heads 2 and \[geometry\] says 4"),
        ({"norm_eps": 1e-5}, r"has norm_eps 1e-06 and \[geometry\] says 1e-05"),
        ({"norm": "after-pool"}, r"'fc_norm\.bias'"),
        ({"class_token": True}, r"'cls_token' has no place in the ancestor"),
    ],
)
def test_an_ancestor_of_another_geometry_is_refused_with_both_values(change, message):
    with pytest.raises(InvalidValue, match=message):
        vit_tensors(vit.network(GEOMETRY), dataclasses.replace(GEOMETRY, **change))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"act_layer": "quick_gelu"}, "has the activation QuickGELU and .* says GELU"),
        (
            {"block_fn": timm.models.vision_transformer.ResPostBlock},
            "the architecture VisionTransformer of ResPostBlock",
        ),
        (
            {"init_values": 0.1},
            r"'blocks\.0\.ls1\.gamma' has shape \(32,\) in the ancestor and no place in \[geometry\]",
        ),
        ({"global_pool": "max"}, "has pool max and .* says avg"),
        ({"qkv_bias": False}, r"'blocks\.0\.attn\.qkv\.bias' has no place in the ancestor"),
    ],
)
def test_a_network_that_is_not_the_plain_vit_is_refused(arguments, message):
    options = {**TIMM, **arguments}
    model = timm.create_model("vit_tiny_patch16_224", num_classes=10, in_chans=1, **options)
    with pytest.raises(InvalidValue, match=message):
        vit_tensors(model, GEOMETRY)


def test_pooling_by_the_token_is_told_from_pooling_by_the_average():
    geometry = dataclasses.replace(GEOMETRY, class_token=True, pool="token")
    with pytest.raises(InvalidValue, match=r"has pool token and .* says avg"):
        vit_tensors(vit.network(geometry), dataclasses.replace(geometry, pool="avg"))


def test_an_ancestor_that_is_no_vit_is_refused():
    model = timm.create_model("resnet10t", num_classes=10, in_chans=1)
    with pytest.raises(InvalidValue, match="the ancestor is not a ViT of this geometry"):
        vit_tensors(model, GEOMETRY)


def test_a_checkpoint_of_another_width_names_the_tensor_and_both_shapes(tmp_path, network):
    with pytest.raises(BadCheckpoint, match=r"has shape .* the architecture needs"):
        parent(tmp_path, STORED, geometry=dataclasses.replace(GEOMETRY, width=64))


def test_a_job_without_an_ancestor_is_told_to_add_one(tmp_path):
    with pytest.raises(InvalidValue, match=r"method 'selection' needs \[ancestor\]; add the table"):
        parent(tmp_path, None)
