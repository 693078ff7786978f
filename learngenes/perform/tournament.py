"""Methods compared at one size; the report is all that comes of it."""

from __future__ import annotations

from learngenes.errors import InvalidValue
from learngenes.job import Stopped
from learngenes.perform.workplace import Outcome, Workplace, alone
from learngenes.spec import Tournament


def tournament(spec: Tournament, at: Workplace) -> Outcome | Stopped:
    """Learn and measure what the run directory does not hold yet, in this process; InvalidValue in one of several."""
    from learngenes.tournament.run import Venue, play

    if not alone():
        raise InvalidValue("a tournament runs in one process; start it without torchrun")
    report = play(spec.job, Venue(at.need_catalog(), at.run, at.data, at.report, at.stop))
    return report if isinstance(report, Stopped) else Outcome(report=report)
