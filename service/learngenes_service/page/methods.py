"""Every method in one honest sentence."""

from __future__ import annotations

SENTENCES = {
    "sws": "A few blocks, learned to be repeated: good untuned near the depth they were learned at, weaker far away.",
    "tleg": "Every block is a point on one learned line: two stored blocks give any depth; how good one is "
    "untuned, its curve tells.",
    "wave": "Small templates shared by all layers; a new size first learns its few mixing numbers on a little data.",
    "selection": "Takes a larger network's first layers and evenly spread rows and columns: free, and meant to be "
    "trained on, since untuned it knows little.",
    "subcloning": "Keeps the most important neurons of a larger network, rescaled, and drops its middle blocks; meant "
    "to be trained on.",
    "vanilla_lg": "The last layers of a trained network above fresh ones: knows nothing until it is trained.",
    "simple_lg": "Repeats the layers of an ordinary network that never learned to be repeated: the control for SWS.",
    "learngenepool": "Crosses from a small into a large network over a learned stitch: few sizes, each one learned.",
    "minideit": "One compressed network whose blocks share weights: it makes its one size, for comparison.",
    "scratch": "Nothing learned, only fresh values: the baseline every method has to beat.",
    "mimetic": "Fresh values shaped like those of trained attention: needs neither data nor an ancestor, and knows "
    "nothing until it is trained.",
}
"""By the names of zoo.METHODS; a test walks both."""
