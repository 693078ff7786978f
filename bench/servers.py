"""The servers under measurement: child processes on loopback, started, awaited, and ended by their id."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import proc
from bench.network import free_port
from bench.readers import Ask, BadAnswer, fetch

ROOT = Path(__file__).parents[1]
_START_SECONDS, _STOP_SECONDS = 60.0, 15.0

_NGINX = """
{user}
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 512; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  default_type application/octet-stream;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    root {files};
    location = /healthz {{ return 200 "ok"; }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    port: int
    process: subprocess.Popen[bytes]
    start_seconds: float

    @property
    def pid(self) -> int:
        """The process that answers, if it is the only one."""
        return self.process.pid

    @property
    def pids(self) -> list[int]:
        """The process and its workers."""
        return proc.family(self.process.pid)

    def get(self, path: str) -> Ask:
        """A GET of it."""
        return Ask(self.port, path)

    def post(self, body: bytes) -> Ask:
        """A POST /initialize to it."""
        return Ask(self.port, "/initialize", body)


@dataclass(frozen=True, slots=True)
class Place:
    """Where everything of a run lies. data: the service's; files: whole descendants; logs: what servers print."""

    data: Path
    files: Path
    logs: Path


@contextmanager
def service(place: Place, *, also_import: str = "") -> Iterator[Server]:
    """Our service as `python -m learngenes_service` runs it; also_import: modules it imports before."""
    port = free_port()
    command = ["-m", "learngenes_service"]
    if also_import:
        command = ["-c", f"import sys, {also_import}; from learngenes_service.__main__ import main; sys.exit(main())"]
    settings = {
        "LEARNGENES_DATA": str(place.data),
        "LEARNGENES_DEFAULT": "random-384",
        "LEARNGENES_PORT": str(port),
    }
    with _running(place, port, [sys.executable, *command], settings) as server:
        yield server


@contextmanager
def file_app(place: Place) -> Iterator[Server]:
    """Starlette's FileResponse and StreamingResponse of whole files, on the server and loop our service uses."""
    port = free_port()
    with _running(place, port, [sys.executable, "-m", "bench.apps.files", str(port), str(place.files)]) as server:
        yield server


@contextmanager
def torch_app(place: Place) -> Iterator[Server]:
    """A service that builds every descendant with timm."""
    port = free_port()
    with _running(place, port, [sys.executable, "-m", "bench.apps.build", str(port), str(place.data)]) as server:
        yield server


@contextmanager
def nginx(place: Place) -> Iterator[Server | None]:
    """nginx with one worker and sendfile over whole files; None if it is not on PATH."""
    path = shutil.which("nginx")
    if path is None:
        yield None
        return
    port = free_port()
    folder = place.logs / "nginx"
    folder.mkdir()
    config = folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    config.write_text(_NGINX.format(user=user, folder=folder, port=port, files=place.files))
    with _running(place, port, [path, "-p", str(folder), "-c", str(config), "-e", "stderr"]) as server:
        yield server


@contextmanager
def _running(
    place: Place, port: int, command: list[str], settings: Mapping[str, str] | None = None
) -> Iterator[Server]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("LEARNGENES_")}
    # As anybody's Python: byte-compiled files are kept, or every start would pay for compiling.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    log = place.logs / f"{port}.log"
    with log.open("wb") as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment | dict(settings or {}), stdout=output, stderr=subprocess.STDOUT
        )
        try:
            _await_health(port, process, log)
            yield Server(port, process, time.perf_counter() - start)
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await_health(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            fetch(Ask(port, "/healthz"))
        except (OSError, BadAnswer):
            time.sleep(0.002)
        else:
            return
    raise RuntimeError(f"a server did not start: {process.args!r} says\n{log.read_text(errors='replace')[-2000:]}")
