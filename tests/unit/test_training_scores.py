"""Importance scores: they follow a renumbering of units, see what is dead, and leave the network as it was."""

import dataclasses

import numpy as np
import pytest
import torch

from learngenes.errors import InvalidValue
from learngenes.families.vit import Geometry
from learngenes.training import scores, vit

GEOMETRY = Geometry(depth=3, width=32, heads=4, patch=4, image=8, classes=10, channels=1, class_token=True)
HEAD = GEOMETRY.width // GEOMETRY.heads


def network(seed=0, geometry=GEOMETRY):
    torch.manual_seed(seed)
    model = vit.network(geometry)
    with torch.no_grad():  # timm starts all biases at 0 and norms at 1
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model


def batches(count=2, size=6, seed=1):
    draw = torch.Generator().manual_seed(seed)
    return [torch.randn(size, 1, 8, 8, generator=draw) for _ in range(count)]


def close(a, b):
    for field in dataclasses.fields(scores.Scores):
        if field.name != "moments":
            np.testing.assert_allclose(getattr(a, field.name), getattr(b, field.name), rtol=1e-5, atol=1e-9)


def captured(model, path, *, entering):
    """All tokens that enter or leave each block's module of that path: (L, tokens, F), float64."""
    seen, handles = [], []
    for block in model.blocks:
        module = block.get_submodule(path) if path else block
        handles.append(
            module.register_forward_hook(
                lambda _, x, y: seen.append((x[0] if entering else y).detach().double().flatten(0, 1).numpy())
            )
        )
    model.eval()(torch.cat(batches()))
    for handle in handles:
        handle.remove()
    return np.stack(seen)


def test_scores_are_the_mean_sizes_of_the_activations_they_name():
    model = network()
    result = scores.measure(model, batches())
    attention = np.abs(captured(model, "attn.proj", entering=True)).mean(1)
    np.testing.assert_allclose(result.heads, attention.reshape(3, 4, HEAD).mean(-1), rtol=1e-5)
    np.testing.assert_allclose(result.hidden, np.abs(captured(model, "mlp.fc2", entering=True)).mean(1), rtol=1e-5)
    before, middle, after = (
        captured(model, path, entering=entering) for path, entering in (("", True), ("norm2", True), ("", False))
    )
    stream = np.abs(before[0]).mean(0) + np.abs(middle).mean(1).sum(0) + np.abs(after).mean(1).sum(0)
    np.testing.assert_allclose(result.res, stream, rtol=1e-5)
    cosine = (before * after).sum(-1) / np.linalg.norm(before, axis=-1) / np.linalg.norm(after, axis=-1)
    np.testing.assert_allclose(result.blocks, 1 - cosine.mean(1), rtol=1e-4)
    assert result.moments is None


def test_the_other_readings_score_branches_and_what_enters_the_activation():
    model = network()
    result = scores.measure(model, batches(), residual="branch", hidden="before-gelu")
    np.testing.assert_allclose(result.hidden, np.abs(captured(model, "mlp.fc1", entering=False)).mean(1), rtol=1e-5)
    added = sum(np.abs(captured(model, path, entering=False)).mean(1).sum(0) for path in ("attn.proj", "mlp.fc2"))
    with torch.no_grad():
        patches = model.patch_embed(torch.cat(batches())).abs().double().mean((0, 1)).numpy()
    np.testing.assert_allclose(result.res, added + patches, rtol=1e-5)


