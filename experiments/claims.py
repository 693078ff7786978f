"""What a paper claims and whether it holds here: every verdict is computed from the measurements.

`holds`: the difference points that way at every size compared, and over the seeds with 95 % confidence (paired).
`holds weaker`: it points that way on the whole, but not at every size, or not surely. `does not hold`: it does not
point that way, which need not be the other way. `not measured`: a size or a row of it is missing.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Protocol

from experiments.claim_kinds import UNMEASURED, Above, Chance, Gap, Judged, Near, Peak, Same, Smaller, Sooner, Trend
from experiments.compared import NotMeasured
from experiments.results import Results
from learngenes import config
from learngenes.errors import UnknownName


@dataclass(frozen=True, slots=True)
class Verdict:
    """says: the claim; here, paper: what was measured; why: what weakens it, or what explains it.

    undecided: the seeds can't tell what was measured from no difference, or from the limit.
    """

    id: str
    says: str
    verdict: str
    here: str
    paper: str
    why: str
    undecided: bool = False


class Claim(Protocol):
    """One sentence that measurements can refute. because: our explanation, where there is one."""

    id: str
    says: str
    paper: str
    because: str

    def judge(self, results: Results) -> Judged:
        """From the measurements alone; NotMeasured if some of them are not there."""


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


def check(claim: Claim, rows: Collection[str], learngenes: Collection[str]) -> None:
    """UnknownName if it speaks of a row, or Smaller of a learngene, that is not one of these."""
    kind, known = ("learngene", learngenes) if isinstance(claim, Smaller) else ("row", rows)
    fields = (getattr(claim, name, ()) for name in ("row", "learngene", "than"))
    named = [name for field in fields for name in ((field,) if isinstance(field, str) else field)]
    for name in named:
        if name not in known:
            raise UnknownName(f"{kind} of claim {claim.says!r}", name, known)


def verdict(claim: Claim, results: Results) -> Verdict:
    """Whether a claim holds."""
    try:
        found = claim.judge(results)
    except NotMeasured as missing:
        return Verdict(claim.id, claim.says, UNMEASURED, "", claim.paper, str(missing))
    why = "; ".join(part for part in (found.weak, claim.because) if part)
    return Verdict(claim.id, claim.says, found.verdict, found.here, claim.paper, why, found.undecided)
