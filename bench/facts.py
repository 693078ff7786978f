"""What the numbers depend on: hardware, kernel, versions. Nothing that names a person, a machine or a day."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
from pathlib import Path

PACKAGES = (
    "learngenes",
    "learngenes-service",
    "uvicorn",
    "uvloop",
    "httptools",
    "starlette",
    "fastapi",
    "numpy",
    "torch",
    "timm",
    "safetensors",
)


def facts(folder: Path, *, network: str) -> dict[str, str]:
    """Name and value, to print in this order. folder: where the files lay."""
    return {
        "processor": f"{_cpu()}, {os.cpu_count()} cores",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "files on": _file_system(folder),
        "network": network,
        "python": platform.python_version(),
        "packages": ", ".join(f"{name} {version}" for name in PACKAGES if (version := _version(name))),
        "nginx": _nginx() or "not on PATH: left out",
    }


def load() -> float:
    """Processes that wanted a core in the last minute."""
    return os.getloadavg()[0]


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def _file_system(folder: Path) -> str:
    best, kind = "", "unknown"
    for line in Path("/proc/mounts").read_text().splitlines():
        _, where, name = line.split()[:3]
        if folder.resolve().is_relative_to(where) and len(where) >= len(best):
            best, kind = where, name
    return kind


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _nginx() -> str:
    path = shutil.which("nginx")
    if path is None:
        return ""
    printed = subprocess.run([path, "-v"], capture_output=True, text=True, check=True, timeout=10).stderr
    return printed.strip().rpartition("/")[2] + ", 1 worker, sendfile on, its other settings as they come"
