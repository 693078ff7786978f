"""All methods that can learn, typed out. Importing this imports torch."""

from __future__ import annotations

from learngenes.fit_job import Fitter
from learngenes.job import Learner
from learngenes.methods.learngenepool import learn as learngenepool
from learngenes.methods.mimetic import learn as mimetic
from learngenes.methods.minideit import learn as minideit
from learngenes.methods.scratch import learn as scratch
from learngenes.methods.selection import learn as selection
from learngenes.methods.simple_lg import learn as simple_lg
from learngenes.methods.subcloning import fit as subcloning_fit
from learngenes.methods.subcloning import learn as subcloning
from learngenes.methods.sws import fit as sws_fit
from learngenes.methods.sws import learn as sws
from learngenes.methods.tleg import learn as tleg
from learngenes.methods.vanilla_lg import learn as vanilla_lg
from learngenes.methods.wave import fit as wave_fit
from learngenes.methods.wave import learn as wave

LEARNERS: dict[str, Learner] = {
    "sws": sws.learn,
    "wave": wave.learn,
    "selection": selection.learn,
    "subcloning": subcloning.learn,
    "learngenepool": learngenepool.learn,
    "minideit": minideit.learn,
    "tleg": tleg.learn,
    "simple_lg": simple_lg.learn,
    "vanilla_lg": vanilla_lg.learn,
    "scratch": scratch.learn,
    "mimetic": mimetic.learn,
}

FITTERS: dict[str, Fitter] = {"sws": sws_fit.fit, "wave": wave_fit.fit, "subcloning": subcloning_fit.fit}
"""Those that can fit a learngene to one size on data."""
