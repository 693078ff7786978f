"""Several ranks under torchrun: they go on from one, are killed, and one goes on from them."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
from cases import jobs
from safetensors.numpy import load_file

from learngenes import spec
from learngenes.catalog import Catalog
from learngenes.job import Stopped
from learngenes.perform.job import perform
from learngenes.perform.workplace import Outcome, Workplace
from learngenes.store.local import LocalStore
from learngenes.training.events import reporting

JOB = jobs.learn(epochs=12, training={"mixup": 0.8, "cutmix": 1.0, "checkpoint_minutes": 0, "learning_rate": 3e-4})
"""60 steps, each of which leaves a checkpoint."""

CLOSE = {"rtol": 1e-5, "atol": 1e-6}
"""Two ranks add up gradients in another order than one: rounding of float32."""

pytestmark = pytest.mark.slow


def alone(place: Path, *, stop_at: int = 10**9) -> Outcome | Stopped | None:
    """The job in this process, stopped with the step after this one."""
    (place / "run").mkdir(parents=True, exist_ok=True)
    wanted = spec.from_json(jobs.write(JOB, place).read_bytes())
    with reporting(place / "run" / "events.jsonl") as report:
        return perform(
            wanted,
            Workplace(
                run=place / "run",
                data=place,
                store=str(place / "store"),
                catalog=Catalog(LocalStore(place / "store")),
                command="",
                report=report,
                stop=lambda: bool(losses := losses_of(place)) and max(losses) >= stop_at,
                job=spec.identify(wanted),
            ),
        )


def losses_of(place: Path) -> dict[int, float]:
    """The loss of each step; of one that was done again, the last."""
    return {event["step"]: event["loss"] for event in jobs.events(place) if event["event"] == "step"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The job by one rank without a pause."""
    place = tmp_path_factory.mktemp("whole")
    assert alone(place) == Outcome(("toy@1",))
    return place


def assert_alike(place: Path, whole: Path) -> None:
    """The same losses, weights and accuracy, to rounding."""
    ours, theirs = losses_of(place), losses_of(whole)
    assert list(ours) == list(theirs) == list(range(1, 61))
    np.testing.assert_allclose(list(ours.values()), list(theirs.values()), **CLOSE)
    learned, wanted = (load_file(folder / "run" / "learned.safetensors") for folder in (place, whole))
    assert learned.keys() == wanted.keys()
    for name, tensor in wanted.items():
        np.testing.assert_allclose(learned[name], tensor, **CLOSE, err_msg=name)
    accuracies = [Catalog(LocalStore(folder / "store")).get("toy@1").training["accuracy"] for folder in (place, whole)]
    assert abs(accuracies[0] - accuracies[1]) <= 2 / 360


def ranks(place: Path) -> list[int]:
    """Process ids of all that work in the place, torchrun's own included."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if str(place).encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def test_a_job_goes_on_with_another_number_of_ranks_after_a_pause_and_a_kill(whole: Path, tmp_path: Path) -> None:
    assert alone(tmp_path, stop_at=14) == Stopped("auxiliary", 15, 60)

    killed = jobs.start(JOB, tmp_path, ranks=2, LEARNGENES_PARENT=str(os.getpid()))
    assert jobs.wait_for("start", tmp_path, killed, after=len(jobs.events(tmp_path)))["step"] == 15
    jobs.wait_for("checkpoint", tmp_path, killed, after=len(jobs.events(tmp_path)))
    assert len(ranks(tmp_path)) == 3
    killed.kill()
    killed.wait()
    limit = time.monotonic() + 1
    while left := ranks(tmp_path):
        assert time.monotonic() < limit, f"ranks {left} outlived torchrun by a second"
        time.sleep(0.02)
    assert jobs.finish(killed, tmp_path)[1] is None

    assert alone(tmp_path) == Outcome(("toy@1",))
    assert_alike(tmp_path, whole)
