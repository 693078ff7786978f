"""The files of a deployment: each as its own checker wants it, and all of one mind. Nothing is started here."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from cases.deployment import (
    DOCKER,
    DOCKERFILES,
    KUBERNETES,
    ROOT,
    YAML,
    compose,
    containers,
    filled,
    image,
    kustomizations,
    manifests,
)
from learngenes_service.embedded import server, supervisor
from learngenes_service.settings import MEANINGS, PREFIX, from_environment

IMAGES = ("service", "worker")
LINES = "{extends: default, rules: {line-length: {max: 140}, document-start: disable}}"
LONG_GRACE = supervisor.WORKER_SECONDS
GIVEN = {"REDIS_PASSWORD": "secret"}


def tool(name: str, *arguments: str | Path) -> None:
    """Run a checker of the virtual environment."""
    program = shutil.which(name, path=str(Path(sys.executable).parent)) or name
    done = subprocess.run([program, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_hadolint_finds_nothing_in_the_dockerfiles() -> None:
    assert [path.name for path in DOCKERFILES] == ["service.Dockerfile", "worker.Dockerfile"]
    tool("hadolint", *DOCKERFILES)


def test_yamllint_finds_nothing() -> None:
    tool("yamllint", "--strict", "-d", LINES, *YAML)


def test_compose_is_what_its_schema_says() -> None:
    tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", ROOT / "compose.yaml")


def test_every_object_of_kubernetes_is_what_its_schema_says() -> None:
    files = sorted({path for path, _ in manifests()})
    assert len(files) == 6
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


def test_every_variable_is_one_that_is_read() -> None:
    files = [*YAML, *DOCKERFILES, DOCKER / ".env.example", DOCKER / "nginx.conf", ROOT / "docs" / "deploying.md"]
    found = {name for path in files for name in re.findall(rf"\b{PREFIX}([A-Z_]+)", path.read_text())}
    assert found - {"KEY", "URL"} <= set(MEANINGS)
    assert {"DATA", "STORE", "REDIS_URL", "ANONYMOUS"} <= found


def test_the_settings_of_every_container_make_sense() -> None:
    base = {name: image(name).environment for name in IMAGES}
    for name, service in compose()["services"].items():
        if "learngenes" in service["image"]:
            given = {key: filled(value, GIVEN) for key, value in service["environment"].items()}
            settings = from_environment(base[Path(service["build"]["dockerfile"]).stem] | given)
            assert (settings.redis_url, settings.data) == ("redis://:secret@redis:6379/0", Path("/data")), name
            assert settings.anonymous == "read", "whoever may start jobs has a key"
    for directory, kustomization in kustomizations():
        for generator in kustomization.get("configMapGenerator", ()):
            literals = dict(line.split("=", 1) for line in generator["literals"])
            assert from_environment(base["service"] | literals).data == Path("/data"), directory


def test_example_variables_are_those_of_compose() -> None:
    text = (ROOT / "compose.yaml").read_text()
    asked = set(re.findall(r"\$\{(\w+)", text))
    given = set(re.findall(r"^(\w+)=", (DOCKER / ".env.example").read_text(), re.MULTILINE))
    assert asked == given


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_runs_as_nobody_special_and_can_be_asked_how_it_is(name: str) -> None:
    made = image(name)
    assert made.user == "10001:10001"
    assert made.stop == "SIGTERM"
    assert made.volumes == ["/data"]
    assert made.environment["LEARNGENES_DATA"] == "/data"
    assert made.entrypoint[0] == "learngenes-service"
    assert made.health
    assert not re.search(r"curl|wget", " ".join(made.health))
    assert f"--owner={made.user.split(':')[0]}" in " ".join(made.all("RUN"))


def test_every_image_from_elsewhere_is_pinned_to_a_version() -> None:
    named = [base for name in IMAGES for base in image(name).bases]
    named += [service["image"] for service in compose()["services"].values()]
    named += [container["image"] for container in containers().values()]
    for name in named:
        assert re.fullmatch(r"[a-z0-9./-]+:v?[0-9]+\.[0-9]+[a-z0-9.-]*", name), name
    assert len({base for name in IMAGES for base in image(name).bases}) == 1


@pytest.mark.parametrize("name", IMAGES)
def test_what_an_image_copies_is_there_and_not_ignored(name: str) -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = set()
    for rest in image(name).all("COPY"):
        if not rest.startswith("--from"):
            copied |= set(rest.split()[:-1])
    assert copied == kept
    assert all((ROOT / path).exists() for path in copied)


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_installs_extras_that_there_are_at_tested_versions(name: str) -> None:
    run = " ".join(image(name).all("RUN"))
    assert "--constraint constraints.txt" in run
    for where, extras in re.findall(r"'(\.|\./service)\[([a-z0-9,]+)\]'", run):
        declared = tomllib.loads((ROOT / where / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        assert set(extras.split(",")) <= declared.keys()
    assert ("[train," in run) == (name == "worker")


def test_make_asks_for_the_extras_that_it_names(tmp_path: Path) -> None:
    command = ["make", "--dry-run", "worker", f"VENV={tmp_path}", f"PYTHON={sys.executable}"]
    shown = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert shown.count("-e '.[train,gpu]' -e 'service[local]' -e client") == 2


def test_compose_scales_and_publishes_nginx_alone() -> None:
    services = compose()["services"]
    assert {"service", "worker", "redis", "nginx"} == {n for n, s in services.items() if not s.get("profiles")}
    assert {p for s in services.values() for p in s.get("profiles", ())} == {"gpu", "s3"}
    assert [name for name, service in services.items() if "ports" in service] == ["nginx"]
    assert not any("container_name" in service for service in services.values())
    assert services["nginx"]["ports"] == ["${HTTP_ADDRESS:-127.0.0.1}:${HTTP_PORT:-8000}:8080"]
    for name in ("service", "worker", "worker-gpu", "redis", "nginx"):
        assert (services[name]["restart"], services[name]["init"]) == ("unless-stopped", True)
    for name in ("worker", "worker-gpu"):
        assert services[name]["stop_grace_period"] == f"{LONG_GRACE:g}s"
    (device,) = services["worker-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]
    assert services["redis"]["networks"] == ["queue"]
    assert compose()["networks"]["queue"] == {"internal": True}


def test_the_queue_has_the_same_flags_everywhere() -> None:
    with_password = {"REDIS_PASSWORD": "$(REDIS_PASSWORD)"}
    ours = [filled(word, with_password) for word in compose()["services"]["redis"]["command"]]
    assert ours == containers()["redis"]["args"]
    flags = dict(zip(ours[1::2], ours[2::2], strict=True))
    private = server.command(Path("valkey-server"), Path("/data"))
    embedded = dict(zip(private[1::2], private[2::2], strict=True))
    for name in ("--appendonly", "--appendfsync", "--save", "--maxmemory-policy"):
        assert flags[name] == embedded[name]


def test_ports_paths_and_users_agree() -> None:
    service, worker = image("service"), image("worker")
    (port,) = service.ports
    services, pods = compose()["services"], containers()
    assert service.environment["LEARNGENES_PORT"] == port
    assert f"127.0.0.1:{port}/healthz" in service.health[-1]
    assert services["service"]["expose"] == [port]
    nginx = (DOCKER / "nginx.conf").read_text()
    assert f"set $service http://service:{port};" in nginx
    (listening,) = re.findall(r"listen (\d+);", nginx)
    assert services["nginx"]["ports"][0].endswith(f":{listening}")
    assert f"127.0.0.1:{listening}/" in services["nginx"]["healthcheck"]["test"][-1]
    assert services["nginx"]["volumes"] == ["./docker/nginx.conf:/etc/nginx/nginx.conf:ro"]
    assert pods["service"]["ports"] == [{"name": "http", "containerPort": int(port)}]
    assert services["service"]["volumes"] == ["data:/data"]
    assert services["worker"]["volumes"] == ["data:/data", "${IMAGES:-./images}:/images:ro"]
    assert worker.environment["LEARNGENES_IMAGES"] == "/images"
    assert {mount["mountPath"] for mount in pods["service"]["volumeMounts"]} == {"/data", "/tmp"}
    assert {mount["mountPath"] for mount in pods["worker"]["volumeMounts"]} == {"/data", "/images", "/tmp", "/dev/shm"}
    assert pods["worker"]["readinessProbe"]["exec"]["command"] == worker.health
    assert services["redis"]["healthcheck"]["test"][1] == pods["redis"]["readinessProbe"]["exec"]["command"][2]


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
    assert service["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    assert service["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert worker["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert next(entry["value"] for entry in worker["env"] if entry["name"] == "LEARNGENES_RANKS") == "1"
    kinds = {document["kind"] for _, document in manifests()}
    assert {"HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy", "StatefulSet"} <= kinds


def test_nginx_lets_bytes_and_events_through_as_they_come() -> None:
    text = (DOCKER / "nginx.conf").read_text()
    said = re.findall(r"^\s*([a-z_]+)\s+([^;{]*);", re.sub(r"#.*", "", text), re.MULTILINE)
    for wanted in (
        ("proxy_buffering", "off"),
        ("proxy_max_temp_file_size", "0"),
        ("proxy_http_version", "1.1"),
        ("proxy_set_header", "X-Request-ID $traced_id"),
        ("proxy_set_header", "Range $http_range"),
        ("resolver", "127.0.0.11 valid=5s ipv6=off"),
        ("proxy_pass", "$service"),
    ):
        assert wanted in said
    limit = next(value for name, value in said if name == "client_max_body_size")
    assert int(limit.removesuffix("m")) << 20 > from_environment({}).body_bytes
    assert text.count("{") == text.count("}")
