"""The accuracies of a tuning, epoch by epoch, beside its checkpoint: a tuning that is resumed does not repeat them.

An epoch is written when it ends, before the checkpoint; one that is trained again from an older checkpoint gives the
same value again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from learngenes.job import Report


@dataclass(frozen=True, slots=True)
class Curve:
    """checkpoint: of the tuning; the curve lies beside it."""

    checkpoint: Path

    @property
    def _path(self) -> Path:
        return self.checkpoint.with_suffix(".curve.json")

    def listening(self, report: Report) -> Report:
        """The report, which also keeps the accuracy of every epoch that ends."""

        def heard(event: dict[str, Any]) -> None:
            if event["event"] == "epoch":
                self._keep(event["epoch"], event["accuracy"])
            report(event)

        return heard

    def values(self) -> tuple[float, ...]:
        """Accuracy after every epoch so far, first epoch first."""
        return tuple(self._read())

    def forget(self) -> None:
        """Delete it."""
        self._path.unlink(missing_ok=True)

    def _keep(self, epoch: int, accuracy: float) -> None:
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps([*self._read()[:epoch], accuracy]), "utf-8")
        part.replace(self._path)

    def _read(self) -> list[float]:
        try:
            return [float(value) for value in json.loads(self._path.read_text("utf-8"))]
        except FileNotFoundError:
            return []
