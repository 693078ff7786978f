"""The budget box: what fits the limits in the address, ranked as POST /v1/plan ranks."""

from __future__ import annotations

from dataclasses import dataclass

from learngenes.budget.ranking import Ranking
from learngenes.catalog import Catalog
from learngenes.errors import InvalidValue
from learngenes_service.page import stock
from learngenes_service.page.asked import Asked

SHOWN = 8
"""Candidates in the box; POST /v1/plan lists as many as you like."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The ranking, or the sentence why there is none; neither if no limit was given."""

    ranking: Ranking | None = None
    fault: str = ""


def ranked(catalog: Catalog, asked: Asked) -> Answer:
    """What fits."""
    try:
        budget = asked.to_budget()
        if budget is None:
            return Answer()
        return Answer(stock.ranking(catalog, budget, dtype=asked.dtype or "f32", limit=SHOWN))
    except InvalidValue as error:
        return Answer(fault=str(error))
