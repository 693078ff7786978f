"""docs/results/evidence/README.md: all tables and all verdicts on one page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from experiments.claim_kinds import HOLDS, NOT, UNMEASURED, WEAKER
from experiments.grid import Table
from experiments.page import claims_legend, judged, lines
from experiments.results import Results

AGAIN = """
`make evidence-smoke` runs a small table on scikit-learn's digits from nothing, in about two minutes of two cores.
Every other table reads real images from the directory that `--data` names, which we do not ship: Fashion-MNIST as
`fashion_mnist/train.parquet` and `fashion_mnist/test.parquet`, CIFAR-100 as `cifar100/train.parquet` and
`cifar100/test.parquet`, each in its original order and in the Hugging Face layout. That is a column `image` of
`{bytes, path}`, the bytes of a PNG, WebP or JPEG file, and a column `label` of whole numbers (the 100 fine ones); the
names of the classes stand in the file's metadata or, as a list, in `classes.json` beside it. `make evidence TABLES="t1
t3" DATA=data` then makes these pages anew.
"""

_SAID = {HOLDS: "hold", WEAKER: "hold weaker", NOT: "do not hold", UNMEASURED: "are not measured"}


def summary(found: Sequence[tuple[Table, Results]], unmeasured: Sequence[Table]) -> str:
    """The page, from the tables that were measured and those that were only declared."""
    verdicts = [(table, one) for table, results in found for one in judged(table, results)]
    counts = Counter(one.verdict for _, one in verdicts)
    counted = ", ".join(f"{counts[verdict]} {said}" for verdict, said in _SAID.items() if counts[verdict])
    open = {said: sum(one.undecided for _, one in verdicts if one.verdict == said) for said in (WEAKER, NOT)}
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
        "What several tables share was done once, and is counted in the hours of each.",
        *([_declared(unmeasured)] if unmeasured else []),
        f"## Doing it again\n{AGAIN.rstrip()}",
        "## Verdicts",
        f"{len(verdicts)} claims: {counted}. In {open[WEAKER]} of the {counts[WEAKER]} that hold weaker and "
        f"{open[NOT]} of the {counts[NOT]} that do not hold, the seeds can't tell what was measured from no "
        "difference, or from the limit; the pages say why. O: what the papers report, and controls of ours where the "
        "paper's column says so; B: what we tried to do better. What failed before it came to a table stands in "
        "[the log](../../log.md).",
        "No images were held out for choosing: how SWS learns on Fashion-MNIST (batches of 64, no crops) and how sizes "
        "are calibrated (100 steps at 0.01) was chosen once, on test images, for all rows alike.",
        lines(
            ["", "claim", "verdict", "here", "the paper", "images", "table"],
            [
                [
                    one.id,
                    one.says,
                    f"**{one.verdict}**",
                    one.here,
                    one.paper,
                    table.setting.title.partition(",")[0],
                    f"[{table.name}]({table.name}.md)",
                ]
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
