"""Learning from an ancestor's blocks, the stitches' start, and the draw of paths."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F
from cases import made
from timm.optim import create_optimizer_v2
from torch import nn

from learngenes.errors import InvalidValue
from learngenes.families.stitched import paths
from learngenes.methods.learngenepool.plan import narrower
from learngenes.methods.learngenepool.stitching import least_squares, least_squares_stitches, transposed_mean
from learngenes.training import vit
from learngenes.training.features import FeatureDistillation, Student, check_features, features, points
from learngenes.training.stitched import Pool

TINY = replace(made.TINY, depth=3)
SMALL = narrower(TINY, 16)
ANCESTOR = replace(made.TINY, depth=4, width=24, heads=3)
IMAGES = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def described(model: nn.Module) -> nn.Module:
    vit.describe_input(model, mean=(0.5,) * 3, std=(0.5,) * 3)
    return model


def test_the_blocks_compared_are_those_of_the_authors_code() -> None:
    assert (points(12), points(9), points(6)) == ((3, 7, 11), (2, 5, 8), (1, 3, 5))
    assert all(p[-1] == depth - 1 and p[0] >= 0 for depth in range(1, 20) for p in [points(depth)])


def test_features_are_what_the_blocks_and_their_attention_give_and_the_logits_are_the_networks_own() -> None:
    model: Any = vit.network(ANCESTOR).eval()
    seen: dict[str, torch.Tensor] = {}

    def keep(name: str) -> Any:
        return lambda module, inputs, output: seen.__setitem__(name, output)

    for at, block in enumerate(model.blocks):
        block.register_forward_hook(keep(f"block {at}"))
        block.attn.register_forward_hook(keep(f"attention {at}"))
    with torch.inference_mode():
        logits = model(IMAGES)
        blocks = dict(seen)
        found = features(model, IMAGES)
    assert torch.equal(found.logits, logits)
    for place, at in enumerate(points(4)):
        assert torch.equal(found.blocks[place], blocks[f"block {at}"])
        assert torch.equal(found.attentions[place], blocks[f"attention {at}"])


def test_the_loss_is_the_papers_and_every_mapping_layer_is_trained() -> None:
    student = Student(vit.network(SMALL), ancestor_width=24)
    described(student)
    ancestor = described(vit.network(ANCESTOR)).eval()
    task = FeatureDistillation(
        student,
        ancestor,
        alpha=0.1,
        label_smoothing=0.0,
        precision="float32",
        device=torch.device("cpu"),
    )
    labels = torch.arange(6)
    loss = task(IMAGES, labels)["loss"]
    with torch.no_grad():
        theirs, own = features(ancestor, IMAGES), features(student.network, IMAGES)
        soft = F.kl_div(
            own.logits.log_softmax(-1), theirs.logits.log_softmax(-1), reduction="batchmean", log_target=True
        )
        distance = sum(F.mse_loss(a, m(b)) for a, b, m in zip(own.blocks, theirs.blocks, student.blocks, strict=True))
        distance += sum(
            F.mse_loss(a, m(b)) for a, b, m in zip(own.attentions, theirs.attentions, student.attentions, strict=True)
        )
        expected = 0.1 * F.cross_entropy(own.logits, labels) + 0.9 * (soft + distance)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert all(parameter.grad is not None for parameter in student.parameters())
    assert all(parameter.grad is None for parameter in ancestor.parameters())
    assert torch.equal(student.eval()(IMAGES), student.network(IMAGES))


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (lambda: timm.create_model("resnet10t", num_classes=10), "is a ResNet and not a plain ViT"),
        (
            lambda: vit.network(replace(ANCESTOR, patch=2)),
            r"has 16 tokens, 0 of them before the patches, and .* has 4 and 0",
        ),
        (lambda: vit.network(replace(ANCESTOR, class_token=True)), "has 5 tokens, 1 of them before the patches"),
    ],
)
def test_an_ancestor_without_features_to_compare_is_refused_with_the_way_out(model: Any, told: str) -> None:
    with pytest.raises(InvalidValue, match=f"{told}.*; set features = false"):
        check_features(model(), made.TINY, way_out="set features = false")
    assert check_features(vit.network(ANCESTOR), made.TINY, way_out="") == 24


def test_least_squares_finds_the_linear_layer_that_made_the_targets() -> None:
    layer, x = nn.Linear(5, 7), torch.randn(60, 5)
    weight, bias = least_squares(x, layer(x).detach())
    torch.testing.assert_close(weight, layer.weight.detach(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(bias, layer.bias.detach(), rtol=1e-4, atol=1e-5)


def test_a_window_starts_at_the_mean_of_the_best_fits_of_its_paths() -> None:
    small: Any = vit.network(SMALL).eval()
    large: Any = vit.network(TINY).eval()
    with torch.no_grad():
        solved = least_squares_stitches(small, large, [IMAGES[:4], IMAGES[4:]])
        front = [out.flatten(0, 1) for out in small.forward_intermediates(IMAGES, norm=False, output_fmt="NLC")[1]]
        back = [out.flatten(0, 1) for out in large.forward_intermediates(IMAGES, norm=False, output_fmt="NLC")[1]]
        embeddings = large._pos_embed(large.patch_embed(IMAGES)).flatten(0, 1)
        for window, (weight, bias) in enumerate(solved):
            fits = [
                least_squares(front[path.leave], back[path.enter - 1] if path.enter else embeddings)
                for path in paths(3)
                if path.window == window
            ]
            torch.testing.assert_close(weight, torch.stack([w for w, _ in fits]).mean(0), rtol=1e-3, atol=1e-4)
            torch.testing.assert_close(bias, torch.stack([b for _, b in fits]).mean(0), rtol=1e-3, atol=1e-4)
    assert len(solved) == 2 and solved[0][0].shape == (32, 16)


def test_the_authors_own_start_is_the_transposed_mean_of_the_layers_of_blocks() -> None:
    student = Student(vit.network(SMALL), ancestor_width=32)
    layers = [layer.weight.detach() for layer in student.blocks]
    assert torch.equal(transposed_mean(student), ((layers[0] + layers[1] + layers[2]) / 3).T)


def test_the_path_of_a_step_follows_from_seed_and_step_and_all_are_drawn() -> None:
    pool, again, other = Pool(SMALL, TINY, seed=3), Pool(SMALL, TINY, seed=3), Pool(SMALL, TINY, seed=4)
    drawn = [pool.drawn(step) for step in range(400)]
    assert drawn == [again.drawn(step) for step in range(400)]
    assert drawn != [other.drawn(step) for step in range(400)]
    counts = Counter(drawn)
    assert counts.keys() == {"small", "large", *paths(3)} and min(counts.values()) > 20


def test_a_pool_takes_the_next_path_each_training_step_and_is_the_large_network_otherwise() -> None:
    pool = Pool(SMALL, TINY, seed=0)
    vit.choose_attention(pool, fused=False)
    with torch.no_grad():
        for step in range(5):
            assert torch.equal(pool.train()(IMAGES), pool.run(IMAGES, pool.drawn(step)))
            assert torch.equal(pool.eval()(IMAGES), pool.large(IMAGES))
    assert int(pool.steps) == 5


def test_weights_of_embeddings_are_spared_by_the_optimizer_in_both_networks() -> None:
    token = {"class_token": True, "pool": "token"}
    pool = Pool(replace(SMALL, **token), replace(TINY, **token), seed=0)
    optimizer = create_optimizer_v2(pool, opt="adamw", weight_decay=0.05)
    spared = {id(p) for group in optimizer.param_groups if group["weight_decay"] == 0 for p in group["params"]}
    named = dict(pool.named_parameters())
    for part in ("small", "large"):
        assert {id(named[f"{part}.pos_embed"]), id(named[f"{part}.cls_token"])} <= spared
        assert id(named[f"{part}.head.weight"]) not in spared
