"""The files of a deployment: each as its own checker wants it, and all of one mind. Nothing is started here."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from cases.deployment import (
    DOCKER,
    DOCKERFILES,
    LONG_GRACE,
    ROOT,
    YAML,
    compose,
    containers,
    filled,
    image,
    kustomizations,
    tool,
)
from learngenes_service.embedded import server
from learngenes_service.settings import MEANINGS, PREFIX, from_environment

IMAGES = ("service", "worker")
LINES = "{extends: default, rules: {line-length: {max: 140}, document-start: disable}}"
GIVEN = {"REDIS_PASSWORD": "secret"}


def test_hadolint_finds_nothing_in_the_dockerfiles() -> None:
    assert [path.name for path in DOCKERFILES] == ["service.Dockerfile", "worker.Dockerfile"]
    tool("hadolint", *DOCKERFILES)


def test_yamllint_finds_nothing() -> None:
    tool("yamllint", "--strict", "-d", LINES, *YAML)


def test_compose_is_what_its_schema_says() -> None:
    tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", ROOT / "compose.yaml")


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
    for base in (base for name in IMAGES for base in image(name).bases):
        assert re.search(r":[0-9]+\.[0-9]+\.[0-9]+-", base), f"{base} would change by itself"
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
    assert "--constraint constraints.txt --build-constraint constraints.txt" in run
    pinned = {line.split("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()}
    for where in (".", "./service"):
        (builder,) = tomllib.loads((ROOT / where / "pyproject.toml").read_text())["build-system"]["requires"]
        assert re.split("[<>=]", builder)[0] in pinned
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
    assert compose()["networks"]["queue"] == {"internal": True}
    among: dict[str, set[str]] = {}
    for name, service in services.items():
        for network in service["networks"]:
            among.setdefault(network, set()).add(name)
    assert among == {
        "front": {"nginx", "service"},
        "queue": {"service", "worker", "worker-gpu", "redis"},
        "back": {"service", "worker", "worker-gpu", "s3", "s3-bucket"},
    }


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
    # Downloads and compiled code are large, and /tmp is memory in compose.
    for name in ("HOME", "TORCHINDUCTOR_CACHE_DIR"):
        assert worker.environment[name].startswith("/data/")
    assert {mount["mountPath"] for mount in pods["service"]["volumeMounts"]} == {"/data", "/tmp"}
    assert {mount["mountPath"] for mount in pods["worker"]["volumeMounts"]} == {"/data", "/images", "/tmp", "/dev/shm"}
    assert pods["worker"]["readinessProbe"]["exec"]["command"] == worker.health
    assert services["redis"]["healthcheck"]["test"][1] == pods["redis"]["readinessProbe"]["exec"]["command"][2]


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
