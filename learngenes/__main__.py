"""The command line: `learngenes learn | plan | build | evaluate | fetch | serve`."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

from learngenes import config, recipe, tensorfile
from learngenes.arguments import numbers, parser
from learngenes.catalog import Catalog, starter
from learngenes.descendant import document, timm_config
from learngenes.errors import InvalidValue, LearngenesError, UnknownName
from learngenes.gene import Manifest, Quality
from learngenes.initialize import Request, initialize
from learngenes.job import Learned, LearnJob, Stopped
from learngenes.publish import publish
from learngenes.recipe import Recipe
from learngenes.store.local import LocalStore
from learngenes.stream import assemble, stream
from learngenes.tensorfile import TensorFile
from learngenes.zoo import METHODS, Method

STOPPED = 130
"""Exit status of a run that was asked to stop and can be continued."""

HANDED_OVER = {
    "fetch": ("learngenes_client", "learngenes-client", ["fetch"]),
    "serve": ("learngenes_service", "learngenes-service", []),
}
"""Commands of the other two distributions: module, distribution, arguments. They are run, never imported."""

COMMANDS = ("learn", "plan", "build", "evaluate")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status: 0, 2 for what can't be, 130 for a run that was stopped."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if words and words[0] in HANDED_OVER:
            return _hand_over(words[0], words[1:])
        chosen = parser({"learn": learn, "plan": plan, "build": build, "evaluate": evaluate}).parse_args(words)
        run: Callable[[argparse.Namespace], int] = chosen.run_command
        return run(chosen)
    except (LearngenesError, OSError) as error:
        print(f"learngenes: {error}", file=sys.stderr)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "learngenes":
            raise
        print(f"learngenes: {words[0]} needs {error.name}: pip install 'learngenes[train]'", file=sys.stderr)
    return 2


def learn(chosen: argparse.Namespace) -> int:
    """Learn as a TOML file says, or go on with what lies in the run directory; then publish if a store is given."""
    job = config.load(chosen.config, LearnJob)
    depths = numbers(chosen.measure) if chosen.measure else []
    if depths and chosen.store is None:
        raise InvalidValue("--measure writes into the published manifest: it needs --store as well")
    for depth in depths:
        _method(job).space(job.geometry).check(depth, job.geometry.width, learngene=job.name)
    command = f"learngenes learn {shlex.quote(str(chosen.config))} --run RUN --data DATA --store STORE"
    command += f" --dtype {chosen.dtype}" + (f" --measure {chosen.measure}" if depths else "")
    outcome = _learn(job, run=chosen.run, data=chosen.data)
    if isinstance(outcome, Stopped):
        again = " ".join(shlex.quote(word) for word in sys.argv[1:])
        print(
            f"stopped in {outcome.phase} after step {outcome.step} of {outcome.steps}; "
            f"continue with: learngenes {again}",
            file=sys.stderr,
        )
        return STOPPED
    if outcome is None or chosen.store is None:
        return 0

    def measure(manifest: Manifest, tensors: TensorFile) -> Iterator[Quality]:
        from learngenes import quality
        from learngenes.training.data import open_images

        images = open_images(job.data.test, data=chosen.data)
        return quality.measure(
            manifest,
            tensors,
            depths=depths,
            images=images,
            source=job.data.test,
            command=command,
            precision=job.training.precision,
            options=job.data,
        )

    learned = Learned(outcome.tensors, outcome.facts, {**outcome.record, "command": command})
    catalog = Catalog(LocalStore(chosen.store))
    manifest = publish(job, learned, catalog=catalog, dtype=chosen.dtype, measure=measure if depths else None)
    print(f"published {manifest.reference} in {chosen.store}")
    return 0


def plan(chosen: argparse.Namespace) -> int:
    """Print the document of a descendant: parameters, cost, init report, layer map, lineage."""
    made, manifest, _ = _planned(chosen)
    print(json.dumps({"id": recipe.digest(made), **document(made, manifest)}, indent=2))
    return 0


def build(chosen: argparse.Namespace) -> int:
    """Write a descendant's files: the very bytes that the service streams."""
    made, manifest, catalog = _planned(chosen)
    file = assemble(made, catalog.open(manifest))
    chosen.out.mkdir(parents=True, exist_ok=True)
    part = chosen.out / "model.safetensors.part"
    with part.open("wb") as out:
        out.writelines(stream(file))
    part.replace(chosen.out / "model.safetensors")
    (chosen.out / "config.json").write_bytes(timm_config(made, manifest, id=file.id))
    (chosen.out / "recipe.json").write_bytes(recipe.to_json(made))
    print(f"{chosen.out / 'model.safetensors'}: {file.size} bytes, descendant {file.id}")
    return 0


