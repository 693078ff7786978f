"""Asking a service to publish, and what may go wrong on the way."""

from __future__ import annotations

import json
import socket
import struct
import urllib.parse
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import httpx
from cases import checkpoints
from cases.checkpoints import sha256

Start = Callable[..., AbstractContextManager[Any]]
RAW = checkpoints.raw()


def put(by: httpx.Client, raw: bytes) -> httpx.Response:
    return by.put(f"/v1/blobs/{sha256(raw)}", content=raw)


def push(by: httpx.Client, raw: bytes = RAW, **body: Any) -> httpx.Response:
    assert put(by, raw).status_code in (200, 201)
    return by.post("/v1/learngenes", json={"sha256": sha256(raw)} | body)


def code(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["code"]


def staged(service: Any) -> list[str]:
    """What lies about of uploads that came to nothing."""
    folders = [service.data / "uploads", service.data / "store" / "staged"]
    return [path.name for folder in folders if folder.is_dir() for path in folder.iterdir()]


def client(service: Any, key: str | None) -> httpx.Client:
    return httpx.Client(base_url=service.url, headers={"Authorization": f"Bearer {key}"} if key else {}, timeout=30)


def raw_request(service: Any, text: str, body: bytes) -> socket.socket:
    address = urllib.parse.urlsplit(service.url)
    opened = socket.create_connection((address.hostname or "", address.port or 0), 10)
    opened.sendall(text.encode() + body)
    return opened


def attacks() -> dict[str, bytes]:
    """Bytes that are not the safetensors we accept."""

    def made(header: bytes, body: bytes = b"", length: int | None = None) -> bytes:
        return struct.pack("<Q", len(header) if length is None else length) + header + body

    def entry(start: int, stop: int, *, name: str = "a", dtype: str = "F32") -> str:
        shape = [(stop - start) // 4]
        return f'"{name}":{{"dtype":"{dtype}","shape":{json.dumps(shape)},"data_offsets":[{start},{stop}]}}'

    return {
        "a header of 2^63 bytes": made(b"{}", length=1 << 63),
        "a header of 2 MB": made(b"{}".ljust(2 << 20)),
        "overlapping offsets": made(f"{{{entry(0, 8)},{entry(4, 12, name='b')}}}".encode(), bytes(12)),
        "a gap": made(f"{{{entry(0, 4)},{entry(8, 12, name='b')}}}".encode(), bytes(12)),
        "a name that climbs": made(f"{{{entry(0, 4, name='../../x')}}}".encode(), bytes(4)),
        "a name with a NUL": made(b"{" + entry(0, 4, name="a\\u0000b").encode() + b"}", bytes(4)),
        "duplicate keys": made(f"{{{entry(0, 4)},{entry(0, 4)}}}".encode(), bytes(4)),
        "pickle": b"\x80\x04\x95\x1d\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
        "a zip": b"PK\x03\x04" + bytes(60),
        "trailing bytes": RAW + b"x",
        "cut short": RAW[:-1],
        "a dtype we do not read": made(f"{{{entry(0, 4, dtype='F64')}}}".encode(), bytes(4)),
        "10,001 tensors": made(("{" + ",".join(entry(0, 0, name=f"{i:x}") for i in range(10_001)) + "}").encode()),
        "JSON without end": made(b'{"a":' + b"[" * 50_000),
        "nothing": b"",
    }
