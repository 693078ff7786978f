"""Parts of training by themselves: shared blocks, losses, schedule, checkpoints."""

import copy

import numpy as np
import pytest
import timm
import torch

from learngenes.errors import BadCheckpoint, InvalidValue
from learngenes.families.vit import Geometry, block_shapes, frame_shapes
from learngenes.job import DataOptions, TrainingOptions
from learngenes.training import checkpoint, loop, vit
from learngenes.training.losses import Distillation, Supervised, distillation_loss

GEOMETRY = Geometry(depth=4, width=32, heads=2, patch=4, image=8, classes=10, channels=1)
STAGES = (1, 2, 1)
LIGHT = DataOptions("digits:train", "digits:test", mean=(0.3,), std=(0.4,), augment="light", padding=1)
TIMM = DataOptions("digits:train", "digits:test", mean=(0.3,), std=(0.4,), color_jitter=0.1, erase=0.5, repeats=2)
CPU = torch.device("cpu")


def auxiliary(geometry=GEOMETRY, stages=STAGES):
    torch.manual_seed(0)
    model = vit.auxiliary(geometry, stages)
    vit.describe_input(model, mean=LIGHT.mean, std=LIGHT.std)
    return model


def images(count=4, seed=0):
    return torch.randn(count, 1, 8, 8, generator=torch.Generator().manual_seed(seed))


def count(shapes):
    return sum(int(np.prod(shape)) for shape in shapes.values())


# I6 and I7 of SWS


def test_trainable_and_stored_parameters_are_one_block_per_stage_and_the_frame():
    model = auxiliary()
    formula = len(STAGES) * count(block_shapes(GEOMETRY)) + count(frame_shapes(GEOMETRY))
    assert sum(p.numel() for p in model.parameters()) == formula
    tensors = vit.stage_tensors(model, STAGES)
    assert sum(t.size for t in tensors.values()) == formula
    assert {name: t.shape for name, t in tensors.items()} == vit.stage_shapes(GEOMETRY, STAGES)


def test_the_gradient_of_a_shared_block_is_the_sum_over_its_unrolled_copies():
    shared = auxiliary().double()
    unrolled = vit.network(GEOMETRY).double()
    unrolled.load_state_dict(shared.state_dict())
    x, labels = images().double(), torch.tensor([1, 2, 3, 4])
    outputs = []
    for model in (shared, unrolled):
        outputs.append(model(x))
        torch.nn.functional.cross_entropy(outputs[-1], labels).backward()
    assert torch.equal(*outputs)
    gradients = {name: p.grad for name, p in unrolled.named_parameters()}
    stage_of = [0, 1, 1, 2]
    first = {0: 0, 1: 1, 2: 3}
    for name, parameter in shared.named_parameters():
        if name.startswith("blocks."):
            _, index, rest = name.split(".", 2)
            stage = stage_of[int(index)]
            assert first[stage] == int(index)
            expected = sum(gradients[f"blocks.{i}.{rest}"] for i in range(4) if stage_of[i] == stage)
        else:
            expected = gradients[name]
        torch.testing.assert_close(parameter.grad, expected, rtol=1e-9, atol=1e-12)


def test_stage_tensors_load_back_into_the_same_logits():
    model = auxiliary()
    other = vit.auxiliary(GEOMETRY, STAGES)
    vit.load_stage_tensors(other, STAGES, vit.stage_tensors(model, STAGES))
    assert torch.equal(model(images()), other(images()))
    tensors = vit.stage_tensors(model, STAGES)
    with pytest.raises(BadCheckpoint, match=r"'head\.bias' has shape \(9,\), the network needs \(10,\)"):
        vit.load_stage_tensors(other, STAGES, tensors | {"head.bias": np.zeros(9, np.float32)})
    del tensors["head.bias"]
    with pytest.raises(BadCheckpoint, match=r"head\.bias"):
        vit.load_stage_tensors(other, STAGES, tensors)


def test_a_depth_that_is_not_the_sum_of_the_stages_is_refused():
    with pytest.raises(InvalidValue, match="depth 4 is not the sum of the stages 1, 2, which is 3"):
        vit.auxiliary(GEOMETRY, (1, 2))


def test_attention_kernels_are_chosen_for_all_blocks_and_agree():
    model = auxiliary()
    results = []
    for fused in (False, True):
        vit.choose_attention(model, fused=fused)
        assert all(block.attn.fused_attn is fused for block in model.blocks)
        results.append(model(images()))
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-5)


# losses


