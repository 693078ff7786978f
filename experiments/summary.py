"""docs/results/evidence/README.md: all tables and all verdicts on one page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from experiments.grid import Table
from experiments.page import claims_legend, judged, lines
from experiments.results import Results


def summary(found: Sequence[tuple[Table, Results]]) -> str:
    """The page, from the tables that were measured."""
    verdicts = [(table, one) for table, results in found for one in judged(table, results)]
    counts = Counter(one.verdict for _, one in verdicts)
    counted = ", ".join(f"{n} {'hold' if v == 'holds' else v.replace('holds', 'hold')}" for v, n in counts.items())
    parts = [
        "# Evidence",
        "The papers' tables at small scale, by the code that learns and serves: learngene, recipe, descendant. Made by "
        "`python -m experiments`; what is declared stands in experiments/tables, every number in the JSON beside its "
        "page.",
        lines(
            ["table", "seeds", "hours of one worker"],
            [
                [f"[{table.title}]({table.name}.md)", ", ".join(results.seeds), f"{results.seconds / 3600:.1f}"]
                for table, results in found
            ],
        ),
        "## Verdicts",
        f"{len(verdicts)} claims: {counted.replace('does not hold', 'do not hold')}. O: what the papers report; B: "
        "what we tried to do better. What failed before it came to a table stands in [the log](../../log.md).",
        lines(
            ["", "claim", "verdict", "here", "the paper", "table"],
            [
                [one.id, one.says, f"**{one.verdict}**", one.here, one.paper, f"[{table.name}]({table.name}.md)"]
                for table, one in sorted(verdicts, key=lambda pair: _order(pair[1].id))
            ],
        ),
        claims_legend(),
    ]
    return "\n\n".join(parts) + "\n"


def _order(id: str) -> tuple[str, int]:
    letters = id.rstrip("0123456789")
    return letters, int(id.removeprefix(letters) or 0)
