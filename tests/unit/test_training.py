"""Parts of training by themselves: shared blocks, batches by step, losses, schedule, data sets, checkpoints."""

import copy
import io
import json
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import timm
import torch
from PIL import Image

from learngenes.errors import BadCheckpoint, BadData, InvalidValue
from learngenes.families.vit import Geometry, block_shapes, frame_shapes
from learngenes.job import DataOptions, TrainingOptions
from learngenes.training import checkpoint, loop, vit
from learngenes.training.augment import Mixing, Normalise, TestBatches, TrainingBatches
from learngenes.training.data import open_images
from learngenes.training.evaluate import accuracy
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


# batches


@pytest.mark.parametrize("options", [LIGHT, TIMM], ids=["light", "timm"])
def test_a_batch_follows_from_seed_and_step_alone_whatever_was_asked_before_and_by_how_many_ranks(options):
    source = open_images(options.train, data=Path())

    def batches(**changes):
        kept = {"options": options, "geometry": GEOMETRY, "batch": 8, "seed": 3}
        return TrainingBatches(source, **{**kept, **changes})

    steps = batches().epoch_steps
    whole = batches()
    pixels, labels = whole[steps + 1]
    assert (pixels.dtype, pixels.shape, labels.shape) == (torch.uint8, (8, 1, 8, 8), (8,))
    whole[0], whole[2 * steps]
    random.seed(0)
    torch.manual_seed(99)
    assert torch.equal(pixels, whole[steps + 1][0])
    halves = [batches(rank=rank, world=2)[steps + 1] for rank in (0, 1)]
    assert torch.equal(pixels, torch.cat([x for x, _ in halves]))
    assert torch.equal(labels, torch.cat([y for _, y in halves]))
    assert not torch.equal(pixels, batches(seed=4)[steps + 1][0])
    assert not torch.equal(pixels, whole[1][0])


@pytest.mark.parametrize("channels", [1, 3])
def test_the_augmentation_of_the_papers_works_at_its_strongest(channels):
    mean = (0.3,) * channels
    options = DataOptions("digits:train", "digits:test", mean=mean, std=mean, auto_augment="rand-m10-mstd0.5-inc1-n4")
    geometry = Geometry(depth=1, width=8, heads=1, patch=4, image=8, classes=10, channels=channels)
    source = open_images(options.train, data=Path())
    pixels, _ = TrainingBatches(source, options=options, geometry=geometry, batch=400, seed=0)[0]
    assert pixels.shape == (400, channels, 8, 8)


def test_an_epoch_shows_every_image_once_and_repeats_show_it_again():
    source = open_images("digits:train", data=Path())
    for repeats in (1, 3):
        options = DataOptions("digits:train", "digits:test", augment="light", padding=0, repeats=repeats)
        batches = TrainingBatches(source, options=options, geometry=GEOMETRY, batch=len(source), seed=0)
        batches[0]
        assert np.unique(batches._order, return_counts=True)[1].max() == repeats
        assert len(batches._order) == len(source)


def test_light_crops_are_windows_of_the_reflected_image():
    source = open_images("digits:train", data=Path())
    options = DataOptions("digits:train", "digits:test", augment="light", padding=2, flip=0.5)
    pixels, labels = TrainingBatches(source, options=options, geometry=GEOMETRY, batch=16, seed=0)[0]
    digits = [(np.asarray(image), label) for image, label in (source[i] for i in range(len(source)))]
    for x, label in zip(pixels[:4, 0].numpy(), labels[:4].tolist(), strict=True):
        padded = [np.pad(image, 2, mode="reflect") for image, y in digits if y == label]
        windows = (p[i : i + 8, j : j + 8] for p in padded for i in range(5) for j in range(5))
        assert any(np.array_equal(x, w) or np.array_equal(x, w[:, ::-1]) for w in windows)


def test_mixing_follows_from_seed_and_step_and_gives_probabilities():
    training = TrainingOptions(1, 4, 0.1, mixup=0.8, cutmix=1.0, label_smoothing=0.1)
    mixing = Mixing(TIMM, training, classes=10, seed=1, rank=0, device=CPU)
    labels = torch.tensor([1, 2, 3, 4])
    first = mixing(images(), labels, step=7)
    np.random.seed(5)
    second = mixing(images(), labels, step=7)
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    torch.testing.assert_close(first[1].sum(-1), torch.ones(4))
    assert not torch.equal(first[0], mixing(images(), labels, step=8)[0])


