"""The papers' orderings on Fashion-MNIST with a tiny ViT: learngene, recipe, descendant, as in production.

    python -m experiments.orderings --data data --run runs/orderings

Learns every method for each seed, then measures descendants: untuned at depths 6 to 16; at half width after some
epochs on few images; WAVE with scalers fitted and not. One process per seed. What a run directory holds is not done
again. Writes docs/results/orderings.json and, from it alone, orderings.md.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
from pathlib import Path

import torch

from experiments.orderings.grid import measure
from experiments.orderings.page import page
from learngenes.training.device import Place, hardware

RESULTS = Path(__file__).parents[2] / "docs" / "results"


def main() -> int:
    """Measure what is missing for every seed, side by side, then write the page."""
    parser = argparse.ArgumentParser(prog="python -m experiments.orderings", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data"), help="where fashion_mnist/ is")
    parser.add_argument("--run", type=Path, default=Path("runs/orderings"), help="learngenes and measurements")
    parser.add_argument("--seeds", default="0,1", help="such as 0,1,2")
    chosen = parser.parse_args()
    seeds = [int(seed) for seed in chosen.seeds.split(",")]
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=measure, args=(seed, chosen.data, chosen.run)) for seed in seeds]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        return 1
    found = {str(s): json.loads((chosen.run / f"seed-{s}" / "found.json").read_text("utf-8")) for s in seeds}
    place = Place(0, 1, torch.device("cpu"))
    results = {"hardware": f"{len(seeds)} processes, each {hardware(place)}", "seeds": found}
    (RESULTS / "orderings.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    (RESULTS / "orderings.md").write_text(page(results), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
