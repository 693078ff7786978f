"""A real browser on a real service: one Chromium for all tests, and nothing that any page may ask of anybody else."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import factories
import numpy as np
import pytest
from cases.measurements import top1
from learngenes_service.access.keys import Keys
from playwright.sync_api import Browser, Page, sync_playwright

from learngenes import gene, tensorfile
from learngenes.families import vit
from learngenes.families.vit import Geometry
from learngenes.gene import Manifest, Normalization
from learngenes.methods.wave.facts import Facts, at, cuts, scalers_name, templates_name
from learngenes.sizes import Size
from learngenes.store.local import LocalStore
from learngenes.tensorfile import TensorFile
from learngenes.zoo import METHODS

Start = Callable[..., AbstractContextManager[Any]]
Open = Callable[..., Page]

SECRET = "zz-secret"
HOSTILE = "<script>alert(1)</script>\"'&<img src=x onerror=alert(2)>"
LONG = "a-learngene-with-a-name-as-long-as-any-name-of-them-may-ever-be"
STARTER = "sws-small-cifar100"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Zoo:
    """A service and its keys, by scope."""

    url: str
    keys: dict[str, str]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, or whatever is called so here, until the file's end: while it lives no other event loop can
    run in this process.
    """
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("there is no Chromium on this machine, so nothing drives the pages")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield found
        found.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """`open_page(url, width=360, theme="dark", script=False)`: a page, in a profile of its own.

    At the end none of them may have asked another host for anything, or met an error in the script or of the policy.
    """
    opened: list[Any] = []
    asked: list[tuple[str, str]] = []
    faults: list[str] = []

    def heard(message: Any) -> None:
        # An answer of 4xx is what some tests ask for.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            faults.append(message.text)

    def open(url: str, *, width: int = 1100, theme: Any = "light", script: bool = True, key: str = "") -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 800},
            color_scheme=theme,
            java_script_enabled=script,
            reduced_motion="reduce",
            permissions=["clipboard-read", "clipboard-write"],
        )
        opened.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("request", lambda request: asked.append((url, request.url)))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", heard)
        if key:
            page.add_init_script(f"sessionStorage.setItem('learngenes-key', {key!r})")
        page.goto(url)
        return page

    yield open
    for context in opened:
        context.close()
    assert not faults
    assert not [wanted for url, wanted in asked if urlsplit(wanted)[:2] != urlsplit(url)[:2] and wanted[:5] != "blob:"]


@pytest.fixture(scope="session")
def learngenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory: a measured learngene and its baselines, one to be fitted, one hostile, one private."""
    data = tmp_path_factory.mktemp("page")
    plain, raw = factories.learngene()
    measured = tuple(top1(depth, 32, 0.3 + depth / 20) for depth in (2, 4, 5, 8))
    low = tuple(top1(depth, 32, 0.1 + depth / 100) for depth in (2, 5, 8))
    tiny = replace(plain, quality=measured)
    wave, fitted = wave_learngene()
    with_text = replace(plain, name="hostile", description=HOSTILE, license=HOSTILE, labels=(HOSTILE,) * 10)
    store = LocalStore(data / "store")
    factories.catalog(
        None,
        (tiny, raw),
        (replace(with_text, training={"command": HOSTILE}), raw),
        (replace(plain, name=LONG), raw),
        (wave, fitted),
        baseline("scratch", low),
        baseline("selection", tuple(replace(q, value=q.value / 2) for q in measured)),
        factories.learngene(name=SECRET, seed=1),
        store=store,
    )
    store.create(f"private/{SECRET}", [b""])
    return data


@pytest.fixture(scope="session")
def keys(learngenes: Path) -> dict[str, str]:
    made = Keys(LocalStore(learngenes / "store"))
    return {scope: made.add(scope, scope, at=datetime.now(UTC)) for scope in ("read", "train", "admin")}  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def zoo(learngenes: Path, keys: dict[str, str], start: Start) -> Iterator[Zoo]:
    """Anybody may train; there is no queue."""
    with start(learngenes, settings={"LEARNGENES_ANONYMOUS": "train", "LEARNGENES_STARTER": "1"}) as service:
        yield Zoo(service.url, keys)


@pytest.fixture(scope="session")
def closed(learngenes: Path, keys: dict[str, str], start: Start) -> Iterator[Zoo]:
    """Nobody is answered without a key."""
    with start(learngenes, settings={"LEARNGENES_ANONYMOUS": "none", "LEARNGENES_STARTER": "1"}) as service:
        yield Zoo(service.url, keys)


def baseline(method: str, quality: tuple[Any, ...]) -> tuple[Manifest, bytes]:
    """A learngene of a method whose descendants others are compared with."""
    geometry = Geometry(depth=8, width=32, heads=2, patch=4, image=8, classes=10)
    names = {} if method == "scratch" else vit.shapes(geometry)
    return made(method, names, geometry, {}, name=f"digits-{method}", quality=quality)


def wave_learngene() -> tuple[Manifest, bytes]:
    """Ready at two sizes; any other has to be fitted first, on images that its manifest names."""
    geometry = Geometry(depth=4, width=32, heads=4, patch=4, image=8, classes=10, channels=1)
    facts = Facts(16, 3, 2, "scaler-first", (Size(4, 32), Size(4, 16)))
    shapes: dict[str, tuple[int, ...]] = {"head.bias": (geometry.classes,)}
    for name, (cut, terms, _) in cuts(geometry, facts).items():
        shapes[templates_name(name)] = (terms, *cut.template)
    for size in facts.sizes:
        for name, (cut, terms, in_blocks) in cuts(at(geometry, size), facts).items():
            depth = (size.depth,) if in_blocks else ()
            shapes[scalers_name(size, name)] = (*depth, terms, *cut.scalers)
    training = {"train": "digits:train", "test": "digits:test"}
    return made("wave", shapes, geometry, facts.table(), name="wave", training=training)


def made(
    method: str, shapes: Any, geometry: Geometry, facts: dict[str, Any], *, name: str, **more: Any
) -> tuple[Manifest, bytes]:
    """A learngene of any method, as cases.made has it but without torch."""
    draw = np.random.default_rng(0)
    values = {tensor: draw.normal(0, 0.1, shapes[tensor]).astype(np.float32) for tensor in sorted(shapes)}
    raw = b"".join(tensorfile.write(values, "F32"))
    normalization = Normalization((0.5,) * geometry.channels, (0.5,) * geometry.channels)
    known = METHODS[method]
    manifest = Manifest(
        name=name,
        version=1,
        method=method,
        method_version=known.version,
        family="vit",
        geometry=geometry,
        space=known.space(geometry, facts),
        varies=known.varies,
        method_facts=facts,
        weights=gene.weigh(TensorFile(raw)),
        normalization=normalization,
        **more,
    )
    return manifest, raw
