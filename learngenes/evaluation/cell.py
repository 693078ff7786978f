"""One measurement: the descendant built as it would be served, tuned if that is asked, shown every test image."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import timm
import torch
from torch import nn

from learngenes.budget.curves import LATENCY_MS
from learngenes.catalog import Catalog
from learngenes.evaluation.curve import Curve
from learngenes.evaluation.grid import LATENCY_PASSES, Cell, Result
from learngenes.families.vit import Geometry
from learngenes.job import Report, Stopped
from learngenes.quality import load
from learngenes.training.augment import Normalise, TestBatches, seed_process
from learngenes.training.data import ImageSet, open_images
from learngenes.training.device import Place, autocast, hardware
from learngenes.training.evaluate import accuracy
from learngenes.training.loop import Phase, fit
from learngenes.training.losses import Supervised
from learngenes.training.session import label_smoothing
from learngenes.training.vit import choose_attention, describe_input


@dataclass(frozen=True, slots=True)
class Bench:
    """Where cells are measured. catalog: of the learngene; run: where checkpoints lie.

    Images are opened once, and test images prepared once for all cells that see them alike.
    """

    catalog: Catalog
    data: Path
    run: Path
    place: Place
    _images: dict[str, ImageSet] = field(default_factory=dict)
    _shown: dict[tuple[object, ...], TestBatches] = field(default_factory=dict)

    def measure(self, cell: Cell, *, report: Report, stop: Callable[[], bool]) -> Result | Stopped:
        """The cell's result; an interrupted tuning goes on from its checkpoint."""
        manifest = self.catalog.get(cell.learngene)
        drop_path = 0.0 if cell.training is None else cell.training.drop_path
        model = load(cell.recipe, self.catalog.tensors(manifest), drop_path=drop_path)
        geometry = replace(manifest.geometry, classes=cell.recipe.geometry.classes)
        if cell.metric == LATENCY_MS:
            return self._result(self._latency(cell, model, geometry), LATENCY_PASSES)
        if cell.training is not None:
            return self._tuned(cell, model, geometry, report=report, stop=stop)
        batches = self._test_batches(cell, geometry)
        normalise = Normalise(cell.data).to(self.place.device)
        shown = (batches[i] for i in range(len(batches)))
        correct, n = accuracy(model.to(self.place.device), shown, normalise=normalise, precision=cell.precision)
        return self._result(correct / n, n)

    def _tuned(
        self, cell: Cell, model: nn.Module, geometry: Geometry, *, report: Report, stop: Callable[[], bool]
    ) -> Result | Stopped:
        """Accuracy after the cell's training. The checkpoint is deleted by whoever keeps the result."""
        training = cell.training
        assert training is not None
        seed_process(cell.seed)
        describe_input(model, mean=cell.data.mean, std=cell.data.std)
        choose_attention(model, fused=training.fused_attention)
        device = self.place.device
        phase = Phase(
            name="tuning",
            task=Supervised(
                model, label_smoothing=label_smoothing(training), precision=training.precision, device=device
            ),
            model=model,
            training=training,
            data=cell.data,
            geometry=geometry,
            train=self.opened(cell.data.train),
            test=self.opened(cell.data.test),
            seed=cell.seed,
            identity=cell.key,
            checkpoint=checkpoint(self.run, cell),
        )
        curve = Curve(phase.checkpoint)
        fitted = fit(phase, place=self.place, report=curve.listening(report), stop=stop)
        if isinstance(fitted, Stopped):
            return fitted
        return self._result(fitted.correct / fitted.n, fitted.n, steps=fitted.steps, curve=curve.values())

    def _latency(self, cell: Cell, model: nn.Module, geometry: Geometry) -> float:
        """Median milliseconds of a forward pass of one image that is noise, with timm's choice of attention kernel."""
        device = self.place.device
        choose_attention(model, fused=True)
        model = model.to(device)
        side = geometry.image
        generator = torch.Generator().manual_seed(0)
        x_BCHW = torch.rand(1, geometry.channels, side, side, generator=generator).to(device)
        spent = []
        with torch.inference_mode(), autocast(device, cell.precision):
            for _ in range(2 * LATENCY_PASSES):
                began = time.perf_counter()
                model(x_BCHW)
                if device.type == "cuda":
                    torch.cuda.synchronize(device)
                spent.append(1000 * (time.perf_counter() - began))
        return round(statistics.median(spent[LATENCY_PASSES:]), 4)

    def _result(self, value: float, n: int, *, steps: int = 0, curve: tuple[float, ...] = ()) -> Result:
        versions = {"torch": torch.__version__, "timm": timm.__version__, "python": platform.python_version()}
        return Result(value, n, steps, hardware(self.place), versions, curve)

    def _test_batches(self, cell: Cell, geometry: Geometry) -> TestBatches:
        key = (cell.data.test, cell.data.augment, cell.data.input, geometry.image, geometry.channels)
        if key not in self._shown:
            self._shown[key] = TestBatches(self.opened(cell.data.test), options=cell.data, geometry=geometry)
        return self._shown[key]

    def opened(self, source: str) -> ImageSet:
        """The images of a source."""
        if source not in self._images:
            self._images[source] = open_images(source, data=self.data)
        return self._images[source]


def checkpoint(run: Path, cell: Cell) -> Path:
    """Where the state of a cell's tuning lies."""
    return run / "checkpoints" / f"{cell.name}.safetensors"


def forget(run: Path, cell: Cell) -> None:
    """Delete the state of a cell's tuning: its result is kept."""
    path = checkpoint(run, cell)
    path.unlink(missing_ok=True)
    Curve(path).forget()
