"""Make docs/images anew: the pages of a real service with the starter learngenes, and a job while it learns.

    python docs/screenshots.py [--chromium PROGRAM]

Takes the development environment (`make setup`) and a Chromium; a minute or two on two cores.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

IMAGES = Path(__file__).parent / "images"
MOST_BYTES = 150_000
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

RENAME = """([from, to]) => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) texts.currentNode.data = texts.currentNode.data.replaceAll(from, to);
}"""
"""Workers are called after the machine they run on, which is nobody's business."""

SIZE = "/?learngene=sws-small-cifar100&depth=9&width=320&dtype=f16"
JOB: dict[str, Any] = {
    "kind": "learn",
    "spec": {
        "name": "sws-digits",
        "method": "sws",
        "options": {"stages": [1, 1, 1], "alpha": 0.0},
        "geometry": {"depth": 3, "width": 48, "heads": 3, "patch": 4, "image": 8, "classes": 10, "channels": 1},
        "data": {"train": "digits:train", "test": "digits:test", "mean": [0.3], "std": [0.38]},
        "training": {"epochs": 150, "batch": 128, "learning_rate": 1e-3, "report_seconds": 0.25},
    },
}


def main() -> int:
    """0 if every image is small enough."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("google-chrome"))
    chromium = parser.parse_args().chromium
    if chromium is None:
        print("screenshots: no Chromium on this machine: name it with --chromium", file=sys.stderr)
        return 2
    IMAGES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="learngenes-") as data,
        serving(Path(data)) as url,
        sync_playwright() as run,
    ):
        browser = run.chromium.launch(executable_path=chromium, args=FLAGS)
        of_the_zoo(browser, url)
        of_a_job(browser, url)
        browser.close()
    too_large = [path.name for path in sorted(IMAGES.glob("*.png")) if path.stat().st_size > MOST_BYTES]
    for path in sorted(IMAGES.glob("*.png")):
        print(f"{path.name:24} {path.stat().st_size:7,} bytes")
    return 1 if too_large else 0


def of_the_zoo(browser: Browser, url: str) -> None:
    """The first page in both themes, what is further down, and the same on a phone."""
    for theme in ("light", "dark"):
        take(opened(browser, url + SIZE, theme, height=1120), f"zoo-{theme}")
    page = opened(browser, f"{url}/?learngene=sws-small-cifar100&depth=12&width=320&max_params=12M", "light")
    take(page, "zoo-origin", of="#origin section")
    take(page, "zoo-budget", of="section:has(> #budget)")
    take(opened(browser, url + SIZE, "dark", width=360, height=1500), "zoo-phone")
    take(opened(browser, f"{url}/?depth=900&width=100", "light", height=700), "zoo-impossible")
    take(opened(browser, f"{url}/upload", "light", height=900), "upload")


def of_a_job(browser: Browser, url: str) -> None:
    """A job in the middle of its work."""
    id = httpx.post(f"{url}/v1/jobs", json=JOB).json()["id"]
    page = opened(browser, f"{url}/jobs/{id}", "light", height=1050)
    while float(page.locator("#steps").evaluate("(it) => it.value / it.max")) < 0.3:
        time.sleep(0.2)
    take(page, "job-live")
    take(opened(browser, f"{url}/jobs/{id}", "dark", width=360, height=1300), "job-phone")
    take(opened(browser, f"{url}/jobs", "dark", height=520), "jobs")


def opened(browser: Browser, url: str, theme: Any, *, width: int = 1180, height: int = 800) -> Page:
    """The page, as it is once it has been looked at for a moment."""
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme)
    page = context.new_page()
    page.goto(url)
    page.wait_for_timeout(500)
    return page


def take(page: Page, name: str, *, of: str | None = None) -> None:
    """docs/images/<name>.png, in the few colours that a page has."""
    path = IMAGES / f"{name}.png"
    page.evaluate(RENAME, [socket.gethostname(), "machine"])
    if of is None:
        page.screenshot(path=path)
    else:
        page.locator(of).screenshot(path=path)
    with Image.open(path) as image:
        image.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
            path, optimize=True
        )
    if of is None:
        page.context.close()


@contextmanager
def serving(data: Path) -> Iterator[str]:
    """A service with its own queue and one worker, on a free port of the loopback."""
    environment = os.environ | {"LEARNGENES_DATA": str(data), "LEARNGENES_PORT": "0", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "learngenes_service"]
    with subprocess.Popen(  # noqa: S603
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            found = next(filter(None, (re.search(r"ready at (http://\S+)", line) for line in process.stdout)), None)
            if found is None:
                raise SystemExit("screenshots: the service did not start")
            yield found[1]
        finally:
            process.terminate()


if __name__ == "__main__":
    sys.exit(main())
