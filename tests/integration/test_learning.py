"""Whole learning runs on scikit-learn's digits with a network of 32 dimensions."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from learngenes.__main__ import main
from learngenes.errors import BadCheckpoint, BadData, InvalidValue, UnknownName
from learngenes.families.vit import Geometry
from learngenes.job import AncestorOptions, DataOptions, Learned, LearnJob, Stopped, TrainingOptions
from learngenes.methods.sws import learn as sws
from learngenes.training import vit

GEOMETRY = Geometry(depth=4, width=32, heads=2, patch=4, image=8, classes=10, channels=1)
DATA = DataOptions(
    train="digits:train", test="digits:test", mean=(0.3,), std=(0.38,), augment="light", padding=1, flip=0.0
)
TRAINING = TrainingOptions(
    epochs=2,
    batch=256,
    learning_rate=1e-3,
    warmup_epochs=0.5,
    clip_grad=1.0,
    drop_path=0.1,
    ema_decay=0.9,
    mixup=0.2,
    cutmix=0.2,
    report_seconds=0,
)
ANCESTOR = AncestorOptions(
    architecture="vit_tiny_patch16_224",
    arguments={"img_size": 8, "patch_size": 4, "depth": 1, "embed_dim": 32, "num_heads": 2},
    training=TrainingOptions(epochs=1, batch=256, learning_rate=1e-3, report_seconds=0),
)
JOB = LearnJob(
    name="toy",
    method="sws",
    geometry=GEOMETRY,
    data=DATA,
    training=TRAINING,
    ancestor=ANCESTOR,
    options={"stages": [1, 2, 1], "alpha": 0.7, "temperature": 2.0},
)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def run_job(job, run, *, stops=(), data=Path("none")):
    """Run to the end, asking to stop after these steps on the way; returns the outcome and loss by (phase, step)."""
    run.mkdir(exist_ok=True)
    losses, waiting = {}, list(stops)
    while True:
        seen = 0

        def report(event):
            if event["event"] == "step":
                losses[event["phase"], event["step"]] = event["loss"]

        def stop():
            nonlocal seen
            seen += 1
            return bool(waiting) and seen >= waiting[0]

        outcome = sws.learn(job, run=run, data=data, report=report, stop=stop)
        if isinstance(outcome, Learned):
            return outcome, losses
        waiting.pop(0)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    torch.set_num_threads(1)
    return run_job(JOB, tmp_path_factory.mktemp("whole"))


def test_a_run_interrupted_in_every_phase_gives_the_losses_and_tensors_of_an_uninterrupted_one(uninterrupted, tmp_path):
    # The ancestor has 5 steps, the auxiliary network two epochs of 5: stops fall inside and at the end of epochs.
    outcome, losses = run_job(JOB, tmp_path / "run", stops=[2, 6, 2, 4])
    whole, whole_losses = uninterrupted
    assert len(whole_losses) == 15
    assert losses == whole_losses
    assert all(np.array_equal(outcome.tensors[name], tensor) for name, tensor in whole.tensors.items())


def test_the_record_says_what_was_done(uninterrupted):
    record = uninterrupted[0].record
    assert record["classes"] == list("0123456789")
    assert (record["steps"], record["epochs"], record["train_n"], record["accuracy_n"]) == (10, 2, 1437, 360)
    assert 0 <= record["accuracy"] <= 1
    assert record["ancestor"]["steps"] == 5
    assert json.loads(json.dumps(dict(record))) == record


def test_learned_tensors_are_those_of_the_geometry(uninterrupted):
    tensors = uninterrupted[0].tensors
    assert {name: t.shape for name, t in tensors.items()} == vit.stage_shapes(GEOMETRY, (1, 2, 1))
    assert {t.dtype for t in tensors.values()} == {np.dtype(np.float32)}


def test_a_checkpoint_of_another_job_is_refused_naming_the_difference(tmp_path):
    outcome = sws.learn(JOB, run=tmp_path, data=tmp_path, report=print_nothing, stop=lambda: True)
    assert outcome == Stopped("ancestor", 1, 5)
    other = dataclasses.replace(JOB, data=dataclasses.replace(DATA, padding=2))
    with pytest.raises(BadCheckpoint, match=r"data\.padding was 1 and is now 2"):
        run_job(other, tmp_path)
    (tmp_path / "ancestor.safetensors").write_bytes(b"\x00" * 20)
    with pytest.raises(BadCheckpoint, match="can't be read"):
        run_job(JOB, tmp_path)


def test_the_number_of_workers_changes_neither_job_nor_losses(uninterrupted, tmp_path):
    job = dataclasses.replace(JOB, training=dataclasses.replace(TRAINING, workers=1))
    _, losses = run_job(job, tmp_path / "run", stops=[7])
    assert losses == uninterrupted[1]


def test_contradicting_options_are_refused_before_anything_is_loaded(tmp_path):
    for change, message in (
        ({"ancestor": None}, "alpha 0.7 weighs an ancestor and there is none"),
        ({"options": {"stages": [1, 2, 1], "alpha": 0.0}}, "alpha 0 leaves the ancestor without a part"),
        ({"options": {"stages": [1, 2, 2]}}, "sum to 5"),
        ({"options": {"stages": [1, 2, 1], "alfa": 1.0}}, "did you mean 'alpha'"),
    ):
        with pytest.raises(InvalidValue, match=message):
            run_job(dataclasses.replace(JOB, **change), tmp_path)


def test_an_ancestor_of_other_classes_is_refused(tmp_path):
    outcome = sws.learn(JOB, run=tmp_path, data=tmp_path, report=print_nothing, stop=lambda: True)
    assert isinstance(outcome, Stopped)
    ten = dataclasses.replace(ANCESTOR, training=None, checkpoint="ancestor.safetensors")
    run_job(quick(ancestor=ten), tmp_path, data=tmp_path)
    from learngenes.training import ancestor

    job = dataclasses.replace(JOB, geometry=dataclasses.replace(GEOMETRY, classes=7))
    model = ancestor.create(ten, job)
    with pytest.raises(BadCheckpoint, match="knows 10 classes and the geometry has 7"):
        ancestor.load_weights(model, tmp_path / "ancestor.safetensors", classes=7)
    published = dataclasses.replace(ANCESTOR, architecture="levit_384", training=None, pretrained=True)
    with pytest.raises(InvalidValue, match="know 1000 classes and the geometry has 10"):
        ancestor.create(published, JOB)
    with pytest.raises(UnknownName, match="did you mean 'levit_384'"):
        ancestor.create(dataclasses.replace(ANCESTOR, architecture="levit_385"), JOB)


def test_images_of_other_classes_than_the_geometry_are_refused(tmp_path):
    job = dataclasses.replace(JOB, geometry=dataclasses.replace(GEOMETRY, classes=9))
    with pytest.raises(BadData, match="10 classes and the geometry 9; set classes = 10"):
        run_job(job, tmp_path)


def test_the_command_learns_stops_on_a_signal_and_continues(tmp_path, capsys):
    config = tmp_path / "job.toml"
    config.write_text(TOML)
    command = [sys.executable, "-m", "learngenes", "learn", str(config), "--run", str(tmp_path / "run")]
    process = subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True)
    wait_for_step(tmp_path / "run" / "events.jsonl", process)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "continue with" in errors
    shortened = config.read_text().replace("epochs = 5000", "epochs = 1")
    config.write_text(shortened)
    assert main(command[3:]) == 2
    assert "training.epochs was 5000 and is now 1" in capsys.readouterr().err


TOML = """
name = "toy"
method = "sws"
options = {stages = [1, 1], alpha = 0.0}
geometry = {depth = 2, width = 32, heads = 2, patch = 4, image = 8, classes = 10, channels = 1}
[data]
train = "digits:train"
test = "digits:test"
mean = [0.3]
std = [0.38]
augment = "light"
padding = 1
[training]
epochs = 5000
batch = 256
learning_rate = 1e-3
report_seconds = 0
"""


def quick(**changes):
    return dataclasses.replace(JOB, training=dataclasses.replace(TRAINING, epochs=1, warmup_epochs=0.0), **changes)


def print_nothing(event):
    pass


def environment():
    root = str(Path(__file__).parents[2])
    return {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def wait_for_step(events, process, seconds=60):
    limit = time.monotonic() + seconds
    while time.monotonic() < limit and process.poll() is None:
        if events.exists() and '"step", ' in events.read_text():
            return
        time.sleep(0.05)
    raise AssertionError(process.communicate()[1])
