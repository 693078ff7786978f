"""The measurements of all seeds, as the page reads them."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import Any

Found = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Results:
    """The cells of every seed, by name."""

    seeds: dict[str, Found]

    def top1(self, cell: str) -> float:
        """Mean accuracy over the seeds, in percent."""
        return 100 * fmean(found[cell]["top1"] for found in self.seeds.values())

    def each(self, cell: str, what: str = "top1") -> list[Any]:
        """One value a seed."""
        return [found[cell][what] for found in self.seeds.values()]

    def rows(self, table: str) -> list[str]:
        """Names of the rows of a table, in the order they were measured."""
        return list(
            dict.fromkeys(
                cell.split("/")[1] for cell in next(iter(self.seeds.values())) if cell.startswith(f"{table}/")
            )
        )

    def columns(self, table: str, row: str) -> list[str]:
        """What stands behind a row's name."""
        start = f"{table}/{row}/"
        return [cell.removeprefix(start) for cell in next(iter(self.seeds.values())) if cell.startswith(start)]

    def show(self, cell: str) -> str:
        """The mean, and the seeds' smallest and largest."""
        values = [100 * value for value in self.each(cell)]
        return f"{fmean(values):.1f} ({min(values):.1f}–{max(values):.1f})" if len(values) > 1 else f"{values[0]:.1f}"
