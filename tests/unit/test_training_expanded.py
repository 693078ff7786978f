"""A network whose tensors are made from other parameters: it computes, learns, resumes and is copied as any other."""

import copy

import pytest
import torch
import torch.distributed as dist
from timm.optim import create_optimizer_v2
from timm.utils import ModelEmaV3

from learngenes.families.vit import Geometry, block_shapes, frame_shapes, shapes
from learngenes.job import DataOptions, LearnJob, Stopped, TrainingOptions
from learngenes.training import vit
from learngenes.training.expanded import Expanded, TensorTree
from learngenes.training.losses import Distillation, Supervised
from learngenes.training.session import session

GEOMETRY = Geometry(depth=3, width=32, heads=2, patch=4, image=8, classes=10, channels=1, class_token=True)
CPU = torch.device("cpu")


class Sloped(Expanded):
    """Every block is base + at * slope; the frame is its own."""

    def __init__(self, geometry=GEOMETRY, **options):
        super().__init__(geometry, **options)
        torch.manual_seed(5)
        fresh = vit.network(geometry).state_dict()
        self.base = TensorTree({name: fresh[f"blocks.0.{name}"] for name in block_shapes(geometry)})
        self.slope = TensorTree({name: torch.randn(s) * 0.02 for name, s in block_shapes(geometry).items()})
        self.frame = TensorTree({name: fresh[name] for name in frame_shapes(geometry)})

    def tensors(self):
        made = self.frame.tensors()
        for i in range(self.geometry.depth):
            for name, base in self.base.tensors().items():
                made[f"blocks.{i}.{name}"] = base + i / self.geometry.depth * self.slope[name]
        return made


def plain(model, **options):
    network = vit.network(model.geometry, **options)
    network.load_state_dict({name: torch.from_numpy(a) for name, a in model.arrays().items()}, strict=True)
    return network


def images(count=4):
    return torch.randn(count, 1, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("fused", [False, True])
def test_logits_are_bit_equal_to_those_of_a_plain_network_with_the_same_tensors(fused, precision):
    made = Sloped()
    own = plain(made)
    for model in (made, own):
        vit.choose_attention(model, fused=fused)
        assert {m.fused_attn for m in model.modules() if hasattr(m, "fused_attn")} == {fused}
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        assert torch.equal(made(images()), own(images()))


def test_tensors_are_made_in_float32_under_autocast():
    seen = []

    class Watching(Sloped):
        def tensors(self):
            seen.append(torch.is_autocast_enabled("cpu"))
            return super().tensors()

    with torch.autocast("cpu", torch.bfloat16):
        Watching()(images())
    assert seen == [False]


def test_gradients_reach_base_and_slope_by_the_chain_rule():
    made = Sloped().double()
    own = plain(made).double()
    own.load_state_dict(made.tensors())
    for model in (made, own):
        torch.nn.functional.cross_entropy(model(images().double()), torch.arange(4)).backward()
    of = {name: p.grad for name, p in own.named_parameters()}
    for name, base in made.base.tensors().items():
        by_block = [of[f"blocks.{i}.{name}"] for i in range(3)]
        torch.testing.assert_close(base.grad, sum(by_block), rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(
            made.slope[name].grad, sum(i / 3 * g for i, g in enumerate(by_block)), rtol=1e-9, atol=1e-12
        )
    for name, frame in made.frame.tensors().items():
        torch.testing.assert_close(frame.grad, of[name], rtol=1e-9, atol=1e-12)


def test_it_holds_the_generating_parameters_and_nothing_else():
    made = Sloped()
    names = {name for name, _ in made.named_parameters()}
    assert names == made.state_dict().keys()
    assert names == {
        *(f"{part}.{name}" for part in ("base", "slope") for name in block_shapes(GEOMETRY)),
        *(f"frame.{name}" for name in frame_shapes(GEOMETRY)),
    }
    assert not list(made.buffers())
    made(images())
    assert not list(made.skeleton.parameters())
    assert {name: a.shape for name, a in made.arrays().items()} == shapes(GEOMETRY)


def test_building_the_skeleton_draws_nothing_at_random():
    before = torch.get_rng_state()

    class Empty(Expanded):
        def tensors(self):
            return {}

    Empty(GEOMETRY, drop_path=0.1)
    assert torch.equal(before, torch.get_rng_state())
    with pytest.raises(AssertionError, match=r"blocks\.0\.attn\.proj\.bias"):
        Empty(GEOMETRY).arrays()


def test_drop_path_is_on_in_training_alone_and_drops_what_a_plain_network_drops():
    made = Sloped(drop_path=0.5)
    own = plain(made, drop_path=0.5)
    results = []
    for model in (made.train(), own.train()):
        torch.manual_seed(3)
        results.append(model(images()))
    assert torch.equal(*results)
    assert torch.equal(made.eval()(images()), plain(made)(images()))
    assert not torch.equal(results[0], made(images()))


def test_weight_decay_spares_norms_biases_and_embeddings_and_what_a_subclass_adds():
    class Adding(Sloped):
        def no_weight_decay(self):
            return super().no_weight_decay() | {"slope.mlp.fc1.weight"}

    for kind, more in ((Sloped, set()), (Adding, {"slope.mlp.fc1.weight"})):
        model = kind()
        optimizer = create_optimizer_v2(model, opt="adamw", lr=0.1, weight_decay=0.05)
        names = {id(p): name for name, p in model.named_parameters()}
        decayed = {names[id(p)] for g in optimizer.param_groups if g["weight_decay"] for p in g["params"]}
        matrices = {name for name, p in model.named_parameters() if p.ndim == 2}
        assert decayed == (matrices | {"frame.patch_embed.proj.weight"}) - more


def test_the_average_of_weights_is_an_independent_copy_that_computes():
    made = Sloped()
    average = ModelEmaV3(made, decay=0.5, exclude_buffers=True)
    before = average.module(images())
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.1)
    assert torch.equal(average.module(images()), before)
    average.update(made)
    assert not torch.equal(average.module(images()), before)
    assert torch.equal(copy.deepcopy(made)(images()), made(images()))


def test_it_learns_from_an_ancestor_that_sees_its_own_normalisation():
    made, ancestor = Sloped(), Sloped()
    vit.describe_input(made, mean=(0.3,), std=(0.4,))
    vit.describe_input(ancestor, mean=(0.5,), std=(0.2,))
    task = Distillation(
        made, ancestor, alpha=0.5, temperature=1.0, label_smoothing=0.0, precision="bfloat16", device=CPU
    )
    task(images(), torch.arange(4))["loss"].backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in made.parameters())
    assert float(task.student_mean) == pytest.approx(0.3)
    assert float(task.teacher.mean_kd) == 0.5


