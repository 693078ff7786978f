"""Imported by every Python of a client's process: whoever looks outside the loopback is written down and refused."""

import os
import sys
from pathlib import Path

_HERE = ("127.", "::1", "localhost")
_OUTSIDE = Path(os.environ["HF_HOME"]).parent / "outside.log"


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None
    else:
        return
    name = host.decode() if isinstance(host, bytes) else host
    if not isinstance(name, str) or name.startswith(_HERE):
        return
    with _OUTSIDE.open("a") as out:
        out.write(f"{event} {name} by {Path(sys.argv[0]).name}\n")
    raise OSError(f"{name} is outside: {event}")


sys.addaudithook(_watch)
