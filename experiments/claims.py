"""What a paper claims and whether it holds here: every verdict is computed from the measurements.

`holds`: the difference points that way at every size compared, and over the seeds with 95 % confidence (paired).
`holds weaker`: it points that way on the whole, but not at every size, or not surely. `does not hold`: it does not
point that way, which need not be the other way. `not measured`: a size or a row of it is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from experiments import compared
from experiments.claim_kinds import UNMEASURED, Above, Chance, Gap, Near, Peak, Same, Smaller, Sooner, Trend
from experiments.compared import NotMeasured
from experiments.results import Results
from learngenes import config
from learngenes.errors import UnknownName


@dataclass(frozen=True, slots=True)
class Verdict:
    """says: the claim; here, paper: what was measured; why: what weakens it, or what explains it."""

    id: str
    says: str
    verdict: str
    here: str
    paper: str
    why: str

    @property
    def undecided(self) -> bool:
        """Whether the seeds can't tell what was measured from no difference, or from the limit."""
        return compared.UNSURE in self.why and compared.REVERSED not in self.why


class Claim(Protocol):
    """One sentence that measurements can refute. because: our explanation, where there is one."""

    id: str
    says: str
    paper: str
    because: str

    def judge(self, results: Results) -> tuple[str, str, str]:
        """Verdict, what was measured, what weakens it."""


CLAIMS: dict[str, type[Any]] = {
    claim.kind: claim for claim in (Above, Same, Trend, Peak, Gap, Chance, Near, Sooner, Smaller)
}


def parse(table: dict[str, Any]) -> Claim:
    """A claim as a TOML table declares it, by its `kind`."""
    kind = table.get("kind", "")
    if kind not in CLAIMS:
        raise UnknownName("kind of claim", kind, CLAIMS)
    rest = {key: value for key, value in table.items() if key != "kind"}
    claim: Claim = config.parse(rest, CLAIMS[kind], where=f"claim {table.get('says', '')!r}")
    return claim


def check(claim: Claim, rows: Sequence[str]) -> None:
    """UnknownName if it speaks of a row that is not one of these."""
    for row in (getattr(claim, "row", rows[0]), getattr(claim, "than", rows[0])):
        if isinstance(row, str) and row not in rows:
            raise UnknownName(f"row of claim {claim.says!r}", row, rows)


def verdict(claim: Claim, results: Results) -> Verdict:
    """Whether a claim holds."""
    try:
        found, here, weak = claim.judge(results)
    except NotMeasured as missing:
        return Verdict(claim.id, claim.says, UNMEASURED, "", claim.paper, str(missing))
    why = "; ".join(part for part in (weak, claim.because) if part)
    return Verdict(claim.id, claim.says, found, here, claim.paper, why)
