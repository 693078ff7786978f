"""A running zoo is a hub to import from: by the real huggingface_hub, bit for bit, and nobody else is asked."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import factories
import httpx

from learngenes.catalog import Catalog
from learngenes.initialize import Request, initialize
from learngenes.store.local import LocalStore
from learngenes.stream import assemble, stream

Start = Callable[..., AbstractContextManager[Any]]
PROGRAM = """
import sys
from learngenes.__main__ import main
for words in sys.argv[1:]:
    print(main(["import", *words.split(), "--store", "zoo"]), flush=True)
"""


def test_a_descendant_imported_from_a_zoo_is_that_descendant(tmp_path: Path, start: Start) -> None:
    labels = tuple(f"class {i}" for i in range(10))
    made = factories.learngene(class_token=True, pool="token", labels=labels)
    other = factories.learngene(class_token=True, pool="token", version=2, seed=1)
    source = factories.catalog(None, made, other, store=LocalStore(tmp_path / "data" / "store"))
    wanted = [
        "hf:tiny/depth3-width32 --name newest",
        "hf:tiny/depth3-width32@v1 --name first",
        "timm:hf-hub:tiny/depth3-width32@v1 --name first",
        "hf:tiny/depth3-width32-hf@v1 --name renamed",
        "hf:tiny/depth3-width31 --name none",
        "hf:tiny/depth3-width32@v9 --name none",
        "hf:nobody/depth3-width32 --name none",
    ]
    with start(tmp_path / "data") as service:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
        environment |= {
            "HF_ENDPOINT": service.url,
            "HF_HOME": str(tmp_path / "hf"),
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *wanted], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        size = {"depth": 3, "width": 32}
        streamed = httpx.post(f"{service.url}/initialize", json={"learngene": "tiny@1"} | size).content
    assert done.stdout.count("\n0\n") == 4 and done.stdout.endswith("2\n2\n2\n"), done.stdout + done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("learngenes: ")]
    assert len(said) == 3 and "has no revision 'v9'" in said[1] and service.url in said[2], said
    zoo = Catalog(LocalStore(tmp_path / "zoo"))
    for name, version in (("newest", 2), ("first", 1), ("renamed", 1)):
        manifest = zoo.get(name)
        mother = source.get(f"tiny@{version}")
        built = b"".join(stream(assemble(initialize(manifest, Request()), zoo.open(manifest))))
        recipe = initialize(mother, Request(depth=3, width=32))
        assert built == b"".join(stream(assemble(recipe, source.open(mother)))), name
        assert (manifest.labels, manifest.normalization) == (mother.labels, mother.normalization)
        assert manifest.ancestor is not None and str(manifest.ancestor["source"]).startswith(("hf:", "timm:"))
    assert built == streamed
    assert zoo.versions("first") == [1, 2]  # the same bytes by another address: another record of where they are from
