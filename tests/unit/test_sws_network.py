"""SWS beyond the paper: which depths are trained, and what is learned from an ancestor's tokens."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import timm
import torch
import torch.distributed as dist
from torch import Tensor, nn

from learngenes import config
from learngenes.errors import InvalidValue, UnknownName
from learngenes.families.vit import Geometry
from learngenes.methods.sws.depths import Depths, Fixed, Growing, Sampled, depth_of, of_options
from learngenes.methods.sws.network import Auxiliary, StageDistillation, check_ancestor, distance, stage_ends
from learngenes.methods.sws.options import LearnOptions, PlanOptions
from learngenes.planning.stages import layer_map
from learngenes.training import vit
from learngenes.training.losses import Distillation

STAGES = (2, 1, 2)
GEOMETRY = Geometry(depth=5, width=32, heads=2, patch=4, image=8, classes=10, channels=1)
CPU = torch.device("cpu")
LABELS = torch.arange(4)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def auxiliary(depths: Depths) -> Auxiliary:
    made = Auxiliary(vit.auxiliary(GEOMETRY, STAGES), STAGES, depths)
    vit.describe_input(made, mean=(0.3,), std=(0.4,))
    return made


def unrolled(student: Auxiliary, depth: int) -> nn.Module:
    """The descendant of that depth, each block a copy of its stage's."""
    made = vit.network(replace(GEOMETRY, depth=depth))
    network: Any = made
    for name, part in student.network.named_children():
        if name != "blocks":
            getattr(network, name).load_state_dict(part.state_dict())
    network.pos_embed.data.copy_(student.network.pos_embed)
    firsts = (0, 2, 3)
    for block, stage in zip(network.blocks, layer_map(depth, STAGES, PlanOptions()), strict=True):
        block.load_state_dict(student.network.blocks[firsts[stage]].state_dict())
    vit.describe_input(made, mean=(0.3,), std=(0.4,))
    return made


def images() -> Tensor:
    return torch.randn(4, 1, 8, 8)


def by_features(student: Auxiliary, ancestor: nn.Module, *, features: float, alpha: float = 1.0) -> StageDistillation:
    return StageDistillation(
        student,
        ancestor,
        features=features,
        alpha=alpha,
        temperature=2.0,
        label_smoothing=0.1,
        precision="float32",
        device=CPU,
    )


def test_every_depth_within_both_ends_is_drawn_equally_often_by_seed_and_step() -> None:
    sampled = Sampled(3, 6, seed=1)
    found = [depth_of(sampled, step) for step in range(400)]
    counts = Counter(found)
    assert counts.keys() == {3, 4, 5, 6} and min(counts.values()) > 70
    assert found == [depth_of(Sampled(3, 6, seed=1), step) for step in range(400)]
    assert found != [depth_of(Sampled(3, 6, seed=2), step) for step in range(400)]


def test_growing_goes_through_all_depths_in_equal_shares_of_the_steps() -> None:
    assert [depth_of(Growing(3, 6, steps=8), step) for step in range(8)] == [3, 3, 4, 4, 5, 5, 6, 6]
    assert [depth_of(Growing(3, 5, steps=2), step) for step in range(2)] == [3, 4]


def test_depths_start_at_one_layer_for_each_stage_unless_said() -> None:
    assert of_options(LearnOptions(stages=STAGES, depths="sampled"), seed=4, steps=9) == Sampled(3, 5, 4)
    assert of_options(LearnOptions(stages=STAGES, depths="growing", least_depth=2), seed=4, steps=9) == Growing(2, 5, 9)
    assert of_options(LearnOptions(stages=STAGES), seed=4, steps=9) == Fixed(5)


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
def test_a_training_step_is_the_descendant_of_its_depth(depth: int) -> None:
    student, x = auxiliary(Fixed(depth)), images()
    with torch.no_grad():
        assert torch.equal(student.train()(x), unrolled(student, depth).train()(x))
        assert torch.equal(student.eval()(x), student.network(x))
        assert torch.equal(student(x), unrolled(student, 5)(x))


def test_only_training_counts_steps_and_a_copy_goes_on_from_the_same() -> None:
    sampled = Sampled(2, 5, seed=0)
    student, x = auxiliary(sampled), images()
    with torch.no_grad():
        first = [student.train()(x) for _ in range(6)]
        student.eval()(x)
        assert int(student.steps) == 6
        resumed = copy.deepcopy(student).train()
        resumed.steps.fill_(2)
        assert all(torch.equal(a, resumed(x)) for a in first[2:])
    assert len({depth_of(sampled, step) for step in range(6)}) > 2


def test_a_stage_that_a_step_leaves_out_has_a_gradient_of_zero() -> None:
    student = auxiliary(Fixed(2)).train()
    student(images()).sum().backward()
    gradients = {name: p.grad for name, p in student.named_parameters()}
    assert all(g is not None for g in gradients.values())
    assert {name.split(".")[2] for name, g in gradients.items() if g is not None and not g.any()} == {"2"}


@pytest.fixture
def one_rank() -> Iterator[None]:
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.usefixtures("one_rank")
def test_under_ddp_steps_of_all_depths_have_the_gradients_of_one_process() -> None:
    gradients = []
    for distributed in (False, True):
        torch.manual_seed(0)
        student = auxiliary(Sampled(1, 5, seed=0))
        task = by_features(student, unrolled(student, 5), features=0.5)
        if distributed:
            task.prepare_distributed()
        task.train()
        generator = torch.Generator().manual_seed(1)
        for _ in range(6):
            task(torch.randn(4, 1, 8, 8, generator=generator), LABELS)["loss"].backward()
        gradients.append({name: p.grad for name, p in student.named_parameters()})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
