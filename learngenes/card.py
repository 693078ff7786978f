"""README.md of learngenes and descendants: the model card that people read, and the front matter that hubs read.

A card is a pure function of recipe and manifest, like every file of a descendant: no address, no date. It states only
what was measured.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from learngenes.families import architectures
from learngenes.families.architectures import Architecture
from learngenes.families.vit import Geometry
from learngenes.gene import Manifest, Quality
from learngenes.initialize import Request, initialize
from learngenes.preparation import called
from learngenes.recipe import Recipe
from learngenes.report import KINDS, init_report
from learngenes.sizes import Size, Steps

LICENSES = frozenset(
    {
        *("apache-2.0", "mit", "isc", "bsd", "bsd-2-clause", "bsd-3-clause", "mpl-2.0", "unlicense", "zlib", "wtfpl"),
        *("gpl-2.0", "gpl-3.0", "lgpl-2.1", "lgpl-3.0", "agpl-3.0", "epl-2.0", "eupl-1.2", "artistic-2.0", "bsl-1.0"),
        *("cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0"),
        *("odc-by", "odbl", "pddl", "openrail", "unknown", "other"),
    }
)
"""Names that hubs know licences by; any other goes by `other`, with its own name beside it."""

METRICS = {"top1": ("accuracy", "Top 1 Accuracy")}
"""Our names of metrics, and what model cards call them."""

_UNPRINTED = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


def facts(recipe: Recipe, manifest: Manifest, measured: Sequence[Quality]) -> dict[str, Any]:
    """The front matter of a descendant's card, in order. measured: what `measured_at` says of it."""
    geometry, native = recipe.geometry, recipe.keys == "transformers"
    size = [f"depth-{geometry.depth}", f"width-{geometry.width}"]
    libraries = ["transformers"] if native else ["timm", "transformers"] if isinstance(geometry, Geometry) else []
    table = _facts(manifest, [*libraries, "safetensors", *size])
    if libraries:
        table["library_name"] = libraries[0]
    name = manifest.name if manifest.parent is None else manifest.parent.learngene.partition("@")[0]
    table["base_model"] = f"{name}/{name}"
    if measured:
        table["metrics"] = sorted({METRICS.get(one.metric, (one.metric, ""))[0] for one in measured})
        table["model-index"] = [{"name": _size(geometry), "results": [_result(one) for one in measured]}]
    return table


def descendant_card(recipe: Recipe, manifest: Manifest, *, id: str) -> bytes:
    """README.md of a descendant."""
    geometry, measured = recipe.geometry, measured_at(recipe, manifest)
    rows = {
        "learngene": f"{recipe.learngene}, method {manifest.method}",
        "size": f"depth {geometry.depth}, width {geometry.width}" + _heads(geometry),
        "parameters": f"{architectures.parameters(geometry):,}",
        "multiply-adds": f"{architectures.macs(geometry):,} for one image" + _image(geometry),
        "classes": f"{geometry.classes:,}",
        "tensors": f"{recipe.dtype}, named as in {recipe.keys}",
        "licence": f"{manifest.license}; data: {manifest.data_license}",
        "id": id,
    }
    return _card(
        facts(recipe, manifest, measured),
        f"# {manifest.name}, depth {geometry.depth}, width {geometry.width}",
        "Built on demand, and the same bytes each time: the id below is the digest of the recipe that says of every\n"
        "tensor which stored bytes or which formula of the learngene it is. Nothing was trained for this size"
        + ("." if manifest.parent is None else ",\nbut the few numbers that fit the learngene to it."),
        _table(rows),
        "## How good it is",
        _measured(measured, "This size was not measured. Measure it before you rely on it."),
        "## Where the values come from",
        _origin(recipe, manifest),
        "## How to load it",
        _loading(recipe, manifest, id),
    )


def learngene_card(manifest: Manifest) -> bytes:
    """README.md of a learngene."""
    geometry, space = manifest.geometry, manifest.space
    rows = {
        "method": f"{manifest.method}, version {manifest.method_version}",
        "answers": f"depth {_span(space.depth)}, width {_span(space.width)}",
        "learned in": f"depth {geometry.depth}, width {geometry.width}" + _heads(geometry) + _image(geometry),
        "stored": f"{manifest.weights.bytes:,} bytes, {manifest.dtype}",
        "licence": f"{manifest.license}; data: {manifest.data_license}",
        "weights": f"sha256 {manifest.weights.sha256}",
    }
    if manifest.parent is not None:
        rows["completes"] = manifest.parent.learngene
    known = {name: value for name, value in manifest.training.items() if isinstance(value, str | int | float)}
    record = {f"training: {name}": str(value) for name, value in sorted(known.items())}
    return _card(
        _facts(manifest, ["learngene", "safetensors"]),
        f"# {manifest.reference}",
        _cell(manifest.description)
        or "A learngene: one compact part of a trained network, expanded to the size you name.",
        _table(rows | record),
        "## How good its descendants are",
        _measured(manifest.quality, "No descendant was measured."),
    )


def measured_at(recipe: Recipe, manifest: Manifest) -> tuple[Quality, ...]:
    """Measurements of this very network: one of which more than the size was asked for was not measured.

    Other key names and dtypes count as the same network, rounding aside.
    """
    geometry = recipe.geometry
    rows = tuple(q for q in manifest.quality if (q.depth, q.width) == (geometry.depth, geometry.width))
    if not rows:
        return ()
    plain = initialize(manifest, Request(depth=geometry.depth, width=geometry.width, keys=recipe.keys))
    return rows if replace(recipe, dtype=plain.dtype, manifest=plain.manifest) == plain else ()