def evaluate(chosen: argparse.Namespace) -> int:
    """Measure untuned descendants on test images; prints one JSON line each."""
    from learngenes import quality
    from learngenes.training.data import open_images

    catalog, manifest = _learngene(chosen)
    command = (
        f"learngenes evaluate {manifest.reference} --test {chosen.test} --depths {chosen.depths} "
        f"--precision {chosen.precision}"
    )
    for measured in quality.measure(
        manifest,
        catalog.open(manifest),
        depths=numbers(chosen.depths),
        images=open_images(chosen.test, data=chosen.data),
        source=chosen.test,
        command=command,
        precision=chosen.precision,
    ):
        print(json.dumps(asdict(measured)), flush=True)
    return 0


def _learngene(chosen: argparse.Namespace) -> tuple[Catalog, Manifest]:
    catalog = starter() if chosen.store is None else Catalog(LocalStore(chosen.store))
    return catalog, catalog.get(chosen.learngene)


def _planned(chosen: argparse.Namespace) -> tuple[Recipe, Manifest, Catalog]:
    catalog, manifest = _learngene(chosen)
    options: dict[str, Any] = {}
    if chosen.order:
        options["order"] = chosen.order if "-" in chosen.order else numbers(chosen.order)
    if chosen.strategy:
        options["strategy"] = chosen.strategy
    if chosen.layers:
        options["layers"] = numbers(chosen.layers)
    request = Request(
        depth=chosen.depth,
        width=chosen.width,
        num_classes=chosen.num_classes,
        dtype=chosen.dtype,
        seed=chosen.seed,
        options=options,
    )
    return initialize(manifest, request), manifest, catalog


def _method(job: LearnJob) -> Method:
    if job.method not in METHODS:
        raise UnknownName("method", job.method, METHODS)
    return METHODS[job.method]


def _learn(job: LearnJob, *, run: Path, data: Path) -> Learned | Stopped | None:
    """Learn in the run directory; None in the ranks beside the first, which keep nothing."""
    from learngenes.learners import LEARNERS
    from learngenes.training.events import reporting

    _method(job)
    leads = int(os.environ.get("RANK", "0")) == 0
    run.mkdir(parents=True, exist_ok=True)
    signals: list[int] = []

    def ask(number: int, frame: FrameType | None) -> None:
        if signals:  # asked twice: stop now, with the last checkpoint
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        signals.append(number)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with reporting(run / "events.jsonl" if leads else Path(os.devnull)) as report:
            outcome = LEARNERS[job.method](job, run=run, data=data, report=report, stop=lambda: bool(signals))
            if isinstance(outcome, Learned) and leads:
                _keep(outcome, run)
            report({"event": "end", "outcome": "stopped" if isinstance(outcome, Stopped) else "learned"})
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return outcome if leads else None


def _keep(learned: Learned, run: Path) -> None:
    """The tensors, then the record, each whole or not at all."""
    part = run / "learned.part"
    with part.open("wb") as file:
        file.writelines(tensorfile.write(dict(learned.tensors), "F32"))
    part.replace(run / "learned.safetensors")
    part.write_text(json.dumps(dict(learned.record), indent=1, sort_keys=True) + "\n", "utf-8")
    part.replace(run / "record.json")


def _hand_over(command: str, arguments: list[str]) -> int:
    module, distribution, first = HANDED_OVER[command]
    if importlib.util.find_spec(module) is None:
        print(f"learngenes: {command} needs the distribution {distribution}, which is not installed", file=sys.stderr)
        return 2
    os.execv(sys.executable, [sys.executable, "-m", module, *first, *arguments])  # noqa: S606


if __name__ == "__main__":
    sys.exit(main())
