"""What an evaluation found, as a page and as JSON: the same bytes for the same measurements."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from learngenes.budget.curves import TOP1, Estimate, measured
from learngenes.evaluation.job import BASE_RATE, BASE_WIDTH, RATE_BATCH, SMALL_RATE, EvaluationJob
from learngenes.evaluation.run import Evaluated, Measured, quality
from learngenes.families import architectures
from learngenes.gene import Manifest, Quality
from learngenes.preparation import called
from learngenes.sizes import Size


@dataclass(frozen=True, slots=True)
class Row:
    """A size: its cost, its accuracies by epochs of tuning, and its latency."""

    size: Size
    params: int
    macs: int
    top1: dict[int, Estimate]
    latency_ms: Estimate | None


def rows(evaluated: Evaluated) -> list[Row]:
    """The sizes in order of width, then depth."""
    by_size: dict[Size, list[Measured]] = {}
    for one in evaluated.measured:
        by_size.setdefault(Size(one.cell.depth, one.cell.width), []).append(one)
    made = []
    for size in sorted(by_size, key=lambda size: (size.width, size.depth)):
        entries = [(one.cell, quality(one.cell, one.result, "")) for one in by_size[size] if one.result is not None]
        top1: dict[int, list[Quality]] = {}
        for cell, entry in entries:
            if cell.metric == TOP1:
                top1.setdefault(cell.epochs, []).append(entry)
        speeds = [entry for cell, entry in entries if cell.metric != TOP1]
        geometry = by_size[size][0].cell.recipe.geometry
        made.append(
            Row(
                size,
                architectures.parameters(geometry),
                architectures.macs(geometry),
                {epochs: measured(top1[epochs]) for epochs in sorted(top1)},
                measured(speeds) if speeds else None,
            )
        )
    return made


def as_json(job: EvaluationJob, manifest: Manifest, evaluated: Evaluated, *, command: str) -> bytes:
    """Everything of the page, and every measurement by itself."""
    table: dict[str, Any] = {
        "learngene": manifest.reference,
        "weights": manifest.weights.sha256,
        "command": command,
        "job": asdict(job),
        "hardware": _hardware(evaluated),
        "versions": _versions(evaluated),
        "rows": [asdict(row) for row in rows(evaluated)],
        "measurements": [asdict(entry) for entry in evaluated.quality(command)],
        "missing": [{"cell": one.cell.name, "reason": one.failed} for one in _missing(evaluated)],
    }
    return json.dumps(table, indent=1, sort_keys=True, allow_nan=False).encode() + b"\n"


def page(job: EvaluationJob, manifest: Manifest, evaluated: Evaluated, *, name: str, command: str) -> str:
    """The table in Markdown, with all that is needed to read it and to make it again. name: of the files."""
    made = rows(evaluated)
    dataset, split = called(job.test)
    first = next((one for one in evaluated.measured if one.cell.metric == TOP1 and one.result is not None), None)
    images = "" if first is None or first.result is None else f"the {first.result.n:,} images of "
    lines = [
        f"# {manifest.name} at {len(made)} sizes",
        "",
        f"Learngene `{manifest.reference}` ({manifest.method}). Top-1 on {images}{dataset} {split}, "
        f"{_precision(job)}; in brackets the 95 % interval.",
        "",
        *_table(made, job),
        "",
        f"![accuracy over size]({name}.svg)",
        "",
        *_notes(job, manifest, evaluated),
        "",
        f"Measured on {', '.join(_hardware(evaluated)) or 'nothing yet'}. Every number is in",
        f"[{name}.json]({name}.json). Command:",
        "",
        "```",
        command,
        "```",
    ]
    return "\n".join(lines) + "\n"


def _table(made: Sequence[Row], job: EvaluationJob) -> list[str]:
    epochs = sorted(job.epochs)
    heads = ["depth", "width", "parameters", "multiply-adds", *(_tuned(k) for k in epochs)]
    heads += ["latency, one image"] if job.latency else []
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for row in made:
        cells = [str(row.size.depth), str(row.size.width), f"{row.params:,}", f"{row.macs:,}"]
        cells += [_share(row.top1.get(k)) for k in epochs]
        if job.latency:
            cells.append("not measured" if row.latency_ms is None else f"{row.latency_ms.value:.2f} ms")
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _notes(job: EvaluationJob, manifest: Manifest, evaluated: Evaluated) -> list[str]:
    seeds = ", ".join(map(str, job.seeds))
    lines = [
        f"Seeds: {seeds}. Where seeds differ the value is their mean and the interval Student's over them; it says how "
        "much a seed matters, not how well these images stand for others. One measurement, and untuned descendants in "
        "which nothing is drawn, have Wilson's interval for the number of images."
    ]
    if tuned := [k for k in job.epochs if k]:
        training = job.tuning(tuned[0], width=manifest.geometry.width, fused_attention=False)
        lines += [
            "",
            f"Tuning: AdamW, batch {training.batch}, learning rate {training.learning_rate:.3g} at width "
            f"{manifest.geometry.width}, cosine to {training.min_lr:.3g}, warm-up of "
            f"{training.warmup_epochs:g} epochs, weight decay {training.weight_decay:g}, no distillation, on "
            f"{job.train}. ",
        ]
        if "learning_rate" not in job.training:
            lines[-1] += (
                f"The rate is the SWS authors', {SMALL_RATE:g} below width {BASE_WIDTH} and {BASE_RATE:g} from there "
                f"on for batches of {RATE_BATCH}, scaled by batch / {RATE_BATCH} as their code does; they tune on "
                "ImageNet."
            )
        lines[-1] = lines[-1].rstrip()
    missing = _missing(evaluated)
    if missing:
        lines += ["", f"Not measured: {len(missing)} of {len(evaluated.measured)} cells."]
        lines += [f"- {one.cell.name}: {one.failed or 'not come to'}" for one in missing]
    return lines


def _missing(evaluated: Evaluated) -> list[Measured]:
    return [one for one in evaluated.measured if one.result is None]


def _hardware(evaluated: Evaluated) -> list[str]:
    return _distinct(one.result.hardware for one in evaluated.measured if one.result is not None)


def _versions(evaluated: Evaluated) -> list[dict[str, str]]:
    found = _distinct(json.dumps(one.result.versions, sort_keys=True) for one in evaluated.measured if one.result)
    return [json.loads(text) for text in found]


def _distinct(texts: Iterable[str]) -> list[str]:
    return sorted(set(texts))


def _tuned(epochs: int) -> str:
    return "untuned" if not epochs else f"after {epochs} epoch{'' if epochs == 1 else 's'}"


def _precision(job: EvaluationJob) -> str:
    return "float32" if job.precision == "float32" else "bfloat16 autocast"


def _share(estimate: Estimate | None) -> str:
    if estimate is None or estimate.value is None or estimate.low is None or estimate.high is None:
        return "not measured"
    return f"{100 * estimate.value:.2f} % ({100 * estimate.low:.2f} to {100 * estimate.high:.2f})"