def test_what_is_compiled_serves_all_depths() -> None:
    made: list[int] = []

    def backend(graph: Any, inputs: list[Tensor]) -> Any:
        made.append(len(inputs))
        return graph

    x = images()
    student = auxiliary(Growing(3, 5, steps=6)).train()
    compiled = torch.compile(student, backend=backend)
    counts = []
    with torch.no_grad():
        for step in range(6):
            answer = compiled(x)
            counts.append(len(made))
            student.steps.fill_(step)
            assert torch.equal(answer, student(x))
    assert counts[1] > 0 and counts[2:] == [counts[1]] * 4, "steps 2 to 5 are of depths that were not seen before"


def test_the_distance_ignores_scale_and_shift_of_a_token_and_is_a_mean_of_mean_squares() -> None:
    own, theirs = torch.randn(2, 3, 32), torch.randn(2, 3, 32)
    assert distance([(own, own)]) == 0
    torch.testing.assert_close(distance([(own, 3 * own + 1)]), torch.tensor(0.0), atol=1e-6, rtol=0)
    normal = [(x - x.mean(-1, keepdim=True)) / x.std(-1, keepdim=True, unbiased=False) for x in (own, theirs)]
    square = (normal[0] - normal[1]).square().mean()
    torch.testing.assert_close(distance([(own, theirs), (own, own)]), square / 2, atol=1e-5, rtol=0)


def test_a_stages_end_is_the_ancestors_block_at_the_same_share_of_the_depth() -> None:
    assert stage_ends((3, 3, 4, 3, 3), 16) == (3, 6, 10, 13, 16)
    assert stage_ends((3, 3, 4, 3, 3), 12) == (2, 4, 8, 10, 12)
    assert stage_ends((1, 1, 1, 1, 12), 3) == (1, 1, 1, 1, 3)


def test_features_of_the_same_network_are_no_distance_apart_and_the_rest_is_distillation() -> None:
    student, x = auxiliary(Fixed(5)), images()
    vit.describe_input(student.network, mean=(0.3,), std=(0.4,))
    ancestor = unrolled(student, 5)
    settings = {"alpha": 0.7, "temperature": 2.0, "label_smoothing": 0.1, "precision": "float32", "device": CPU}
    task = by_features(student, ancestor, features=7.0, alpha=0.7).train()
    plain = Distillation(student.network, ancestor, **settings).train()  # type: ignore[arg-type]
    assert torch.equal(task(x, LABELS)["loss"], plain(x, LABELS)["loss"])


@pytest.mark.parametrize("depths", [Fixed(5), Sampled(2, 5, seed=0)])
def test_features_weigh_by_their_option_and_only_the_student_learns(depths: Depths) -> None:
    student, x = auxiliary(depths), images()
    ancestor = vit.network(replace(GEOMETRY, depth=3))
    vit.describe_input(ancestor, mean=(0.5,), std=(0.5,))
    losses = []
    for features in (0.0, 1.0, 3.0):
        student.steps.zero_()
        task = by_features(student, ancestor, features=features).train()
        losses.append(task(x, LABELS)["loss"])
    torch.testing.assert_close(losses[2] - losses[0], 3 * (losses[1] - losses[0]))
    assert losses[1] > losses[0]
    (losses[1] - losses[0]).backward()
    moved = {name for name, p in student.named_parameters() if p.grad is not None and p.grad.any()}
    assert any(name.startswith("network.blocks.0.") for name in moved) and "network.pos_embed" in moved
    assert all(p.grad is None for p in ancestor.parameters())


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (lambda: timm.create_model("resnet10t", num_classes=10), "is a ResNet and not a plain ViT"),
        (lambda: vit.network(replace(GEOMETRY, width=48)), r"has shape \(\d*,?.*48.* in the ancestor"),
        (lambda: vit.network(replace(GEOMETRY, heads=4)), r"has heads 4 and \[geometry\] says 2"),
        (lambda: vit.network(replace(GEOMETRY, patch=2)), "has 16 tokens"),
    ],
)
def test_an_ancestor_of_other_tokens_is_refused(model: Any, told: str) -> None:
    with pytest.raises(InvalidValue, match=told):
        check_ancestor(model(), GEOMETRY)
    check_ancestor(vit.network(replace(GEOMETRY, depth=9)), GEOMETRY)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"least_depth": 6, "depths": "sampled"}, r"least_depth is within 0\.\.5, the sum of the stages, got 6"),
        ({"least_depth": -1, "depths": "growing"}, "got -1"),
        ({"least_depth": 3}, "least_depth 3 means nothing to depths 'fixed'"),
        ({"features": -1.0}, "features is a weight of at least 0, got -1"),
        ({"features": float("nan")}, "got nan"),
        ({"features": 1.0, "alpha": 0.0}, "alpha 0 leaves without a part"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidValue, match=told):
        LearnOptions(stages=STAGES, **options)


def test_a_misspelt_schedule_is_told_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'sampled'"):
        config.parse({"stages": [2, 1, 2], "depths": "sample"}, LearnOptions, where="options")
