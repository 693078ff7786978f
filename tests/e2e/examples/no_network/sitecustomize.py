"""Imported by every Python that has this folder on its path: who opens a socket or looks for a host is refused."""

import sys


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event in ("socket.__new__", "socket.getaddrinfo", "socket.connect"):
        raise OSError(f"there is no network here: {event}")


sys.addaudithook(_refuse)
