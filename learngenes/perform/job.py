"""Any job."""

from __future__ import annotations

from learngenes.job import Stopped
from learngenes.perform.evaluate import evaluate
from learngenes.perform.fit_size import fit_size
from learngenes.perform.learn import learn
from learngenes.perform.workplace import Outcome, Workplace
from learngenes.spec import Evaluate, FitSize, Learn, Spec, Tournament


def perform(spec: Spec, at: Workplace) -> Outcome | Stopped | None:
    """Do a job, or go on with it; None in ranks that have nothing to say of its outcome."""
    match spec:
        case Learn():
            return learn(spec, at)
        case FitSize():
            return fit_size(spec, at)
        case Evaluate():
            return evaluate(spec, at)
        case Tournament():
            from learngenes.perform.tournament import tournament

            return tournament(spec, at)
