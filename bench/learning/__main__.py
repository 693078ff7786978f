"""`python -m bench.learning`: our learning step beside a bare one, docs/results/learning-speed.md and .json."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from pathlib import Path
from typing import Any

import timm
import torch

from bench import facts
from bench.learning import cases, page, turns
from bench.learning.peak import peak
from bench.servers import ROOT
from learngenes.training.device import Place, hardware

_RESULTS = ROOT / "docs" / "results"
_DESCRIPTION = """\
Measure how fast learning is, as ratios to a bare loop of torch over the same network: on one core of the processor,
which takes about three minutes, and on a GPU if there is one. Needs Linux and `pip install -e '.[train]'`.
"""


def main() -> int:
    """Exit code 0 also if a goal is not met: that is a result."""
    parser = argparse.ArgumentParser(prog="python -m bench.learning", description=_DESCRIPTION)
    parser.add_argument("--only", choices=("processor", "gpu"), help="this device alone; the other's numbers stay")
    parser.add_argument("--pairs", type=int, default=15, help="pairs of turns for each ratio (default: 15)")
    parser.add_argument("--out", type=Path, default=_RESULTS, help="folder of the results (default: docs/results)")
    arguments = parser.parse_args()
    command = " ".join(["python -m bench.learning", *sys.argv[1:]])
    parts = {}
    # The GPU first: afterwards this process is bound to one core.
    if arguments.only != "processor" and torch.cuda.is_available():
        place = Place(0, 1, torch.device("cuda", 0))
        parts["gpu"] = _part(command, place, cases.on_gpu(pairs=arguments.pairs))
    if arguments.only != "gpu":
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        torch.set_num_threads(1)
        place = Place(0, 1, torch.device("cpu"))
        parts["processor"] = _part(command, place, cases.on_processor(pairs=arguments.pairs))
    print(page.markdown(parts))
    for path in page.write(arguments.out, parts):
        print(f"written: {path}", file=sys.stderr)
    return 0


def _part(command: str, place: Place, compared: list[cases.Case]) -> dict[str, Any]:
    load = facts.load()
    limit = peak(place.device, compared[0].precision)
    outcomes = []
    for case in compared:
        print(f"{case.what} ...", file=sys.stderr, flush=True)
        outcomes.append(page.outcome(case, turns.measure(case, place), limit))
    known = {
        "hardware": hardware(place),
        "kernel": f"{platform.system()} {platform.release()}",
        "packages": f"python {platform.python_version()}, torch {torch.__version__}, timm {timm.__version__}",
        "peak": limit.source,
        "load before": f"{load:.1f} processes wanted a core in the minute before",
    }
    return page.part(command, known, outcomes)


if __name__ == "__main__":
    sys.exit(main())