def _facts(manifest: Manifest, tags: Sequence[str]) -> dict[str, Any]:
    known = manifest.license.lower() in LICENSES
    table: dict[str, Any] = {"license": manifest.license.lower() if known else "other"}
    if not known:
        table["license_name"] = manifest.license
    table["pipeline_tag"] = "image-classification"
    table["tags"] = ["image-classification", "vision-transformer", *tags, manifest.method, "generated"]
    if isinstance(trained_on := manifest.training.get("train"), str):
        table["datasets"] = [called(trained_on)[0]]
    return table


def _result(one: Quality) -> dict[str, Any]:
    kind, name = METRICS.get(one.metric, (one.metric, one.metric))
    tuned = "untuned" if one.epochs_after == 0 else f"after {one.epochs_after} epochs"
    return {
        "task": {"type": "image-classification", "name": "Image Classification"},
        "dataset": {"type": one.dataset, "name": one.dataset, "split": one.split},
        "metrics": [{"type": kind, "name": f"{name}, {tuned}", "value": one.value, "verified": False}],
    }


def front_matter(card: bytes) -> dict[str, Any]:
    """The front matter of a card of ours: the facts it was made from."""
    _, front, _ = card.decode().split("---\n", 2)
    pairs = (line.split(": ", 1) for line in front.removesuffix("\n").split("\n"))
    return {name: json.loads(value) for name, value in pairs}


def _card(front: dict[str, Any], *parts: str) -> bytes:
    """Every value of the front matter as JSON with what YAML does not print escaped, so that both read the same."""
    values = {name: json.dumps(value, ensure_ascii=False) for name, value in front.items()}
    lines = [f"{name}: {_UNPRINTED.sub(_escaped, value)}" for name, value in values.items()]
    return ("\n".join(["---", *lines, "---"]) + "\n" + "\n\n".join(parts) + "\n").encode()


def _table(rows: dict[str, str]) -> str:
    cells = (f"| {_cell(name)} | {_cell(value)} |" for name, value in rows.items())
    return "\n".join(["| | |", "|---|---|", *cells])


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _cell(text: str) -> str:
    """One line of text that stays text, whatever is in it."""
    return re.sub(r"([\\`|*_\[\]<>])", r"\\\1", " ".join(text.split()))


def _code(text: str) -> str:
    """One line of code in a cell."""
    return "`" + " ".join(text.split()).replace("`", "'").replace("|", "\\|") + "`"


def _measured(measurements: Sequence[Quality], otherwise: str) -> str:
    if not measurements:
        return otherwise
    rows = [
        f"| {q.depth} | {q.width} | {_cell(q.dataset)} {_cell(q.split)} | {_cell(q.metric)} {q.value:.4f} | {q.n:,} | "
        f"{q.epochs_after} | {q.seed} | {_code(q.command)} |"
        for q in measurements
    ]
    head = "| depth | width | data | measured | images | epochs after | seed | by |"
    return "\n".join([head, "|---" * 8 + "|", *rows])


def _origin(recipe: Recipe, manifest: Manifest) -> str:
    report = init_report(recipe, manifest)
    rows: dict[str, str] = {
        kind: f"{report[kind]['tensors']:,} tensors, {report[kind]['parameters']:,} parameters"
        for kind in KINDS
        if report[kind]["tensors"]
    }
    places = " ".join(map(str, recipe.layer_map))
    lines = [_table(rows), f"Stage or layer of the learngene that each block comes from: `{places}`."]
    return "\n\n".join([*lines, *(f"- {note}" for note in report["notes"])])


def _loading(recipe: Recipe, manifest: Manifest, id: str) -> str:
    python = ["from learngenes_client import Client", "", "with Client(SERVICE) as client:"]
    python += [f'    model = client.fetch_descendant("{id}")']
    lines = [
        "By its id, which pins every byte; `SERVICE` is the address of the zoo that built it:",
        "```python\n" + "\n".join(python) + "\n```",
        f"```\ncurl -fLO $SERVICE/v1/descendants/{id}/model.safetensors\n```",
    ]
    if isinstance(recipe.geometry, Geometry) and recipe.dtype == "F32":
        name, version = (manifest.reference if manifest.parent is None else manifest.parent.learngene).split("@")
        address = f"{name}/{_size(recipe.geometry)}"
        lines.append("If nothing but the size was asked for, also by its address, with `HF_ENDPOINT=$SERVICE`:")
        if recipe.keys == "timm":
            call = f'timm.create_model("hf-hub:{address}@v{version}", pretrained=True)'
        else:
            call = f'AutoModelForImageClassification.from_pretrained("{address}-hf", revision="v{version}")'
        lines.append(f"```python\n{call}\n```")
    return "\n\n".join(lines)


def _size(architecture: Architecture) -> str:
    return Size(architecture.depth, architecture.width).name


def _heads(architecture: Architecture) -> str:
    return f", {architecture.heads} heads" if isinstance(architecture, Geometry) else ""


def _image(architecture: Architecture) -> str:
    if not isinstance(architecture, Geometry):
        return ""
    return f" of {architecture.image} x {architecture.image} pixels in patches of {architecture.patch}"


def _span(steps: Steps) -> str:
    if steps.first == steps.last:
        return str(steps.first)
    return f"{steps.first} to {steps.last}" + ("" if steps.step == 1 else f" in steps of {steps.step}")
