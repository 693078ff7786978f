"""`learngenes push` of a learngene that lies in a store; what is a file or a folder is the client's."""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

from learngenes.arguments import add_learngene
from learngenes.commands.asking import learngene
from learngenes.errors import InvalidValue
from learngenes.importing import exported

CLIENT = "learngenes_client"


def arguments(command: argparse.ArgumentParser) -> None:
    """Which learngene, and where it goes."""
    add_learngene(command)
    command.add_argument("--url", help="of the service; LEARNGENES_URL if not given, the key is LEARNGENES_KEY")
    command.add_argument("--alias", help="of the name, moved to the new version there")
    command.add_argument("--private", action="store_true", help="hide the name from callers without a key")
    command.epilog = "Without --store, LEARNGENE is a .safetensors file or an exported folder: learngenes-client push."


def run(chosen: argparse.Namespace) -> int:
    """Publish a learngene of a store at a service, which gives it the next version number of its name."""
    if importlib.util.find_spec(CLIENT) is None:
        raise InvalidValue("push needs the distribution learngenes-client, which is not installed")
    catalog, manifest = learngene(chosen)
    words = [
        word for name in ("url", "alias") if getattr(chosen, name) for word in (f"--{name}", getattr(chosen, name))
    ]
    words += ["--private"] if chosen.private else []
    with tempfile.TemporaryDirectory(prefix="learngenes-") as parent:
        folder = Path(parent) / manifest.name
        exported.write(catalog, manifest, folder)
        done = subprocess.run([sys.executable, "-m", CLIENT, "push", str(folder), *words], check=False)  # noqa: S603
    return done.returncode
