"""Real clients in processes of their own, that know nothing but HF_ENDPOINT; and what they ask of the service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

HERE = Path(__file__).parent
NEWEST = ""
OLDER = ("hub-0.36", "hub-0.23")


class Told(Exception):
    """What a client raised. kinds: its class and those above it."""

    def __init__(self, message: str, kinds: list[str]) -> None:
        self.kinds = kinds
        super().__init__(message)


def environment(client: str, home: Path, endpoint: str, **more: str) -> dict[str, str]:
    """Of a client's process: older ones come before what is installed. home: an empty directory."""
    paths = [str(HERE / "guard")]
    if client:
        overlay = Path(sys.prefix) / "clients" / client
        assert (overlay / "huggingface_hub").is_dir(), (
            f"the older clients of tests/clients/{client}.txt are not in {overlay}: "
            f"`make {overlay}/.ready VENV={sys.prefix}` puts them there, and so does `make test`"
        )
        paths.append(str(overlay))
    base = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(home), "OMP_NUM_THREADS": "1"}
    hub = {"HF_HOME": str(home / "hf"), "HF_ENDPOINT": endpoint}
    return base | {"PYTHONPATH": os.pathsep.join(paths)} | hub | more


def outside(home: Path) -> list[str]:
    """Hosts that a client's processes looked for."""
    log = home / "outside.log"
    return [line.split()[1] for line in log.read_text().splitlines()] if log.exists() else []


class Driver:
    """A client's process, which does one step after the other."""

    def __init__(self, client: str, home: Path, endpoint: str, **more: str) -> None:
        self.home = home
        self._said = (home / "stderr").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "programs" / "driver.py")],
            env=environment(client, home, endpoint, **more),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )

    def __call__(self, step: str, *arguments: Any) -> Any:
        """What the step gives; Told if it fails."""
        assert self._process.stdin and self._process.stdout
        print(json.dumps([step, *arguments]), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        assert line, f"the client ended: {(self.home / 'stderr').read_text()[-2000:]}"
        answer = json.loads(line)
        if "error" in answer:
            raise Told(answer["error"], answer["kinds"])
        return answer["answer"]

    def said(self) -> str:
        """What the client wrote for its user."""
        return (self.home / "stderr").read_text()

    def close(self) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()
        self._said.close()


@contextmanager
def driving(client: str, home: Path, endpoint: str, **more: str) -> Iterator[Driver]:
    """A client's process until the block ends."""
    driver = Driver(client, home, endpoint, **more)
    try:
        yield driver
    finally:
        driver.close()


@dataclass(frozen=True)
class Asked:
    """One request as the service saw it."""

    method: str
    path: str
    status: int
    bytes: int


class Requests:
    """What is asked of a service, read from its own log."""

    def __init__(self, url: str, log: Path) -> None:
        self._url, self._log = url, log
        self._mark, self._from = 0, 0

    def new(self) -> list[Asked]:
        """Requests since the last time."""
        self._mark += 1
        path = f"/mark-{self._mark}"
        httpx.get(self._url + path)
        until = time.monotonic() + 10
        while time.monotonic() < until:
            rows = [json.loads(line) for line in self._log.read_text().splitlines()[self._from :]]
            found = [row for row in rows if row.get("event") == "request"]
            if any(row["path"] == path for row in found):
                self._from += len(rows)
                return [
                    Asked(row["method"], row["path"], row["status"], row["bytes"])
                    for row in found
                    if not row["path"].startswith("/mark-")
                ]
            time.sleep(0.02)
        raise AssertionError(f"the log of the service does not tell of {path}")
