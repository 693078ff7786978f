"""All methods that can learn, typed out. Importing this imports torch."""

from __future__ import annotations

from learngenes.job import Learner
from learngenes.methods.sws import learn as sws

LEARNERS: dict[str, Learner] = {"sws": sws.learn}
