"""What the files of a deployment say: Dockerfiles, compose.yaml, nginx.conf, Kubernetes manifests."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from learngenes_service.embedded import supervisor

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
KUBERNETES = DOCKER / "kubernetes"
DOCKERFILES = sorted(DOCKER.glob("*.Dockerfile"))
YAML = [ROOT / "compose.yaml", *sorted(KUBERNETES.rglob("*.yaml"))]
LONG_GRACE = supervisor.WORKER_SECONDS


def tool(name: str, *arguments: str | Path) -> None:
    """Run a checker of the virtual environment."""
    program = shutil.which(name, path=str(Path(sys.executable).parent)) or name
    done = subprocess.run([program, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@dataclass
class Image:
    """The last stage of a Dockerfile, and every instruction of all."""

    instructions: list[tuple[str, str]]
    bases: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    user: str = ""
    ports: list[str] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)
    stop: str = ""
    entrypoint: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)

    def all(self, word: str) -> list[str]:
        """What stands after each such instruction."""
        return [rest for name, rest in self.instructions if name == word]


def image(name: str) -> Image:
    """`service` or `worker`."""
    lines = (DOCKER / f"{name}.Dockerfile").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#")).replace("\\\n", " ")
    instructions = [
        (word, rest.strip()) for word, _, rest in (line.partition(" ") for line in text.splitlines()) if word
    ]
    made = Image(instructions, [rest.split()[0] for word, rest in instructions if word == "FROM"])
    last = max(at for at, (word, _) in enumerate(instructions) if word == "FROM")
    for word, rest in instructions[last:]:
        match word:
            case "ENV":
                made.environment |= dict(pair.split("=", 1) for pair in shlex.split(rest))
            case "USER":
                made.user = rest
            case "EXPOSE":
                made.ports += rest.split()
            case "VOLUME":
                made.volumes += rest.split()
            case "STOPSIGNAL":
                made.stop = rest
            case "ENTRYPOINT":
                made.entrypoint = json.loads(rest)
            case "HEALTHCHECK":
                made.health = json.loads(rest.partition("CMD")[2])
    return made


def compose() -> dict[str, Any]:
    """compose.yaml, its merges resolved."""
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


def filled(value: str, variables: dict[str, str]) -> str:
    """A value of compose.yaml after it put in the variables."""

    def put(found: re.Match[str]) -> str:
        name, default = found[1], found[2] or ""
        if name in variables:
            return variables[name]
        assert not default.startswith(":?"), f"{name} is not given"
        return default.removeprefix(":-")

    return re.sub(r"\$\{(\w+)(:[-?][^}]*)?\}", put, value).replace("$$", "$")


def manifests(*, under: Path = KUBERNETES) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every Kubernetes object, with its file; no kustomizations, and no patches."""
    for path in sorted(under.rglob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            if isinstance(document, dict) and document["kind"] != "Kustomization":
                yield path, document


def kustomizations() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every kustomization, with its directory."""
    for path in sorted(KUBERNETES.rglob("kustomization.yaml")):
        yield path.parent, yaml.safe_load(path.read_text())


def containers() -> dict[str, dict[str, Any]]:
    """The pod template's only container of each workload, by its name; with the pod under `pod`."""
    found = {}
    for _, document in manifests():
        if document["kind"] in ("Deployment", "StatefulSet"):
            pod = document["spec"]["template"]["spec"]
            (container,) = pod["containers"]
            found[container["name"]] = container | {"pod": pod}
    return found
