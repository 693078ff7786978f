"""`python -m bench`: one run, a table of ratios, docs/results/streaming.md and .json."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path

from bench import facts, network, report
from bench.findings import Section
from bench.measure import delivery, first_byte, leaving, memory, reconstruction, starting, throughput
from bench.servers import ROOT, Place
from bench.setup import FULL, QUICK, Effort, running

_RESULTS = ROOT / "docs" / "results"
_MEASURES = {
    "throughput": throughput.measure,
    "first-byte": first_byte.measure,
    "memory": memory.measure,
    "leaving": leaving.measure,
    "starting": starting.measure,
    "reconstruction": reconstruction.measure,
    "delivery": delivery.measure,
}
_DESCRIPTION = """\
Measure the service that streams descendants, as ratios to nginx sendfile, Starlette's FileResponse and
StreamingResponse, and an app that builds with timm. Takes about four minutes and 700 MB in the temporary directory.

Needs Linux and `pip install -e '.[bench]' -e service`. With nginx on PATH its lines are measured, else left out.
As root everything runs in a private network namespace with reno; otherwise on the machine's own loopback, and the page
says so. Pairs of samples taken while other processes use more than a quarter of a core, or while the host
keeps our cores far apart, are dropped, unless too few would be left.
"""


def main() -> int:
    """Exit code 0 also if a goal is not met: that is a result."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a rehearsal of about a minute; writes only with --out")
    parser.add_argument("--only", choices=_MEASURES, action="append", help="this part alone; writes only with --out")
    parser.add_argument("--out", type=Path, help="folder for streaming.md and .json (default: docs/results)")
    arguments = parser.parse_args()
    # So that the servers are ended however this is.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    names = [name for name in _MEASURES if not arguments.only or name in arguments.only]
    sections, known = run(QUICK if arguments.quick else FULL, names)
    print(report.text(sections, known))
    folder: Path | None = arguments.out or (None if arguments.quick or arguments.only else _RESULTS)
    if folder is not None:
        command = " ".join(["python -m bench", *sys.argv[1:]])
        for path in report.write(folder, sections, known, command=command):
            print(f"written: {path}")
    print(f"\n{report.goals(sections)}")
    return 0


def run(effort: Effort, names: list[str]) -> tuple[list[Section], dict[str, str]]:
    """The sections of these measures, and the facts they depend on."""
    start = time.monotonic()
    known_network = network.isolate()
    sections = []
    with tempfile.TemporaryDirectory(prefix="learngenes-bench-") as folder:
        place = Place(Path(folder) / "data", Path(folder) / "files", Path(folder) / "logs")
        place.files.mkdir()
        place.logs.mkdir()
        known = facts.facts(place.files, network=known_network)
        load = facts.load()
        with running(effort, place) as setup:
            for name in names:
                _say(f"{name} ... ({time.monotonic() - start:.0f} s so far)")
                sections.append(_MEASURES[name](setup))
    known["load before"] = f"{load:.1f} processes wanted a core in the minute before"
    _say(f"done in {time.monotonic() - start:.0f} s")
    return sections, known


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
