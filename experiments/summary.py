"""docs/results/evidence/README.md: all tables and all verdicts on one page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from experiments.claims import HOLDS, NOT, UNMEASURED, WEAKER
from experiments.grid import Table
from experiments.page import claims_legend, judged, lines
from experiments.results import Results

_SAID = {HOLDS: "hold", WEAKER: "hold weaker", NOT: "do not hold", UNMEASURED: "are not measured"}


def summary(found: Sequence[tuple[Table, Results]], unmeasured: Sequence[Table]) -> str:
    """The page, from the tables that were measured and those that were only declared."""
    verdicts = [(table, one) for table, results in found for one in judged(table, results)]
    counts = Counter(one.verdict for _, one in verdicts)
    counted = ", ".join(f"{counts[verdict]} {said}" for verdict, said in _SAID.items() if counts[verdict])
    undecided = sum(one.undecided for _, one in verdicts if one.verdict == WEAKER)
    parts = [
        "# Evidence",
        "The papers' tables at small scale, by the code that learns and serves: learngene, recipe, descendant. Made by "
        "`python -m experiments`; what is declared stands in experiments/tables, every number in the JSON beside its "
        "page.",
        lines(
            ["table", "seeds", "hours of one core or GPU"],
            [
                [f"[{table.title}]({table.name}.md)", ", ".join(results.seeds), f"{results.seconds / 3600:.1f}"]
                for table, results in found
            ],
        ),
        "What several tables need counts in the hours of each.",
        *([_declared(unmeasured)] if unmeasured else []),
        "## Verdicts",
        f"{len(verdicts)} claims: {counted}. Of those that hold weaker, {undecided} point that way and the seeds can't "
        "tell them from no difference, or from the limit. O: what the papers report, and controls of ours where the "
        "paper's column says so; B: what we tried to do better. What failed before it came to a table stands in "
        "[the log](../../log.md).",
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


def _declared(tables: Sequence[Table]) -> str:
    """What nobody measured yet."""
    told = []
    for table in tables:
        ids = ", ".join(dict.fromkeys(claim["id"] for claim in table.claims))
        where = f"[{table.name}.toml](../../../experiments/tables/{table.name}.toml)"
        told.append(f"- {table.title} ({ids}): {where}" + (f"; needs {table.needs}" if table.needs else ""))
    return "Declared and not measured:\n\n" + "\n".join(told)


def _order(id: str) -> tuple[str, int]:
    letters = id.rstrip("0123456789")
    return letters, int(id.removeprefix(letters) or 0)
