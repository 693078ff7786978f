"""What importing the library must not do, tried in a fresh interpreter; and what stands in one place alone."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import learngenes

MODULES = ["learngenes", "learngenes.initialize", "learngenes.catalog", "learngenes.descendant"]

# Imported twice: the second time everything from outside is there already, and whatever reads the environment is ours.
PROBE = """
import json, os, sys
from collections import UserDict

names = sys.argv[1:]
for name in names:
    __import__(name)
foreign = sorted({module.partition(".")[0] for module in sys.modules} - set(sys.stdlib_module_names))
for module in [module for module in sys.modules if module.partition(".")[0] == "learngenes"]:
    del sys.modules[module]

asked = []

class Watched(UserDict):
    def __getitem__(self, key):
        asked.append(key)
        return super().__getitem__(key)

    def __contains__(self, key):
        asked.append(key)
        return super().__contains__(key)

    def __iter__(self):
        asked.append("everything")
        return super().__iter__()

os.environ = Watched(os.environ)
for name in names:
    __import__(name)
read = list(asked)
os.environ.get("CONTROL", "")
sys.stderr.write(json.dumps({"foreign": foreign, "read": read, "control": asked[len(read):]}))
"""


def probe(*modules: str) -> tuple[bytes, dict[str, list[str]]]:
    """What was printed, and what the probe saw."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *modules],
        capture_output=True,
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    return done.stdout, json.loads(done.stderr)


@pytest.mark.parametrize("module", MODULES)
def test_a_part_that_plans_and_serves_brings_in_numpy_alone(module: str) -> None:
    _, seen = probe(module)
    outside = {name for name in seen["foreign"] if not name.startswith("_")}
    assert outside <= {"learngenes", "numpy"}
    assert ("numpy" in outside) == (module != "learngenes")


def test_nothing_is_printed_and_nothing_read_from_the_environment_on_import() -> None:
    printed, seen = probe(*MODULES)
    assert printed == b""
    assert (seen["read"], seen["control"]) == ([], ["CONTROL"])


def test_the_service_starts_without_torch_and_without_what_only_queues_and_rates_need() -> None:
    names = {"torch", "timm", "httpx", "redis", "rq", "limits", "obstore"}
    script = f"import sys, learngenes_service.__main__; print(sorted({names} & sys.modules.keys()))"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, env=environment)
    assert done.stdout == b"[]\n"


ROOT = Path(learngenes.__file__).parent
NAMED_BLOCK = re.compile(r"blocks\.\{[^}]*\}\.")
"""A tensor of a numbered block, named in an f-string."""


def sources(*patterns: str) -> dict[str, str]:
    return {
        path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
        for pattern in patterns
        for path in sorted(ROOT.glob(pattern))
    }


def test_tensors_of_numbered_blocks_are_named_in_one_place_for_each_family_and_one_for_descendants() -> None:
    planning = sources("*.py", "families/*.py", "planning/*.py", "methods/*/plan.py", "methods/*/options.py")
    naming = {name for name, text in planning.items() if NAMED_BLOCK.search(text)}
    assert naming == {"families/vit.py", "families/mini.py", "planning/blocks.py"}


def test_no_second_loop_builds_the_blocks_of_a_descendant() -> None:
    building = {name for name, text in sources("**/*.py").items() if re.search(r"(?<!class )\bEntry\(", text)}
    assert building >= {"planning/blocks.py", "planning/bridges.py", "recipe.py"}
    looping = {name for name in building if NAMED_BLOCK.search(sources(name)[name])}
    assert looping == {"planning/blocks.py"}
