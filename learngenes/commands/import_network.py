"""`learngenes import`."""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from learngenes import config
from learngenes.arguments import STORE, add_data, options_of
from learngenes.catalog import Catalog
from learngenes.errors import InvalidValue
from learngenes.families.vit import Geometry
from learngenes.gene import Manifest
from learngenes.importing.checkpoint import USUAL, Facts, ancestor_record, learngene_of
from learngenes.importing.geometry import read_geometry
from learngenes.importing.sources import Source, open_source
from learngenes.job import AncestorOptions, DataOptions, Learned, LearnJob, Stopped
from learngenes.job_options import OWN_VIT
from learngenes.publish import publish, publish_as_next
from learngenes.spec import Learn, check_learn
from learngenes.store import check_name
from learngenes.store.opened import open_store

GIVEN = ("heads", "pool", "norm", "interpolation", "crop_pct", "license", "data_license", "description")
"""Words of the command that are facts of the network."""


def arguments(command: argparse.ArgumentParser) -> None:
    """Which network, what it becomes, and what is known of it."""
    command.add_argument(
        "network", metavar="NETWORK", help="a .safetensors file, hf:owner/name[@revision] or timm:name"
    )
    command.add_argument("--name", required=True, help="of the learngene, or of the ancestor's file")
    command.add_argument("--store", metavar="STORE", help=f"publish it in this store: {STORE}")
    command.add_argument("--method", default="selection", help="selection (default), vanilla_lg or subcloning")
    command.add_argument("--as", dest="kind", choices=("learngene", "ancestor"), default="learngene", help="what of")
    command.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="where an ancestor's file goes")
    command.add_argument("--train", metavar="IMAGES", help="subcloning: what importance is measured on, digits:train")
    add_data(command)
    command.add_argument("--heads", type=int, help="heads of a block; what the configuration says, or width / 64")
    command.add_argument("--pool", choices=("token", "avg"), help="what the head sees")
    command.add_argument("--norm", choices=("before-pool", "after-pool"), help="has to agree with the tensors")
    command.add_argument("--mean", metavar="A,B,C", help="of a channel, of pixels scaled to 0..1")
    command.add_argument("--std", metavar="A,B,C", help="of a channel")
    command.add_argument("--interpolation", choices=("bilinear", "bicubic"))
    command.add_argument("--crop-pct", type=float, metavar="SHARE", help="share of the side that the crop keeps")
    command.add_argument("--labels", metavar="FILE", type=Path, help="class names, one a line")
    command.add_argument("--license", help="of the weights")
    command.add_argument("--data-license", help="of the images it was trained on")
    command.add_argument("--description")
    command.add_argument(
        "--option", action="append", default=[], metavar="NAME=VALUE", help="a learn option of the method, blocks=3"
    )


def run(chosen: argparse.Namespace) -> int:
    """Make a learngene, or an ancestor, of a network that somebody trained; safetensors only, nothing is unpickled."""
    facts = Facts(name=check_name(chosen.name), method=chosen.method, options=options_of(chosen))
    with tempfile.TemporaryDirectory(prefix="learngenes-") as scratch:
        source = open_source(chosen.network, facts, scratch=Path(scratch))
        source = replace(source, facts=replace(source.facts, **_given(chosen)))
        for note in source.notes:
            print(f"note: {note}")
        if chosen.kind == "ancestor":
            return _ancestor(source, chosen.out)
        if chosen.store is None:
            raise InvalidValue("--store says where the learngene goes; for a file that configs name, --as ancestor")
        catalog = Catalog(open_store(chosen.store))
        if chosen.method == "subcloning":
            return _measured(source, chosen, catalog, Path(scratch))
        manifest, file = learngene_of(source.file, source.facts, scratch=Path(scratch))
        manifest, new = publish_as_next(manifest, file, catalog=catalog, replaces=lambda reference: None)
    return _say(manifest, chosen.store, new=new)


