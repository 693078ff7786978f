"""All methods, typed out. Torch-free: planning needs a manifest and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from learngenes.families.vit import Geometry
from learngenes.gene import Manifest
from learngenes.methods.sws import options as sws_options
from learngenes.methods.sws import plan as sws
from learngenes.recipe import Entry
from learngenes.sizes import Size, SizeSpace

Plan = tuple[tuple[int, ...], list[Entry]]
"""A layer map and the tensors of a network with the learngene's own head, in any order."""


@dataclass(frozen=True, slots=True)
class Method:
    """What a method can do without torch.

    space: the sizes that a learngene learned in this geometry takes; plan: (manifest, size, options) -> Plan.
    options: the dataclass of its plan options; varies: what a request may change.
    """

    title: str
    paper: str
    version: int
    space: Callable[[Geometry], SizeSpace]
    plan: Callable[[Manifest, Size, Any], Plan]
    options: type[Any]
    varies: tuple[str, ...]


METHODS: dict[str, Method] = {
    "sws": Method(
        title="Stage-wise weight sharing",
        paper="SWS, IJCAI 2024",
        version=1,
        space=sws.space,
        plan=sws.plan,
        options=sws_options.PlanOptions,
        varies=("depth", "num_classes", "dtype"),
    ),
}
