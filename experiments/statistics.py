"""What several seeds say: means with 95 % intervals, and differences of runs that share their seeds, in points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from learngenes.budget.intervals import Interval, student

BySeed = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Mean:
    """Over seeds, in percent or points; interval: Student's, None of one seed; each: what every seed has."""

    value: float
    interval: Interval | None
    each: tuple[float, ...]

    @classmethod
    def of(cls, values: Sequence[float]) -> Mean:
        """Of shares (0..1)."""
        percent = [100 * value for value in values]
        return cls(fmean(percent), student(percent) if len(percent) > 1 else None, tuple(percent))

    @property
    def sure(self) -> bool:
        """Above zero with 95 % confidence; of one seed nothing is sure."""
        return self.lies_above(0.0)

    def lies_above(self, least: float) -> bool:
        """All of the interval."""
        return self.interval is not None and self.interval[0] > least

    def lies_below(self, most: float) -> bool:
        """All of the interval."""
        return self.interval is not None and self.interval[1] < most

    def __str__(self) -> str:
        if self.interval is None:
            return f"{self.value:z.1f}"
        return f"{self.value:z.1f} ± {self.interval[1] - self.value:.1f}"


def difference(better: Sequence[BySeed], worse: Sequence[BySeed]) -> Mean:
    """Mean of better - worse over cells, paired by seed: the interval is that of a paired t-test over the seeds.

    The sequences are the cells of two rows, in one order. Seeds that lack a cell are left out.
    """
    seeds = [seed for seed in better[0] if all(seed in cell for cell in (*better, *worse))]
    return Mean.of([fmean(b[seed] - w[seed] for b, w in zip(better, worse, strict=True)) for seed in seeds])