def test_ranks_share_the_gradients_of_the_generating_parameters(tmp_path):
    own, made = Sloped(), Sloped()
    Supervised(own, label_smoothing=0.0, precision="float32", device=CPU)(images(), torch.arange(4))["loss"].backward()
    dist.init_process_group("gloo", store=dist.FileStore(str(tmp_path / "store"), 1), rank=0, world_size=1)
    try:
        task = Supervised(made, label_smoothing=0.0, precision="float32", device=CPU)
        task.prepare_distributed()
        task(images(), torch.arange(4))["loss"].backward()
    finally:
        dist.destroy_process_group()
    assert all(torch.equal(p.grad, q.grad) for p, q in zip(own.parameters(), made.parameters(), strict=True))


@pytest.mark.slow
def test_it_compiles_into_one_graph():
    made = Sloped()
    compiled = torch.compile(made, backend="eager", fullgraph=True)
    assert torch.equal(compiled(images()), made(images()))


def test_a_run_that_was_stopped_gives_the_tensors_of_an_uninterrupted_one(tmp_path):
    data = DataOptions("digits:train", "digits:test", mean=(0.3,), std=(0.38,), augment="light", padding=1)
    training = TrainingOptions(1, 256, 1e-3, drop_path=0.1, ema_decay=0.9, report_seconds=0)
    job = LearnJob("toy", "sws", GEOMETRY, data, training)
    results = []
    for stops in ([], [2, 2]):
        run, reached = tmp_path / str(len(stops)), []
        run.mkdir()
        fitted = None
        while fitted is None or isinstance(fitted, Stopped):
            answers = iter([False] * (stops.pop() - 1) + [True] if stops else [])
            with session(
                job, run=run, data=tmp_path, report=lambda event: None, stop=lambda a=answers: next(a, False)
            ) as running:
                fitted = running.fit("expanded", lambda: Sloped(drop_path=0.1))
            reached.append(fitted.step if isinstance(fitted, Stopped) else fitted.steps)
        results.append((reached, fitted.model.arrays()))
    (straight, whole), (interrupted, pieced) = results
    assert (straight, interrupted) == ([5], [2, 4, 5])
    assert all((whole[name] == pieced[name]).all() for name in shapes(GEOMETRY))
