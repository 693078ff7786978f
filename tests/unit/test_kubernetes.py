"""The Kubernetes manifests: as their schemas want them, what overlays build of them, and numbers that fit."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from cases.deployment import (
    KUBERNETES,
    LONG_GRACE,
    ROOT,
    compose,
    containers,
    image,
    kustomizations,
    manifests,
    tool,
)
from learngenes_service.settings import from_environment


def test_every_object_of_kubernetes_is_what_its_schema_says() -> None:
    files = sorted({path for path, _ in manifests()})
    assert len(files) == 5
    tool("kubernetes-validate", "--strict", "--quiet", *files)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl, which builds overlays, is not installed")
@pytest.mark.parametrize("overlay", ["pvc", "s3"])
def test_what_an_overlay_builds_is_what_the_schemas_say(overlay: str, tmp_path: Path) -> None:
    built = tmp_path / "built.yaml"
    command = ["kubectl", "kustomize", str(KUBERNETES / "overlays" / overlay)]
    built.write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)
    tool("kubernetes-validate", "--strict", "--quiet", built)
    volumes = {
        document["metadata"]["name"]: document["spec"]["template"]["spec"]["volumes"][0]
        for document in yaml.safe_load_all(built.read_text())
        if document["kind"] == "Deployment"
    }
    kinds = {(volume["name"], *sorted(volume.keys() - {"name"})) for volume in volumes.values()}
    assert kinds == {("data", "persistentVolumeClaim" if overlay == "pvc" else "emptyDir")}


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl, which builds overlays, is not installed")
def test_the_patch_that_the_docs_give_puts_a_claim_where_images_are(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "deploying.md").read_text()
    (patch,) = re.findall(r"```yaml\n(.*?MY-IMAGES.*?)```", text, re.DOTALL)
    tree = tmp_path / "kubernetes"
    shutil.copytree(KUBERNETES, tree)
    with (tree / "overlays" / "s3" / "kustomization.yaml").open("a") as kustomization:
        kustomization.write(patch)
    command = ["kubectl", "kustomize", str(tree / "overlays" / "s3")]
    built = tmp_path / "built.yaml"
    built.write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)
    tool("kubernetes-validate", "--strict", "--quiet", built)
    (worker,) = (
        document
        for document in yaml.safe_load_all(built.read_text())
        if (document["kind"], document["metadata"]["name"]) == ("Deployment", "learngenes-worker")
    )
    volumes = {volume["name"]: volume for volume in worker["spec"]["template"]["spec"]["volumes"]}
    assert volumes["images"] == {
        "name": "images",
        "persistentVolumeClaim": {"claimName": "MY-IMAGES", "readOnly": True},
    }
    assert "emptyDir" in volumes["data"]


def test_what_is_written_to_a_volume_fits_into_it() -> None:
    """With the store in S3: cache, as much again for other dtypes, and on a worker the run of its job."""
    (literals,) = (
        dict(line.split("=", 1) for line in generator["literals"])
        for directory, kustomization in kustomizations()
        for generator in kustomization.get("configMapGenerator", ())
        if directory.name == "s3"
    )
    for name in ("service", "worker"):
        own = {entry["name"]: entry["value"] for entry in containers()[name]["env"] if "value" in entry}
        settings = from_environment({**image(name).environment, **literals, **own})
        most = 2 * settings.cache_bytes + (settings.run_bytes if name == "worker" else 0)
        limits = {
            volume["name"]: volume.get("emptyDir", {}).get("sizeLimit")
            for volume in containers()[name]["pod"]["volumes"]
        }
        assert most + settings.free_bytes < _bytes(limits["data"]), name


def test_the_queue_may_hold_half_of_the_memory_that_its_container_has() -> None:
    words = compose()["services"]["redis"]["command"]
    most = _bytes(words[words.index("--maxmemory") + 1])
    assert 2 * most == _bytes(compose()["services"]["redis"]["mem_limit"])
    assert 2 * most == _bytes(containers()["redis"]["resources"]["limits"]["memory"])


def _bytes(text: str) -> int:
    """Of Kubernetes' and of Docker's way to write a size."""
    number, unit = re.fullmatch(r"([0-9]+)(Mi|Gi|mb?|gb?)", text).groups()  # type: ignore[union-attr]
    return int(number) << {"m": 20, "g": 30}[unit[0].lower()]


def test_every_kustomization_names_what_is_there() -> None:
    objects = {(document["kind"], document["metadata"]["name"]) for _, document in manifests()}
    seen = 0
    for directory, kustomization in kustomizations():
        named = [*kustomization.get("resources", ()), *(patch["path"] for patch in kustomization.get("patches", ()))]
        for name in named:
            assert (directory / name).exists(), f"{directory}: {name}"
        present = {path.name for path in directory.glob("*.yaml")} - {"kustomization.yaml"}
        assert present == {name for name in named if name.endswith(".yaml")}
        for patch in kustomization.get("patches", ()):
            assert (patch["target"]["kind"], patch["target"]["name"]) in objects
            for operation in yaml.safe_load((directory / patch["path"]).read_text()):
                # The list it changes is there in what it changes.
                assert _reaches(patch["target"]["name"], operation)
                seen += 1
    assert seen == 8


def _reaches(name: str, operation: dict[str, Any]) -> bool:
    at: Any = next(document for _, document in manifests() if document["metadata"]["name"] == name)
    *steps, last = operation["path"].strip("/").split("/")
    for step in steps:
        at = at[int(step)] if isinstance(at, list) else at[step]
    match operation["op"]:
        case "test":
            return bool(at[last] == operation["value"])
        case "remove":
            return last in at
        case _:
            return isinstance(at, list) if last == "-" else isinstance(at, dict)


@pytest.mark.parametrize("name", ["service", "worker", "redis"])
def test_a_pod_is_confined_and_leaves_in_order(name: str) -> None:
    container = containers()[name]
    pod = container["pod"]
    user = int(image("service").user.split(":")[0])
    context = pod["securityContext"]
    assert (context["runAsNonRoot"], context["runAsUser"], context["fsGroup"]) == (True, user, user)
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["terminationGracePeriodSeconds"] == (LONG_GRACE if name == "worker" else 30)
    assert pod["automountServiceAccountToken"] is False


def test_the_service_is_probed_where_it_answers_and_workers_have_their_gpu() -> None:
    service, worker = containers()["service"], containers()["worker"]
    for probe, path in (("startup", "/healthz"), ("liveness", "/healthz"), ("readiness", "/readyz")):
        assert service[f"{probe}Probe"]["httpGet"] == {"path": path, "port": "http"}
        assert service[f"{probe}Probe"]["timeoutSeconds"] == (10 if probe == "readiness" else 5)
    assert worker["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert next(entry["value"] for entry in worker["env"] if entry["name"] == "LEARNGENES_RANKS") == "1"
    kinds = {document["kind"] for _, document in manifests()}
    assert {"HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy", "StatefulSet"} <= kinds
