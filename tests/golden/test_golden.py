"""Bytes that may never change: what was served once is served again, bit for bit.

PYTHONPATH=tests python tests/golden/test_golden.py            print what has changed since golden.json was written
PYTHONPATH=tests python tests/golden/test_golden.py --write    print it and keep it
"""

from __future__ import annotations

import difflib
import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from golden import golden_sources

from learngenes import fresh, gene, header, initialize, recipe, stream, tensorfile
from learngenes.families import vit
from learngenes.sizes import SizeSpace, Steps
from learngenes.tensorfile import TensorFile

KEPT = Path(__file__).with_name("golden.json")


def made() -> dict[str, object]:
    """Every golden value, made anew."""
    values: dict[str, object] = {}
    pair = {
        "b.weight": np.array([[1.0, -2.5], [0.1, 70000.0]], np.float32),
        "a": np.array([1e-7, -np.inf, 3.0], np.float32),
    }
    for dtype in header.ITEM_BYTES:
        raw = b"".join(tensorfile.write(pair, dtype))
        base = 8 + int.from_bytes(raw[:8], "little")
        values[f"file of two tensors in {dtype}"] = [raw[:8].hex(), raw[8:base].decode(), raw[base:].hex()]

    normal = fresh.truncated_normal(1, 0, 16).reshape(4, 4)
    values["truncated normal, seed 1, first four"] = [float(x).hex() for x in normal[0]]
    values["truncated normal, seed 1, sha256 of 4x4"] = hashlib.sha256(normal.tobytes()).hexdigest()
    values["seed of head.weight at seed 0"] = recipe.derive_seed(0, "head.weight")

    manifest, tensors = _learngene()
    values["manifest"] = json.loads(gene.to_json(manifest))
    values["manifest digest"] = manifest.digest

    wanted = initialize.initialize(manifest, initialize.Request(depth=2, num_classes=3, seed=7))
    wanted = replace(wanted, manifest="0" * 64)
    values["recipe"] = recipe.to_json(wanted).decode()
    values["recipe digest"] = recipe.digest(wanted)
    for dtype in header.ITEM_BYTES:
        file = stream.assemble(replace(wanted, dtype=dtype), tensors)
        served = b"".join(stream.stream(file))
        values[f"descendant in {dtype}"] = [len(served), hashlib.sha256(served).hexdigest()]
    native = replace(
        initialize.initialize(manifest, initialize.Request(depth=2, keys="transformers")), manifest="0" * 64
    )
    values["recipe digest by transformers' names"] = recipe.digest(native)
    served = b"".join(stream.stream(stream.assemble(native, tensors)))
    values["descendant by transformers' names"] = [len(served), hashlib.sha256(served).hexdigest()]
    return values | golden_sources.made() | _computed(manifest, tensors)


def _computed(manifest: gene.Manifest, tensors: TensorFile) -> dict[str, object]:
    """A narrower descendant with every bridge."""
    wide = replace(manifest, space=SizeSpace(Steps(1, 512), Steps(2, 4, 2)))
    request = initialize.Request(
        depth=1, width=2, labels=("bee", "cat"), img_size=9, patch_size=3, in_chans=1, pool="token", seed=7
    )
    wanted = replace(initialize.initialize(wide, request), manifest="0" * 64)
    values: dict[str, object] = {
        "computed recipe": recipe.to_json(wanted).decode(),
        "computed recipe digest": recipe.digest(wanted),
    }
    for dtype in header.ITEM_BYTES:
        served = b"".join(stream.stream(stream.assemble(replace(wanted, dtype=dtype), tensors)))
        values[f"computed descendant in {dtype}"] = [len(served), hashlib.sha256(served).hexdigest()]
    return values


def _learngene() -> tuple[gene.Manifest, TensorFile]:
    """One stage of width 4; its values come from whole numbers, so that no generator is pinned by accident."""
    geometry = vit.Geometry(depth=2, width=4, heads=2, patch=2, image=4, classes=2)
    shapes = vit.frame_shapes(geometry) | {
        f"stages.0.{name}": shape for name, shape in vit.block_shapes(geometry).items()
    }
    values = {
        name: ((np.arange(np.prod(shapes[name])) * 37 + at) % 101 - 50).astype(np.float32).reshape(shapes[name]) / 96
        for at, name in enumerate(sorted(shapes))
    }
    tensors = TensorFile(b"".join(tensorfile.write(values, "F32")))
    manifest = gene.Manifest(
        name="golden",
        version=1,
        method="sws",
        method_version=1,
        family="vit",
        geometry=geometry,
        space=SizeSpace(Steps(1, 512), Steps(4, 4)),
        varies=("depth",),
        method_facts={"stages": [2]},
        weights=gene.weigh(tensors),
        normalization=gene.Normalization((0.5, 0.5, 0.5), (0.25, 0.25, 0.25)),
        labels=("ant", "bee"),
        description="naïve",
    )
    return manifest, tensors


GOLDEN: dict[str, object] = json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else {}


@pytest.fixture(scope="module")
def anew() -> dict[str, object]:
    return made()


@pytest.mark.parametrize("name", GOLDEN)
def test_what_was_made_once_is_made_again_bit_for_bit(anew: dict[str, object], name: str) -> None:
    assert anew[name] == GOLDEN[name]


def test_every_golden_value_is_kept(anew: dict[str, object]) -> None:
    assert anew.keys() == GOLDEN.keys()


def main() -> None:
    before = KEPT.read_text("utf-8") if KEPT.exists() else ""
    after = json.dumps(made(), indent=1, ensure_ascii=False) + "\n"
    sys.stdout.writelines(difflib.unified_diff(before.splitlines(True), after.splitlines(True), "kept", "made anew"))
    if "--write" in sys.argv:
        KEPT.write_text(after, "utf-8")


if __name__ == "__main__":
    main()
