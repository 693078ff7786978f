"""Every command that a container runs, run outside one: read from the Dockerfiles and compose.yaml, not copied."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import factories
import pytest
from cases.deployment import DOCKER, compose, filled, image
from learngenes_service.embedded import server
from redis import Redis

from learngenes.store.local import LocalStore

PASSWORD = "a-password-of-letters"  # pragma: allowlist secret
PROGRAMS = Path(sys.executable).parent
NGINX = shutil.which("nginx")


@dataclass
class Stack:
    """What compose.yaml would start, on this machine: where each answers, and its process."""

    data: Path
    service_port: int
    redis_port: int
    processes: dict[str, subprocess.Popen[bytes]]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.service_port}"

    def environment(self, name: str) -> dict[str, str]:
        """Of a container, with paths and ports of this machine."""
        given = {
            key: filled(value, {"REDIS_PASSWORD": PASSWORD}).replace("redis:6379", f"127.0.0.1:{self.redis_port}")
            for key, value in compose()["services"][name]["environment"].items()
        }
        return {
            **{key: value.replace("/data", str(self.data)) for key, value in image(name).environment.items()},
            **given,
            "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "LEARNGENES_HOST": "127.0.0.1",
            "LEARNGENES_PORT": str(self.service_port),
            "LEARNGENES_DEFAULT": "tiny",
        }

    def start(self, name: str, command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        with (self.data.parent / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        return self.processes[name]

    def healthy(self, name: str) -> bool:
        """Whether the HEALTHCHECK of an image says so."""
        command = [word.replace(":8000/", f":{self.service_port}/") for word in image(name).health]
        return not subprocess.run(command, env=self.environment(name), stderr=subprocess.DEVNULL).returncode

    def stop(self, name: str, *, within_seconds: float) -> int:
        """Its exit code after the signal of its image."""
        process = self.processes.pop(name)
        process.send_signal(getattr(signal, image(name).stop))
        return process.wait(within_seconds)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Queue, service and worker, each by the command of its container."""
    data = tmp_path_factory.mktemp("stack") / "data"
    large = factories.learngene(name="large", stages=(1, 1, 1), width=256, heads=4)
    factories.catalog(None, factories.learngene(), large, store=LocalStore(data / "store"))
    running = Stack(data, free_port(), free_port(), {})
    words = [filled(word, {"REDIS_PASSWORD": PASSWORD}) for word in compose()["services"]["redis"]["command"]]
    words[0], words[words.index("--dir") + 1] = str(server.binary()), str(data)
    try:
        running.start("redis", [*words, "--port", str(running.redis_port)], {})
        running.start("service", image("service").entrypoint, running.environment("service"))
        running.start("worker", image("worker").entrypoint, running.environment("worker"))
        until(lambda: running.healthy("service"), running)
        yield running
    finally:
        for process in running.processes.values():
            process.terminate()  # a master that is killed leaves its workers behind
        for process in running.processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def until(holds: Callable[[], Any], stack: Stack, *, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if holds():
                return
        time.sleep(0.1)
    raise AssertionError("\n".join(path.read_text()[-2000:] for path in stack.data.parent.glob("*.log")))


def test_the_queue_asks_for_its_password_and_keeps_what_it_is_given(stack: Stack) -> None:
    redis = Redis(port=stack.redis_port, password=PASSWORD)
    settings = cast("dict[str, str]", redis.config_get("*"))
    assert (settings["appendonly"], settings["save"], settings["maxmemory-policy"]) == ("yes", "", "noeviction")
    with socket.create_connection(("127.0.0.1", stack.redis_port)) as stranger:
        stranger.sendall(b"PING\r\n")
        assert stranger.recv(100).startswith(b"-NOAUTH")
    kind, command = compose()["services"]["redis"]["healthcheck"]["test"]
    client = shutil.which("valkey-cli") or shutil.which("redis-cli")
    assert (kind, command) == ("CMD-SHELL", "valkey-cli ping | grep PONG")
    if client is None:  # as on a machine whose server is the wheel's: what the client would send
        assert redis.ping()
        return
    command = command.replace("valkey-cli", f"{client} -p {stack.redis_port}")
    for password, status in ((PASSWORD, 0), ("another", 1)):
        environment = {"PATH": os.environ["PATH"], "REDISCLI_AUTH": password}
        assert subprocess.run(["sh", "-c", command], env=environment, capture_output=True).returncode == status


def test_the_worker_says_that_it_is_heard_by_the_queue(stack: Stack) -> None:
    until(lambda: stack.healthy("worker"), stack)


def test_the_service_is_healthy_and_ready(stack: Stack) -> None:
    assert stack.healthy("service")
    assert get(f"{stack.url}/readyz")[0] == 200


def configuration(folder: Path, *, port: int, service_port: int, **also: str) -> Path:
    """docker/nginx.conf, with ports and paths of this machine. also: what else to put in place of what."""
    text = (DOCKER / "nginx.conf").read_text()
    for ours, here in (
        ("service:8000", f"127.0.0.1:{service_port}"),
        ("listen 8080", f"listen 127.0.0.1:{port}"),
        ("/tmp/", f"{folder}/"),
        # Docker's DNS is in a container alone.
        ("resolver 127.0.0.11 valid=5s ipv6=off;", ""),
        *also.items(),
    ):
        assert ours in text
        text = text.replace(ours, here)
    conf = folder / "nginx.conf"
    conf.write_text("daemon off;\n" + text)
    subprocess.run([str(NGINX), "-t", "-c", str(conf), "-p", str(folder)], check=True, capture_output=True)
    return conf


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed; the same bytes without it: test_descendants.py")
def test_nginx_passes_ranges_ids_and_refusals_through(stack: Stack, tmp_path: Path) -> None:
    port = free_port()
    conf = configuration(tmp_path, port=port, service_port=stack.service_port)
    stack.start("nginx", [str(NGINX), "-c", str(conf), "-p", str(tmp_path)], {})
    front = f"http://127.0.0.1:{port}"
    until(lambda: get(f"{front}/healthz")[0] == 200, stack)
    _, headers, whole = get(f"{stack.url}/initialize", b'{"learngene": "large", "depth": 48}')
    assert len(whole) > 100_000_000
    path, etag = headers["content-location"], headers["etag"]
    assert get(f"{front}/initialize", b'{"learngene": "large", "depth": 48}')[2] == whole
    status, headers, body = get(f"{front}{path}", **{"Range": "bytes=1000-70000000", "If-Range": etag})
    assert (status, body) == (206, whole[1000:70_000_001])
    assert headers["content-range"] == f"bytes 1000-70000000/{len(whole)}"
    assert get(f"{front}{path}", **{"If-None-Match": etag})[0] == 304
    assert get(f"{front}/healthz", **{"X-Request-ID": "asked-by-me"})[1]["x-request-id"] == "asked-by-me"
    assert re.fullmatch(r"[\w-]{8,}", get(f"{front}/healthz")[1]["x-request-id"])
    status, headers, _ = get(f"{front}/initialize", b" " * 1_500_000)
    assert (status, headers["content-type"]) == (413, "application/problem+json"), "the service's own words"
    assert get(f"{front}/metrics")[0] == 404
    assert get(f"{stack.url}/metrics")[0] == 200


class Echo(BaseHTTPRequestHandler):
    """Answers with whom and what it was told of a request."""

    def do_GET(self) -> None:
        said = f"{self.headers['X-Forwarded-For']} {self.headers['X-Forwarded-Proto']}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
@pytest.mark.parametrize(
    ("named", "told"),
    [("192.0.2.1", b"127.0.0.1 http"), ("127.0.0.1", b"203.0.113.7 https")],
    ids=["stranger", "named"],
)
def test_nginx_believes_who_asks_from_a_proxy_that_is_named_alone(
    stack: Stack, tmp_path: Path, named: str, told: bytes
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as echo:
        threading.Thread(target=echo.serve_forever).start()
        port = free_port()
        uncommented = {
            "# set_real_ip_from 192.0.2.1;": f"set_real_ip_from {named};",
            "# 192.0.2.1 1;": f"{named} 1;",
        }
        conf = configuration(tmp_path, port=port, service_port=echo.server_port, **uncommented)
        stack.start(named, [str(NGINX), "-c", str(conf), "-p", str(tmp_path)], {})
        front = f"http://127.0.0.1:{port}/"
        until(lambda: get(front)[0] == 200, stack)
        # A client said the first, the proxy added the second.
        forwarded = {"X-Forwarded-For": "198.51.100.1, 203.0.113.7", "X-Forwarded-Proto": "https"}
        assert get(front, **forwarded)[2] == told
        echo.shutdown()


def test_the_signal_of_its_image_ends_each_in_order(stack: Stack) -> None:
    assert stack.stop("worker", within_seconds=20) == 0
    assert stack.stop("service", within_seconds=20) == 0


def get(url: str, body: bytes | None = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers with small names, body."""
    request = urllib.request.Request(url, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, {name.lower(): value for name, value in error.headers.items()}, error.read()
