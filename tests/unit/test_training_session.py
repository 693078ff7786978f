"""What the phases of a run share: images, seeds, checkpoints, the record."""

import dataclasses
import json

import pytest
import torch
from torch import nn

from learngenes.errors import BadCheckpoint, BadData, InvalidValue
from learngenes.families.vit import Geometry
from learngenes.job import AncestorOptions, DataOptions, LearnJob, Stopped, TrainingOptions, check_teaching, identity
from learngenes.training import vit
from learngenes.training.losses import Supervised
from learngenes.training.session import session

GEOMETRY = Geometry(depth=2, width=32, heads=2, patch=4, image=8, classes=10, channels=1)
DATA = DataOptions("digits:train", "digits:test", mean=(0.3,), std=(0.38,), augment="light", padding=1)
TRAINING = TrainingOptions(epochs=1, batch=256, learning_rate=1e-3, report_seconds=0)
JOB = LearnJob("toy", "sws", GEOMETRY, DATA, TRAINING)
OWN = AncestorOptions("vit", training=dataclasses.replace(TRAINING, drop_path=0.2))


def opened(run, job=JOB, *, report=lambda event: None, stop=lambda: False):
    run.mkdir(exist_ok=True)
    return session(job, run=run, data=run, report=report, stop=stop)


def network():
    return vit.network(GEOMETRY)


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_each_phase_has_its_own_draws_checkpoint_and_events(tmp_path):
    events, fresh = [], []

    def build():
        fresh.append(weights(network_made := network()))
        return network_made

    with opened(tmp_path, report=events.append) as running:
        first = running.fit("first", build)
        running.fit("second", build)
        third = running.fit("third", lambda: first.model, training=dataclasses.replace(TRAINING, epochs=2))
    assert not torch.equal(*fresh)
    assert third.model is first.model
    assert third.steps == 2 * first.steps == 10
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"{n}.safetensors" for n in ("first", "second", "third")]
    assert list(dict.fromkeys(e["phase"] for e in events)) == ["first", "second", "third"]


def test_what_a_network_starts_from_follows_from_the_seed_alone(tmp_path):
    starts = []

    def build():
        starts.append(weights(made := network()))
        return made

    for name, job in (("a", JOB), ("b", JOB), ("c", dataclasses.replace(JOB, seed=1))):
        torch.rand(len(starts) + 1)
        with opened(tmp_path / name, job, stop=lambda: True) as running:
            assert running.fit("auxiliary", build) == Stopped("auxiliary", 1, 5)
    assert torch.equal(starts[0], starts[1])
    assert not torch.equal(starts[0], starts[2])


def test_a_network_built_beforehand_and_a_name_used_twice_are_mistakes_of_ours(tmp_path):
    with opened(tmp_path) as running:
        with pytest.raises(AssertionError, match="build is a function"):
            running.fit("auxiliary", network())
        running.fit("auxiliary", network)
        for name in ("auxiliary", "ancestor"):
            with pytest.raises(AssertionError, match="share one checkpoint"):
                running.fit(name, network)


def test_a_phase_resumes_under_the_same_identity_alone(tmp_path):
    with opened(tmp_path, stop=lambda: True) as running:
        running.fit("auxiliary", network, identity={"pairs": [1, 2]})
    with opened(tmp_path) as running, pytest.raises(BadCheckpoint, match=r"pairs was \[1, 2\] and is now \[2, 1\]"):
        running.fit("auxiliary", network, identity={"pairs": [2, 1]})
    renamed = dataclasses.replace(JOB, name="other", license="mit", description="words")
    with opened(tmp_path, renamed) as running:
        assert running.fit("auxiliary", network, identity={"pairs": [1, 2]}).steps == 5


def test_a_task_of_the_methods_own_wraps_the_described_network(tmp_path):
    seen = []

    class Halved(Supervised):
        def forward(self, input, target):
            result = super().forward(input, target)
            return {**result, "loss": result["loss"] / 2}

    def task(student):
        seen.append((student.pretrained_cfg["mean"], student.blocks[0].attn.fused_attn))
        return Halved(student, label_smoothing=0.0, precision="float32", device=torch.device("cpu"))

    losses = []
    for name, chosen in (("plain", None), ("halved", task)):
        with opened(
            tmp_path / name,
            dataclasses.replace(JOB, training=dataclasses.replace(TRAINING, fused_attention=False)),
            report=lambda e: losses.append(e.get("loss")),
            stop=lambda: True,
        ) as running:
            running.fit("auxiliary", network, task=chosen)
    assert seen == [((0.3,), False)]
    whole, half = [loss for loss in losses if loss is not None]
    assert half == pytest.approx(whole / 2)


def test_frozen_parameters_stay_and_the_others_learn(tmp_path):
    def build():
        model = network()
        model.blocks.requires_grad_(requires_grad=False)
        return model

    with opened(tmp_path) as running:
        fitted = running.fit("auxiliary", build)
    torch.manual_seed(0)
    with opened(tmp_path / "again", stop=lambda: True) as running:
        start = []
        running.fit("auxiliary", lambda: start.append(build()) or start[0])
    fresh = dict(start[0].named_parameters())
    for name, p in fitted.model.named_parameters():
        if name.startswith("blocks"):
            assert torch.equal(p, fresh[name])
    assert not torch.equal(fitted.model.head.weight, fresh["head.weight"])


