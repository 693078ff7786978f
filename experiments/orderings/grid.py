"""One seed: its learngenes, learned when they are first needed, and its measurements, each kept at once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from experiments.orderings.setting import (
    DATA,
    DEPTHS,
    FIT,
    GEOMETRY,
    HALF,
    HALVES,
    TRAINING,
    TUNING,
    TUNING_IMAGES,
    UNTUNED,
    WAVE_SIZES,
    learnings,
)
from learngenes.catalog import Catalog
from learngenes.families.vit import Geometry
from learngenes.fit_job import FitJob
from learngenes.gene import Manifest
from learngenes.initialize import Request, initialize
from learngenes.job import Learned, LearnJob
from learngenes.learners import FITTERS, LEARNERS
from learngenes.publish import publish, publish_fitted
from learngenes.quality import load
from learngenes.store.local import LocalStore
from learngenes.training.augment import Normalise, TestBatches, seed_process
from learngenes.training.data import ImageSet, Slice, open_images
from learngenes.training.device import Place
from learngenes.training.evaluate import accuracy
from learngenes.training.loop import Fitted, Phase, fit
from learngenes.training.losses import Supervised
from learngenes.training.vit import choose_attention, describe_input, network


@dataclass(frozen=True, slots=True)
class Grid:
    """One seed's learngenes and measurements, in a directory of its own."""

    seed: int
    data: Path
    run: Path
    catalog: Catalog
    found: dict[str, Any]
    train: ImageSet
    test: ImageSet

    def keep(self, name: str, make: Callable[[], dict[str, Any]]) -> None:
        """Fill in one measurement unless it is there; it is on disk before the next begins."""
        if name in self.found:
            return
        began = time.monotonic()
        made = make()
        self.found[name] = made | {"seconds": round(time.monotonic() - began, 1)}
        part = self.run / "found.part"
        part.write_text(json.dumps(self.found, indent=1), "utf-8")
        part.replace(self.run / "found.json")
        print(f"seed {self.seed}: {name}: {made.get('top1', '')}", flush=True)

    def learngene(self, name: str) -> Manifest:
        """A learngene of this seed, learned and published the first time."""
        if not self.catalog.versions(name):
            method, geometry, options, ancestor = learnings(self.run)[name]
            needs_training = method not in ("selection", "subcloning", "vanilla_lg")
            job = LearnJob(
                name=name,
                method=method,
                geometry=geometry,
                data=DATA,
                training=TRAINING if needs_training else None,
                ancestor=ancestor,
                options=options,
                seed=self.seed,
            )
            run = self.run / name
            run.mkdir(parents=True, exist_ok=True)
            learned = LEARNERS[method](job, run=run, data=self.data, report=self.report, stop=lambda: False)
            assert isinstance(learned, Learned)
            publish(job, learned, catalog=self.catalog)
        return self.catalog.get(name)

    def report(self, event: dict[str, Any]) -> None:
        """Say how epochs went."""
        if event["event"] == "epoch":
            print(f"seed {self.seed}: {event}", flush=True)

    def model(self, manifest: Manifest, request: Request) -> torch.nn.Module:
        """The descendant as it would be served."""
        return load(initialize(manifest, request), self.catalog.tensors(manifest))

    def top1(self, model: torch.nn.Module) -> dict[str, Any]:
        """Accuracy on all test images."""
        batches = TestBatches(self.test, options=DATA, geometry=GEOMETRY)
        shown = (batches[i] for i in range(len(batches)))
        correct, n = accuracy(model, shown, normalise=Normalise(DATA), precision="bfloat16")
        return {"top1": correct / n, "n": n}

    def untuned(self, name: str, request: Request) -> dict[str, Any]:
        """Accuracy of a descendant as initialized."""
        return self.top1(self.model(self.learngene(name), request))

    def tuned(self, start: str, make: Callable[[], torch.nn.Module], geometry: Geometry) -> dict[str, Any]:
        """Accuracy before and after every epoch of TUNING on the first TUNING_IMAGES training images."""
        seed_process(self.seed, 11)
        model = make()
        before = self.top1(model)["top1"]
        describe_input(model, mean=DATA.mean, std=DATA.std)
        choose_attention(model, fused=False)
        curve: list[float] = []
        phase = Phase(
            name=start,
            task=Supervised(model, label_smoothing=0.0, precision=TUNING.precision, device=torch.device("cpu")),
            model=model,
            training=TUNING,
            data=DATA,
            geometry=geometry,
            train=Slice(self.train, range(TUNING_IMAGES)),
            test=self.test,
            seed=self.seed,
            identity={"experiment": "orderings", "start": start},
            checkpoint=self.run / f"tuned-{start.replace(' ', '-').replace(',', '')}.safetensors",
        )

        def report(event: dict[str, Any]) -> None:
            if event["event"] == "epoch":
                curve.append(event["accuracy"])

        fitted = fit(phase, place=Place(0, 1, torch.device("cpu")), report=report, stop=lambda: False)
        assert isinstance(fitted, Fitted)
        phase.checkpoint.unlink(missing_ok=True)
        return {"top1": fitted.correct / fitted.n, "n": fitted.n, "untuned": before, "curve": curve}

    def fitted(self, depth: int, width: int, *, init: str) -> Manifest:
        """WAVE's child learngene of a size, fitted from one kind of scalers."""
        parent = self.learngene("wave")
        job = FitJob("wave", depth, width, DATA, options={"init": init}, seed=self.seed, **FIT)  # type: ignore[arg-type]
        run = self.run / f"fit-{init}-{depth}x{width}"
        run.mkdir(parents=True, exist_ok=True)
        tensors = self.catalog.tensors(parent)
        learned = FITTERS["wave"](job, parent, tensors, run=run, data=self.data, report=self.report, stop=lambda: False)
        assert isinstance(learned, Learned)
        return publish_fitted(job, parent, learned, catalog=self.catalog)