def test_batches_that_cannot_be_made_are_refused():
    source = open_images("digits:train", data=Path())
    with pytest.raises(InvalidValue, match="batch of 9 does not divide among 2 ranks"):
        TrainingBatches(source, options=LIGHT, geometry=GEOMETRY, batch=9, seed=0, world=2)
    with pytest.raises(BadData, match="1437 training images are fewer than one batch of 2000"):
        TrainingBatches(source, options=LIGHT, geometry=GEOMETRY, batch=2000, seed=0)


def test_normalised_pixels_are_what_the_formula_says():
    pixels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    torch.testing.assert_close(Normalise(LIGHT)(pixels), (pixels / 255 - 0.3) / 0.4)


def test_accuracy_counts_every_test_image_and_leaves_the_mode_alone():
    source = open_images("digits:test", data=Path())
    for options in (LIGHT, TIMM):
        batches = TestBatches(source, options=options, geometry=GEOMETRY, batch=100)
        model = auxiliary().train()
        correct, n = accuracy(model, (batches[i] for i in range(len(batches))), normalise=Normalise(options))
        assert n == len(source) == 360
        assert 0 <= correct <= n
        assert model.training


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


# data sets


def png(value, size=(8, 8), mode="L"):
    out = io.BytesIO()
    Image.new(mode, size, value).save(out, "png")
    return out.getvalue()


def parquet(path, rows, *, column="label", names=("cat", "dog")):
    table = pa.table({"image": [{"bytes": b, "path": None} for b, _ in rows], column: [y for _, y in rows]})
    if names:
        features = {"info": {"features": {"label": {"names": list(names), "_type": "ClassLabel"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(features)})
    pa.parquet.write_table(table, path)


def test_parquet_images_carry_labels_and_class_names(tmp_path):
    parquet(tmp_path / "a.parquet", [(png(9), 0), (png(200), 1)])
    found = open_images("parquet:a.parquet", data=tmp_path)
    assert (len(found), found.classes) == (2, ("cat", "dog"))
    image, label = found[1]
    assert (np.asarray(image).max(), label) == (200, 1)
    parquet(tmp_path / "b.parquet", [(png(9), 0)], names=None)
    (tmp_path / "classes.json").write_text('{"label": ["x", "y"]}')
    assert open_images("parquet:b.parquet", data=tmp_path).classes == ("x", "y")


def test_grey_images_become_colour_and_other_sizes_are_resized(tmp_path):
    parquet(tmp_path / "a.parquet", [(png(9), 0), (png((1, 2, 3), (10, 12), "RGB"), 1)])
    options = DataOptions("parquet:a.parquet", "parquet:a.parquet", augment="light")
    geometry = Geometry(depth=1, width=8, heads=1, patch=4, image=8, classes=2)
    pixels, labels = TestBatches(open_images(options.test, data=tmp_path), options=options, geometry=geometry)[0]
    assert pixels.shape == (2, 3, 8, 8)
    assert pixels[0].unique().tolist() == [9]
    assert pixels[1, :, 0, 0].tolist() == [1, 2, 3]
    assert labels.tolist() == [0, 1]


def test_folders_are_read_one_directory_per_class(tmp_path):
    for name, value in (("b", 5), ("a", 7)):
        (tmp_path / "set" / name).mkdir(parents=True)
        (tmp_path / "set" / name / "x.png").write_bytes(png((value,) * 3, mode="RGB"))
    found = open_images("folder:set", data=tmp_path)
    assert found.classes == ("a", "b")
    assert sorted((int(np.asarray(image).max()), label) for image, label in (found[0], found[1])) == [(5, 1), (7, 0)]
    (tmp_path / "set" / "a" / "x.png").write_bytes(b"no image")
    with pytest.raises(BadData, match=r"x\.png can't be decoded"):
        found[0], found[1]


def test_images_that_cannot_be_read_are_bad_data(tmp_path):
    def read(spec="parquet:a.parquet"):
        found = open_images(spec, data=tmp_path)
        return [found[i] for i in range(len(found))]

    with pytest.raises(BadData, match=r"no file .*a\.parquet; --data says"):
        read()
    (tmp_path / "a.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(BadData, match="not Parquet"):
        read()
    for rows, options, message in (
        ([(png(1), 0)], {"column": "fine_label"}, "no column 'label', only image, fine_label"),
        ([(png(1), 0)], {"names": None}, "names no classes"),
        ([(png(1), 2)], {}, "row 0 has label 2, labels are 0 to 1"),
        ([(b"no image", 0)], {}, "row 0 can't be decoded"),
        ([(None, 0), (png(1), 0)], {}, "row 0 holds no bytes"),
    ):
        parquet(tmp_path / "a.parquet", rows, **options)
        with pytest.raises(BadData, match=message):
            read()
    with pytest.raises(BadData, match=r"no directory .*missing; --data says"):
        read("folder:missing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadData, match="no images in one directory per class"):
        read("folder:empty")
