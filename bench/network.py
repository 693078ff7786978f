"""A network of our own: loopback alone, with reno, so that no pacing by the machine's default hides a difference."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_CONGESTION = Path("/proc/sys/net/ipv4/tcp_congestion_control")


def isolate() -> str:
    """Move this process and all it starts later to a private network namespace; says what the runs really had.

    Call it before any thread or socket is made. Needs root; without it the machine's own network is used.
    """
    if os.geteuid() != 0:
        return f"the machine's own network with {congestion()} (a private one needs root: ratios are less sure)"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        reason = os.strerror(ctypes.get_errno())
        return f"the machine's own network with {congestion()} (no private one: {reason}; ratios are less sure)"
    _loopback_up()
    try:
        _CONGESTION.write_text("reno")
    except OSError as error:
        return f"a private network namespace with {congestion()} (reno can't be set: {error.strerror})"
    return f"a private network namespace with {congestion()}"


def congestion() -> str:
    """The congestion control that new connections get."""
    return _CONGESTION.read_text().strip() if _CONGESTION.exists() else "unknown congestion control"


def free_port() -> int:
    """A port nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _loopback_up() -> None:
    with socket.socket() as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))
