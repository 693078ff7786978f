"""Where an open job stands, as the queue tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an open job stands. position: in its queue, 0 is next; worker: that runs it; progress: as last told."""

    position: int | None
    worker: str | None
    progress: dict[str, Any] | None
    listeners: int