def test_the_ancestor_vit_is_the_jobs_geometry_trained_with_its_own_drop_path(tmp_path):
    with opened(tmp_path, dataclasses.replace(JOB, ancestor=OWN)) as running:
        made = running.ancestor()
        record = running.record(teacher=made)
    assert {name: p.shape for name, p in made.model.named_parameters()} == {
        name: p.shape for name, p in network().named_parameters()
    }
    assert made.model.blocks[1].drop_path1.drop_prob == pytest.approx(0.2)
    assert (made.input.mean, made.input.std) == ((0.3,), (0.38,))
    assert (record["ancestor"]["architecture"], record["ancestor"]["steps"]) == ("vit", 5)
    wider = dataclasses.replace(JOB, geometry=dataclasses.replace(GEOMETRY, width=64), ancestor=OWN)
    with (
        opened(tmp_path, wider) as running,
        pytest.raises(BadCheckpoint, match=r"geometry\.width was 32 and is now 64"),
    ):
        running.ancestor()


def test_an_ancestor_of_timm_is_trained_with_its_own_drop_path_too(tmp_path):
    options = dataclasses.replace(
        OWN,
        architecture="vit_tiny_patch16_224",
        arguments={"img_size": 8, "patch_size": 4, "depth": 2, "embed_dim": 32, "num_heads": 2},
    )
    with opened(tmp_path, dataclasses.replace(JOB, ancestor=options), stop=lambda: True) as running:
        assert running.ancestor() == Stopped("ancestor", 1, 5)
    from learngenes.training import ancestor

    assert ancestor.create(options, JOB).blocks[1].drop_path1.drop_prob == pytest.approx(0.2)


def test_the_record_of_a_run_without_images_says_what_there_is(tmp_path):
    bare = LearnJob("toy", "mimetic", GEOMETRY, options={"a": 1}, seed=3)
    with opened(tmp_path, bare) as running:
        assert running.images is None
        assert running.ancestor() is None
        record = running.record()
        with pytest.raises(InvalidValue, match=r"method 'mimetic' needs \[training\]; add the table"):
            running.fit("auxiliary", network)
    assert set(record) == {"options", "seed", "ancestor", "versions", "hardware"}
    assert json.loads(json.dumps(record)) == record


def test_the_record_of_another_phase_has_its_own_training(tmp_path):
    longer = dataclasses.replace(TRAINING, epochs=2, batch=512)
    with opened(tmp_path) as running:
        fitted = running.fit("auxiliary", network, training=longer)
        record = running.record(fitted, training=longer)
    assert (record["epochs"], record["batch"], record["steps"]) == (2, 512, 4)
    assert record["classes"] == list("0123456789")


def test_a_sample_is_drawn_by_the_seed_normalised_and_unvaried(tmp_path):
    with opened(tmp_path) as running:
        first = torch.cat(list(running.sample(40, batch=16)))
        assert [len(batch) for batch in running.sample(40, batch=16)] == [16, 16, 8]
        assert torch.equal(first, torch.cat(list(running.sample(40, batch=40))))
        everything = torch.cat(list(running.sample(10_000)))
    assert first.shape == (40, 1, 8, 8)
    assert len(everything) == 1437
    assert all((everything == image).flatten(1).all(1).any() for image in first)
    assert float(everything.mean()) == pytest.approx(0, abs=0.1)
    with opened(tmp_path, dataclasses.replace(JOB, seed=1)) as running:
        assert not torch.equal(first, torch.cat(list(running.sample(40))))


def test_images_that_do_not_fit_are_refused_before_anything_is_trained(tmp_path):
    nine = dataclasses.replace(JOB, geometry=dataclasses.replace(GEOMETRY, classes=9))
    with pytest.raises(BadData, match="set classes = 10"), opened(tmp_path, nine):
        pass


def test_alpha_and_the_ancestor_come_together():
    taught = dataclasses.replace(JOB, ancestor=OWN)
    check_teaching(taught, alpha=0.5)
    check_teaching(JOB, alpha=0.0)
    for job, alpha in ((taught, 0.0), (JOB, 0.5)):
        with pytest.raises(InvalidValue, match="alpha"):
            check_teaching(job, alpha=alpha)


def test_a_network_without_timms_configuration_learns_from_an_ancestor(tmp_path):
    class Bare(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(64, 10)

        def forward(self, x_BCHW):
            return self.inner(x_BCHW.flatten(1))

    with opened(tmp_path, dataclasses.replace(JOB, ancestor=OWN)) as running:
        fitted = running.fit("auxiliary", Bare, teacher=running.ancestor(), alpha=0.5, temperature=2.0)
    assert fitted.n == 360


def test_the_identity_of_a_job_with_images_is_what_it_was_before_images_became_optional():
    flat = identity(dataclasses.replace(JOB, ancestor=OWN))
    assert sorted({key.partition(".")[0] for key in flat}) == sorted(
        ["name", "method", "geometry", "data", "training", "ancestor", "seed", "description"]
    )
    assert (len([k for k in flat if k.startswith("data.")]), flat["data.train"]) == (14, "digits:train")
