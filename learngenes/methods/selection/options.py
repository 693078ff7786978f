"""The choices of weight selection, as they stand in a TOML file or a request. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from learngenes.planning.depth import Grow
from learngenes.planning.width import Heads, WidthOptions


@dataclass(frozen=True, slots=True)
class LearnOptions:
    """None: the ancestor is stored as it is."""


@dataclass(frozen=True, slots=True)
class PlanOptions(WidthOptions):
    """Rows and columns as in WidthOptions; the defaults are the paper's, where the widths divide to the last bit.

    heads: `blend` mixes the parent's heads as the authors' code does; `published` is that code also where it misaligns.
    keep: which layers stay when fewer are wanted, the paper's is `first`; grow: how a depth above the ancestor's is
    reached, which the paper leaves out. See planning.depth.chosen.
    head: `keep` picks the classifier's columns like any other; `fresh` starts it anew. The paper starts it anew unless
    the labels are the same, and a learngene's own labels are.
    """

    heads: Heads = "blend"
    keep: Literal["first", "uniform", "middle-drop"] = "first"
    grow: Grow = "zero"
    head: Literal["keep", "fresh"] = "keep"