def measure(seed: int, data: Path, run: Path) -> None:
    """All of one seed; in a process of its own, with one thread."""
    torch.set_num_threads(1)
    here = run / f"seed-{seed}"
    here.mkdir(parents=True, exist_ok=True)
    kept = here / "found.json"
    grid = Grid(
        seed,
        data,
        here,
        Catalog(LocalStore(here / "store")),
        json.loads(kept.read_text("utf-8")) if kept.exists() else {},
        open_images(DATA.train, data=data),
        open_images(DATA.test, data=data),
    )
    for name, make in measurements(grid):
        grid.keep(name, make)


def measurements(grid: Grid) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """Every cell of the tables: its name, and how it is measured."""
    grid.learngene("sws")
    grid.learngene("full")
    for depth in DEPTHS:
        for row, (name, options) in UNTUNED.items():
            request = Request(depth=depth, seed=grid.seed, options=options)
            yield f"untuned/{row}/{depth}", partial(grid.untuned, name, request)
    geometry = replace(GEOMETRY, width=HALF, heads=GEOMETRY.heads // 2)
    yield "half/scratch", partial(grid.tuned, "scratch", partial(network, geometry), geometry)
    for start, (name, options) in HALVES.items():
        request = Request(width=HALF, seed=grid.seed, options=options)

        def make(name: str = name, request: Request = request) -> torch.nn.Module:
            return grid.model(grid.learngene(name), request)

        yield f"half/{start}", partial(grid.tuned, start, make, geometry)
    for depth, width in WAVE_SIZES:
        for scalers in ("random", "onehot", "interp"):
            request = Request(depth=depth, width=width, seed=grid.seed, options={"scalers": scalers})
            yield f"wave/{depth}x{width}/{scalers}", partial(grid.untuned, "wave", request)
        for init in ("random", "interp"):

            def fit_it(depth: int = depth, width: int = width, init: str = init) -> dict[str, Any]:
                return grid.top1(grid.model(grid.fitted(depth, width, init=init), Request()))

            yield f"wave/{depth}x{width}/fitted from {init}", fit_it
