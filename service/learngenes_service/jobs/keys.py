"""Idempotency-Key: the same key and the same body get the same answer for a day; the key with another body is refused.

jobs/keys/<sha256 of caller and key>    {"body": its sha256, "time"}; made before anything is asked
"""

from __future__ import annotations

import contextlib
import hashlib
import json

from learngenes.errors import BlobExists, BlobNotFound
from learngenes_service.jobs.records import Records
from learngenes_service.problems import ProblemResponse, Refusal

KEPT_SECONDS = 86400.0
LONGEST = 255


def claim(records: Records, key: str, body: bytes, *, by: str | None) -> float | None:
    """When this key was first sent with this body; None if it is just now. Refusal if it came with another body."""
    if not 0 < len(key) <= LONGEST:
        raise Refusal(
            ProblemResponse(422, "invalid-request", f"Idempotency-Key has 1 to {LONGEST} characters, got {len(key)}")
        )
    place = f"jobs/keys/{hashlib.sha256(json.dumps([by, key]).encode()).hexdigest()}"
    now, digest = records.now(), hashlib.sha256(body).hexdigest()
    written = json.dumps({"body": digest, "time": now}).encode()
    while True:
        try:
            records.store.create(place, [written])
        except BlobExists:
            pass
        else:
            return None
        try:
            known = json.loads(records.store.read(place))
        except BlobNotFound:
            continue
        if now - known["time"] > KEPT_SECONDS:
            with contextlib.suppress(BlobNotFound):
                records.store.delete(place)
            continue
        if known["body"] != digest:
            raise Refusal(
                ProblemResponse(
                    422, "idempotency-key-reused", "this Idempotency-Key came with another body: take a new key"
                )
            )
        return float(known["time"])


def forget(records: Records) -> None:
    """Drop keys that are older than a day."""
    for place in list(records.store.keys("jobs/keys")):
        with contextlib.suppress(BlobNotFound):
            if records.now() - json.loads(records.store.read(place))["time"] > KEPT_SECONDS:
                records.store.delete(place)
