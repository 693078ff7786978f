"""Runs the programs of docs/examples as a reader would: as they stand, in a process of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import learngenes

EXAMPLES = Path(learngenes.__file__).parents[1] / "docs" / "examples"
OWN = ("PATH", "PYTHONPATH")


class Failed(Exception):
    """A program ended with another status than 0; the text is what it printed."""


def run(*command: str | Path, home: Path, here: Path | None = None, first: Path | None = None, **more: str) -> str:
    """What the command printed; Failed if it failed.

    home: a directory for caches; here: where it runs; first: a folder before all others on Python's path.
    more: variables of its environment, which has hardly any other.
    """
    paths = [str(first)] if first else []
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")]).strip(os.pathsep),
        "HOME": str(home),
        "LEARNGENES_CACHE": str(home / "cache"),
        "HF_HOME": str(home / "hf"),
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    done = subprocess.run(
        [str(word) for word in command],
        cwd=here or home,
        env=environment | more,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    if done.returncode:
        raise Failed(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def python(program: str | Path, *arguments: str | Path, home: Path, first: Path | None = None, **more: str) -> str:
    """What a program of docs/examples printed."""
    return run(sys.executable, EXAMPLES / program, *arguments, home=home, first=first, **more)


def copied(name: str, place: Path) -> Path:
    """A copy of a folder of docs/examples, to work in."""
    return Path(shutil.copytree(EXAMPLES / name, place / name))