def _given(chosen: argparse.Namespace) -> dict[str, Any]:
    """The facts that were said, which count more than those that were found."""
    given = {name: getattr(chosen, name) for name in GIVEN if getattr(chosen, name) is not None}
    for name in ("mean", "std"):
        if (text := getattr(chosen, name)) is not None:
            try:
                given[name] = tuple(float(part) for part in text.split(","))
            except ValueError:
                raise InvalidValue(f"--{name} is one number a channel such as 0.5,0.5,0.5, got {text!r}") from None
    if chosen.labels is not None:
        given["labels"] = tuple(line for line in chosen.labels.read_text("utf-8").splitlines() if line)
    return given


def _geometry(source: Source) -> Geometry:
    shapes = {name: tensor.shape for name, tensor in source.file.tensors.items()}
    return read_geometry(shapes, heads=source.facts.heads, pool=source.facts.pool, norm=source.facts.norm)


def _say(manifest: Manifest, store: str, *, new: bool) -> int:
    geometry, space = manifest.geometry, manifest.space
    print(
        f"{'published' if new else 'there already:'} {manifest.reference} in {store}: {manifest.method} of a ViT of "
        f"depth {geometry.depth}, width {geometry.width}, {geometry.heads} heads, {geometry.classes} classes; takes "
        f"depth {space.depth} and width {space.width}"
    )
    return 0


def _ancestor(source: Source, out: Path) -> int:
    """The file by timm's names, and the lines of a config that name it."""
    geometry, facts = _geometry(source), source.facts
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{facts.name}.safetensors"
    part = path.with_suffix(".part")
    part.write_bytes(source.file.view)
    part.replace(path)
    lines = ["[geometry]", *(f"{name} = {_toml(value)}" for name, value in asdict(geometry).items())]
    lines += ["", "[ancestor]", f"architecture = {_toml(OWN_VIT)}", f"checkpoint = {_toml(path.name)}"]
    unsure = "" if facts.mean else "  # not known: timm's default"
    usual = (USUAL,) * geometry.channels
    lines += [f"mean = {_toml(facts.mean or usual)}{unsure}", f"std = {_toml(facts.std or usual)}{unsure}"]
    print(f"wrote {path}; a config takes it as ancestor by these lines, with --data {out} where it is run:\n")
    print("\n".join(lines))
    return 0


def _toml(value: object) -> str:
    """Texts, numbers, truths and lists of numbers are written in TOML as in JSON."""
    return json.dumps(value)


def _measured(source: Source, chosen: argparse.Namespace, catalog: Catalog, scratch: Path) -> int:
    """Subcloning ranks what matters by a forward pass over images: the job of `learngenes learn`, with torch."""
    if chosen.train is None:
        raise InvalidValue(
            "subcloning measures what matters on images: add --train folder:DIR, parquet:FILE or digits:train, or "
            "take --method selection, which needs none"
        )
    from learngenes.learners import LEARNERS

    facts, geometry = source.facts, _geometry(source)
    path = scratch / "ancestor.safetensors"
    path.write_bytes(source.file.view)
    usual = (USUAL,) * geometry.channels
    mean, std = facts.mean or usual, facts.std or usual
    data = {"train": chosen.train, "test": chosen.train, "mean": list(mean), "std": list(std), "augment": "none"}
    data |= {"interpolation": facts.interpolation, "crop_pct": facts.crop_pct, "license": facts.data_license}
    job = LearnJob(
        name=facts.name,
        method="subcloning",
        geometry=geometry,
        data=config.parse(data, DataOptions, where="the images"),
        ancestor=AncestorOptions(OWN_VIT, mean=mean, std=std, checkpoint=str(path)),
        options=facts.options,
        license=facts.license,
        description=facts.description,
    )
    check_learn(Learn(job))
    learned = LEARNERS[job.method](
        job, run=scratch, data=chosen.data.absolute(), report=lambda event: None, stop=lambda: False
    )
    assert not isinstance(learned, Stopped)
    record = dict(learned.record) | {"ancestor": ancestor_record(geometry, facts.source)}
    if facts.labels:
        record["classes"] = facts.labels
    manifest = publish(job, Learned(learned.tensors, learned.facts, record, learned.input), catalog=catalog)
    return _say(manifest, chosen.store, new=True)
