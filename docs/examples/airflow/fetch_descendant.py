"""A task that puts a descendant into a folder with curl alone: no Airflow, no torch, nothing of ours is imported.

So it runs in any image that has curl and Python 3.9 or newer, and by hand:

    python docs/examples/airflow/fetch_descendant.py http://127.0.0.1:8000 /tmp/descendant
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

REQUEST = {"learngene": "sws-small-cifar100@2", "depth": 6, "width": 192}
SHA256 = "68741fe4a67eb5a6d9d41a2c981719d8e12d2377e6c0f96f200eab54ac2d9908"
AS_JSON = ("--header", "Content-Type: application/json", "--header", "Accept: application/json", "--data")
FILES = ("model.safetensors", "config.json")


def fetch_descendant(zoo: str, folder: str, request: dict[str, Any] = REQUEST, sha256: str = SHA256) -> str:
    """Path of the checkpoint, which has this digest; config.json lies beside it.

    Asked again it downloads nothing. A cut download goes on where it was, in this attempt or the next.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    checkpoint = target / "model.safetensors"
    if checkpoint.is_file() and _sha256(checkpoint) == sha256:
        return str(checkpoint)
    document = json.loads(_curl(f"{zoo}/initialize", *AS_JSON, json.dumps(request)))
    for file in document["files"]:
        if file["name"] in FILES:
            part = target / f"{file['name']}.part"
            wanted = sha256 if file["name"] == checkpoint.name else file["sha256"]
            if not part.is_file() or _sha256(part) != wanted:
                _curl(zoo + file["url"], "--continue-at", "-", "--output", str(part))
            if (found := _sha256(part)) != wanted:
                part.unlink()
                raise ValueError(f"{file['name']} has sha256 {found}, and {wanted} was wanted")
            part.replace(target / file["name"])
    return str(checkpoint)


def _curl(url: str, *options: str) -> bytes:
    command = ["curl", "--fail-with-body", "--silent", "--show-error", "--retry", "5", "--retry-connrefused"]
    done = subprocess.run([*command, *options, url], capture_output=True)
    if done.returncode:
        raise RuntimeError(f"curl ended with {done.returncode}: {(done.stderr + done.stdout).decode(errors='replace')}")
    return done.stdout


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


if __name__ == "__main__":
    print(fetch_descendant(*sys.argv[1:3]))