def test_second_moments_are_those_of_the_inputs_of_proj_and_fc2():
    model = network()
    moments = scores.measure(model, batches(), moments=True).moments
    for path, made, mean in (
        ("attn.proj", moments.proj, moments.proj_mean),
        ("mlp.fc2", moments.fc2, moments.fc2_mean),
    ):
        x = captured(model, path, entering=True)
        np.testing.assert_allclose(mean, x.mean(1), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(made, np.einsum("lsf,lsg->lfg", x, x) / x.shape[1], rtol=1e-4, atol=1e-6)
        assert made.dtype == np.float64


def test_renumbering_hidden_units_renumbers_their_scores_and_nothing_else():
    model = network()
    before = scores.measure(model, batches())
    orders = [np.random.default_rng(i).permutation(GEOMETRY.hidden) for i in range(3)]
    with torch.no_grad():
        for block, order in zip(model.blocks, orders, strict=True):
            block.mlp.fc1.weight.copy_(block.mlp.fc1.weight[order].clone())
            block.mlp.fc1.bias.copy_(block.mlp.fc1.bias[order].clone())
            block.mlp.fc2.weight.copy_(block.mlp.fc2.weight[:, order].clone())
    hidden = np.stack([row[order] for row, order in zip(before.hidden, orders, strict=True)])
    close(scores.measure(model, batches()), dataclasses.replace(before, hidden=hidden))


def test_renumbering_heads_renumbers_their_scores_and_nothing_else():
    model = network()
    before = scores.measure(model, batches())
    order = np.array([2, 0, 3, 1])
    rows = (order[:, None] * HEAD + np.arange(HEAD)).ravel()
    qkv = (np.arange(3)[:, None] * GEOMETRY.width + rows).ravel()
    with torch.no_grad():
        for block in model.blocks:
            block.attn.qkv.weight.copy_(block.attn.qkv.weight[qkv].clone())
            block.attn.qkv.bias.copy_(block.attn.qkv.bias[qkv].clone())
            block.attn.proj.weight.copy_(block.attn.proj.weight[:, rows].clone())
    close(scores.measure(model, batches()), dataclasses.replace(before, heads=before.heads[:, order]))


def test_renumbering_the_residual_stream_renumbers_its_scores_and_nothing_else():
    model = network()
    before = scores.measure(model, batches())
    order = np.random.default_rng(0).permutation(GEOMETRY.width)
    with torch.no_grad():
        for name, p in model.named_parameters():
            last = name in ("cls_token", "pos_embed") or name.endswith(("qkv.weight", "fc1.weight", "head.weight"))
            first = name.startswith("patch_embed") or "norm" in name or "proj." in name or "fc2." in name
            if last or first:
                p.copy_((p[..., order] if last else p[order]).clone())
    close(scores.measure(model, batches()), dataclasses.replace(before, res=before.res[order]))


def test_what_is_dead_scores_nothing_and_comes_last():
    model = network()
    with torch.no_grad():
        fc1, attn = model.blocks[1].mlp.fc1, model.blocks[1].attn
        fc1.weight[7] = fc1.bias[7] = 0
        values = slice(2 * GEOMETRY.width + HEAD, 2 * GEOMETRY.width + 2 * HEAD)
        attn.qkv.weight[values] = attn.qkv.bias[values] = 0
        for linear in (model.blocks[2].attn.proj, model.blocks[2].mlp.fc2):
            linear.weight.zero_()
            linear.bias.zero_()
    result = scores.measure(model, batches())
    assert result.hidden[1, 7] == 0
    assert result.heads[1, 1] == 0
    assert result.blocks[2] == pytest.approx(0, abs=1e-12)
    order = scores.rankings(result)
    assert (order.hidden[1, -1], order.heads[1, -1], order.blocks[-1]) == (7, 1, 2)


def test_measuring_leaves_the_network_as_it_was_and_gives_the_same_again():
    model = network().train()
    model.blocks[1].eval()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    first, second = (scores.measure(model, batches(), moments=True) for _ in range(2))
    assert np.array_equal(first.res, second.res)
    assert np.array_equal(first.moments.fc2, second.moments.fc2)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert all(p.grad is None for p in model.parameters())
    with pytest.raises(RuntimeError):
        scores.measure(model, [torch.zeros(1, 2, 8, 8)])
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_how_images_are_cut_into_batches_does_not_matter():
    model = network()
    close(scores.measure(model, batches()), scores.measure(model, [torch.cat(batches())[i : i + 1] for i in range(12)]))


def test_a_shared_block_has_the_scores_of_its_unrolled_copies_and_a_stage_their_sum():
    torch.manual_seed(0)
    shared = vit.auxiliary(GEOMETRY, (2, 1))
    unrolled = vit.network(GEOMETRY)
    unrolled.load_state_dict(shared.state_dict())
    result = scores.measure(shared, batches(), moments=True)
    close(result, scores.measure(unrolled, batches()))
    assert result.heads.shape == (3, 4)
    staged = scores.by_stage(result, (2, 1))
    assert np.array_equal(staged.res, result.res)
    for name in ("heads", "hidden", "blocks"):
        rows = getattr(result, name)
        assert np.array_equal(getattr(staged, name), np.stack([rows[0] + rows[1], rows[2]]))
    assert np.array_equal(staged.moments.fc2[0], (result.moments.fc2[0] + result.moments.fc2[1]) / 2)
    with pytest.raises(InvalidValue, match="stages 1, 1 are 2 blocks and the scores are of 3"):
        scores.by_stage(result, (1, 1))


def test_rankings_put_the_greatest_first_and_ties_in_their_own_order():
    made = scores.Scores(np.array([1.0, 3.0, 3.0, 2.0]), *(np.array([[0.0, 0.0], [1.0, 2.0]]),) * 2, np.array([2.0]))
    order = scores.rankings(made)
    assert order.res.tolist() == [1, 2, 3, 0]
    assert order.heads.tolist() == [[0, 1], [1, 0]]
    assert {getattr(order, f.name).dtype for f in dataclasses.fields(order)} == {np.dtype(np.int32)}


def test_no_images_are_refused():
    with pytest.raises(InvalidValue, match="there were none; raise their number"):
        scores.measure(network(), [])
