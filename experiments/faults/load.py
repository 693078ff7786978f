"""Many downloads at once while a job trains: are the bytes right, and what does the service hold meanwhile?"""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from experiments.faults.broken import begun
from experiments.faults.cluster import Cluster, cluster

BODY = json.dumps({"depth": 9, "width": 384}).encode()
PIECE_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Load:
    """downloads: at once, of file_bytes each; wrong: how many differ from the file's sha256.

    before_bytes, peak_bytes: anonymous memory of the service. steps_meanwhile: how far the job went on.
    """

    downloads: int
    file_bytes: int
    wrong: int
    seconds: float
    before_bytes: int
    peak_bytes: int
    steps_meanwhile: int


def measure(root: Path, *, downloads: int) -> Load:
    """Start a job, then `downloads` readers at once."""
    with cluster(root) as at:
        document = at.ask("POST", "/initialize", json.loads(BODY))
        file = document["files"][0]
        run = begun(at)
        service = at.services[-1].pid
        before, step, began = anonymous_bytes(service), at.step(run.job), time.monotonic()
        peak, done = [before], threading.Event()

        def watch() -> None:
            while not done.wait(0.05):
                peak.append(anonymous_bytes(service))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            found = asyncio.run(_all(at, downloads))
        finally:
            done.set()
            watcher.join()
        seconds = time.monotonic() - began
        wrong = sum(one != file["sha256"] for one in found)
        return Load(downloads, file["bytes"], wrong, round(seconds, 1), before, max(peak), at.step(run.job) - step)


async def _all(at: Cluster, downloads: int) -> list[str]:
    return await asyncio.gather(*(_download(at.url) for _ in range(downloads)))


async def _download(url: str) -> str:
    """sha256 of what POST /initialize sends."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    head = ("POST /initialize HTTP/1.1", f"Host: {address.netloc}", f"Content-Length: {len(BODY)}", "Connection: close")
    writer.write("\r\n".join((*head, "", "")).encode() + BODY)
    answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 "), answer.decode(errors="replace")
    sha256 = hashlib.sha256()
    while piece := await reader.read(PIECE_BYTES):
        sha256.update(piece)
    writer.close()
    return sha256.hexdigest()


def anonymous_bytes(pid: int) -> int:
    """Memory of a process that is no file's."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no Anonymous line")
