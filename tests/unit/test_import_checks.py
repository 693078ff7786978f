"""What a learngene from outside has to be before it is published."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import factories
import pytest
from cases import wave

from learngenes import gene
from learngenes.catalog import starter
from learngenes.errors import BadManifest
from learngenes.gene import Quality
from learngenes.importing.checks import check
from learngenes.sizes import SizeSpace, Steps
from learngenes.tensorfile import TensorFile

MEASURED = Quality(6, 32, "digits", "test", "top1", 0.5, 100, 0, 0, "by hand")


def test_what_the_library_made_passes() -> None:
    manifest, raw = factories.learngene()
    for made in ((manifest, raw), (replace(manifest, quality=(MEASURED,)), raw), wave.make()):
        check(made[0], TensorFile(made[1]), factories.catalog(None))


def test_every_version_that_ships_with_the_library_passes_and_keeps_its_digest() -> None:
    catalog, found = starter(), []
    for name in catalog.names():
        for version in catalog.versions(name):
            manifest = catalog.get(f"{name}@{version}")
            assert gene.to_json(manifest) == catalog.store.read(f"learngenes/{name}/{version}.json")
            check(manifest, catalog.open(manifest), catalog)
            found.append(manifest.reference)
    assert {"sws-small-cifar100@1", "sws-small-cifar100@2", "wave-cifar100@1"} < {*found}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"varies": ("depth", "everything")}, "varies depth, width"),
        ({"family": "stitched"}, "is of family 'vit'"),
        ({"labels": ("a\nb",) * 10}, "printable letters"),
        ({"license": ""}, "printable letters"),
        ({"description": "x" * 10_001}, "at most 10000 letters"),
        ({"quality": (replace(MEASURED, metric="<a>\n"),)}, "printable letters"),
        ({"space": SizeSpace(Steps(1, 512), Steps(1, 1024))}, "524,288 sizes, the most are 131,072"),
    ],
)
def test_what_lists_and_cards_could_not_show_is_refused(change: dict[str, Any], sentence: str) -> None:
    manifest, raw = factories.learngene()
    with pytest.raises(BadManifest, match=sentence):
        check(replace(manifest, **change), TensorFile(raw), factories.catalog(None))


def test_a_size_inside_that_can_not_be_computed_is_found() -> None:
    manifest, raw = factories.learngene()
    space = SizeSpace(manifest.space.depth, Steps(manifest.space.width.first, manifest.space.width.last, 1))
    with pytest.raises(BadManifest):
        check(replace(manifest, space=space), TensorFile(raw), factories.catalog(None))
