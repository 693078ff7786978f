"""Jobs on scikit-learn's digits, small enough for seconds, and the commands that do them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

GEOMETRY = {"depth": 2, "width": 32, "heads": 2, "patch": 4, "image": 8, "classes": 10, "channels": 1}
DATA = {
    "train": "digits:train",
    "test": "digits:test",
    "mean": [0.3],
    "std": [0.38],
    "augment": "light",
    "padding": 1,
    "flip": 0.0,
}


def learn(*, epochs: int = 1, training: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """An SWS learngene `toy` learned without an ancestor: 5 steps an epoch."""
    table = {"epochs": epochs, "batch": 256, "learning_rate": 1e-3, "report_seconds": 0} | (training or {})
    spec = {
        "name": "toy",
        "method": "sws",
        "options": {"stages": [1, 1], "alpha": 0.0},
        "geometry": GEOMETRY,
        "data": DATA,
        "training": table,
    }
    return {"kind": "learn", "spec": spec | more}


LEARN: dict[str, Any] = learn(epochs=3, training={"workers": 2})["spec"]
FIT = {"learngene": "tiny", "depth": 3, "width": 16, "data": DATA}
EVALUATE = {"learngene": "tiny", "test": "digits:test", "depths": [2, 4]}
TOURNAMENT = {
    "depth": 2,
    "width": 16,
    "geometry": GEOMETRY,
    "data": DATA,
    "training": LEARN["training"],
    "ancestor": {"architecture": "vit", "training": LEARN["training"]},
}
TABLES: dict[str, dict[str, Any]] = {"learn": LEARN, "fit-size": FIT, "evaluate": EVALUATE, "tournament": TOURNAMENT}
"""A table of every kind: the learngene `tiny` is that of factories."""


def write(document: dict[str, Any], folder: Path) -> Path:
    """The job's file."""
    path = folder / "job.json"
    path.write_text(json.dumps(document))
    return path


def start(document: dict[str, Any], place: Path, *, ranks: int = 1, **environment: str) -> subprocess.Popen[bytes]:
    """The job at work in place/run, with the store place/store; what it prints goes to place/log."""
    words = ["learngenes", "job", str(write(document, place)), "--run", str(place / "run")]
    words += ["--store", str(place / "store"), "--data", str(place)]
    command = [sys.executable, "-m"]
    if ranks > 1:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command += ["learngenes.guard", sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={ranks}"]
        command += ["--master-addr=127.0.0.1", f"--master-port={port}", "-m", "--"]
    own = {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    with (place / "log").open("ab") as log:
        return subprocess.Popen([*command, *words], env=os.environ | own | environment, stdout=log, stderr=log)


def finish(process: subprocess.Popen[bytes], place: Path) -> tuple[int, Any]:
    """Exit status, and what outcome.json says: None if there is none."""
    status = process.wait(timeout=120)
    path = place / "run" / "outcome.json"
    return status, json.loads(path.read_text()) if path.exists() else None


def events(place: Path) -> list[dict[str, Any]]:
    """All whole lines of the run's events."""
    path = place / "run" / "events.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def wait_for(event: str, place: Path, process: subprocess.Popen[bytes], *, after: int = 0) -> dict[str, Any]:
    """The first such event behind the first `after` ones."""
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        if found := next((one for one in events(place)[after:] if one["event"] == event), None):
            return found
        assert process.poll() is None, (place / "log").read_text()
        time.sleep(0.02)
    raise AssertionError((place / "log").read_text())