def test_the_loss_is_the_formula_computed_by_hand():
    student, ancestor, labels = auxiliary(), auxiliary(stages=(2, 1, 1)), torch.tensor([0, 3, 5, 9])
    with torch.no_grad():
        for parameter in ancestor.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    alpha, temperature = 0.7, 3.0
    task = Distillation(
        student, ancestor, alpha=alpha, temperature=temperature, label_smoothing=0.0, precision="float32", device=CPU
    )
    s, t = student(images()).detach().double().numpy(), ancestor(images()).detach().double().numpy()

    def softmax(z):
        e = np.exp(z - z.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)

    p, q = softmax(t / temperature), softmax(s / temperature)
    kl = (p * (np.log(p) - np.log(q))).sum(-1).mean()
    ce = -np.log(softmax(s)[np.arange(4), labels.numpy()]).mean()
    loss = task.train()(images(), labels)["loss"]
    assert kl > 1e-3
    assert float(loss.detach()) == pytest.approx((1 - alpha) * ce + alpha * temperature**2 * kl, rel=1e-4)
    loss.backward()
    assert all(p.grad is None for p in ancestor.parameters())
    assert all(p.grad is not None for p in student.parameters())
    assert not ancestor.training


def test_alpha_one_never_looks_at_the_labels():
    task = Distillation(
        auxiliary(), auxiliary(), alpha=1.0, temperature=1.0, label_smoothing=0.0, precision="float32", device=CPU
    )
    task.criterion = None
    assert float(task(images(), torch.zeros(4, dtype=torch.long))["loss"].detach()) == pytest.approx(0.0, abs=1e-6)


def test_an_ancestor_sees_images_in_its_own_normalisation():
    ancestor, student = auxiliary(), auxiliary()
    vit.describe_input(ancestor, mean=(0.5,), std=(0.2,))
    task = Distillation(
        student, ancestor, alpha=1.0, temperature=1.0, label_smoothing=0.0, precision="float32", device=CPU
    )
    seen = (images() * 0.4 + 0.3 - 0.5) / 0.2
    expected = distillation_loss(student(images()), ancestor(seen), temperature=1.0)
    torch.testing.assert_close(task(images(), None)["loss"], expected)


def test_losses_are_float32_under_bfloat16():
    task = Supervised(auxiliary(), label_smoothing=0.1, precision="bfloat16", device=CPU)
    result = task(images(), torch.full((4, 10), 0.1))
    assert result["output"].dtype == torch.bfloat16
    assert result["loss"].dtype == torch.float32


# schedule and checkpoint


def test_the_rate_rises_linearly_and_ends_at_the_least_rate():
    training = TrainingOptions(10, 4, 1.0, min_lr=0.1, warmup_epochs=2, warmup_lr=0.0)
    rates = [loop.rate(step, training, epoch_steps=10) for step in range(100)]
    assert rates[0] == 0.0
    assert rates[10] == pytest.approx(0.5)
    assert rates[20] == max(rates) == 1.0
    assert rates[-1] == pytest.approx(0.1)
    assert rates[20:] == sorted(rates[20:], reverse=True)


def test_the_average_moves_a_shared_block_once_per_step():
    model = auxiliary()
    average = loop._average(model, TrainingOptions(1, 4, 0.1, ema_decay=0.5))
    before = copy.deepcopy(average.module)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    average.update(model, step=1000)
    for old, new in zip(before.parameters(), average.module.parameters(), strict=True):
        torch.testing.assert_close(new, old + 0.5)


def test_weight_decay_leaves_norms_biases_and_positions_alone():
    model = auxiliary()
    optimizer = timm.optim.create_optimizer_v2(model, opt="adamw", lr=0.1, weight_decay=0.05, fused=True)
    names = {id(p): name for name, p in model.named_parameters()}
    spared = {names[id(p)] for g in optimizer.param_groups if g["weight_decay"] == 0 for p in g["params"]}
    assert {"pos_embed", "head.bias", "norm.weight", "blocks.0.norm1.weight", "blocks.1.attn.qkv.bias"} <= spared
    assert not any(name.endswith(("qkv.weight", "fc1.weight", "head.weight")) for name in spared)


def test_a_checkpoint_replaces_the_old_one_whole_and_comes_back(tmp_path):
    def make():
        model = auxiliary()
        return model, torch.optim.AdamW(model.parameters(), lr=0.1)

    model, optimizer = make()
    path = tmp_path / "state.safetensors"
    for step in (1, 2):
        model(images()).sum().backward()
        optimizer.step()
        progress = checkpoint.Progress(step, 1.5, 3, 4)
        checkpoint.save(path, progress, identity={"a": [1]}, model=model, ema=None, optimizer=optimizer)
    assert [p.name for p in tmp_path.iterdir()] == ["state.safetensors"]
    other, other_optimizer = make()
    assert checkpoint.load(path, identity={"a": [1]}, model=other, ema=None, optimizer=other_optimizer) == progress
    for m, o in ((model, optimizer), (other, other_optimizer)):
        o.zero_grad()
        m(images()).sum().backward()
        o.step()
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), other.parameters(), strict=True))
    with pytest.raises(BadCheckpoint, match=r"a was \[1\] and is now \[2\]"):
        checkpoint.load(path, identity={"a": [2]}, model=other, ema=None, optimizer=other_optimizer)
    with pytest.raises(BadCheckpoint, match="ema"):
        checkpoint.load(path, identity={"a": [1]}, model=other, ema=auxiliary(), optimizer=other_optimizer)
