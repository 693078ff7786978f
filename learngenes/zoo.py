"""All methods, typed out. Torch-free: planning needs a manifest and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from learngenes.families.vit import Geometry
from learngenes.gene import Manifest
from learngenes.methods.learngenepool import options as learngenepool_options
from learngenes.methods.learngenepool import plan as learngenepool
from learngenes.methods.mimetic import options as mimetic_options
from learngenes.methods.mimetic import plan as mimetic
from learngenes.methods.minideit import options as minideit_options
from learngenes.methods.minideit import plan as minideit
from learngenes.methods.scratch import options as scratch_options
from learngenes.methods.scratch import plan as scratch
from learngenes.methods.selection import options as selection_options
from learngenes.methods.selection import plan as selection
from learngenes.methods.simple_lg import options as simple_lg_options
from learngenes.methods.simple_lg import plan as simple_lg
from learngenes.methods.subcloning import options as subcloning_options
from learngenes.methods.subcloning import plan as subcloning
from learngenes.methods.sws import options as sws_options
from learngenes.methods.sws import plan as sws
from learngenes.methods.tleg import options as tleg_options
from learngenes.methods.tleg import plan as tleg
from learngenes.methods.vanilla_lg import options as vanilla_lg_options
from learngenes.methods.vanilla_lg import plan as vanilla_lg
from learngenes.methods.wave import options as wave_options
from learngenes.methods.wave import plan as wave
from learngenes.planning.blocks import Planned
from learngenes.sizes import Size, SizeSpace

Table = Literal["data", "training", "ancestor"]


@dataclass(frozen=True, slots=True)
class Method:
    """What a method can do without torch.

    space: the sizes a learngene of this geometry and these facts takes; plan: (manifest, size, options) -> Planned.
    options: the dataclass of its plan options; learning: that of its learn options, the job's [options]; fitting: that
    of its fit options, for a method of which sizes can be fitted on data, see fit_job.FitJob.
    varies: what a request may change. takes: tables of a job that it looks at; needs: those it can't do without.
    """

    title: str
    paper: str
    version: int
    space: Callable[[Geometry, dict[str, Any]], SizeSpace]
    plan: Callable[[Manifest, Size, Any], Planned]
    options: type[Any]
    learning: type[Any]
    varies: tuple[str, ...]
    takes: tuple[Table, ...] = ()
    needs: tuple[Table, ...] = ()
    fitting: type[Any] | None = None

    @property
    def fits(self) -> bool:
        """Whether a size can be fitted on data."""
        return self.fitting is not None


ALWAYS = ("num_classes", "labels", "img_size", "patch_size", "in_chans", "pool", "dtype")
"""What every method leaves open: the bridges around the blocks, and rounding."""

ALL: tuple[Table, ...] = ("data", "training", "ancestor")
TRAINED: tuple[Table, ...] = ("data", "training")
"""Needed by what is trained; whether it is also taught is its options' matter."""
TAKEN: tuple[Table, ...] = ("data", "ancestor")
"""Of an ancestor taken apart, which may have to be trained first."""

METHODS: dict[str, Method] = {
    "sws": Method(
        title="Stage-wise weight sharing",
        paper="SWS, IJCAI 2024",
        version=1,
        space=sws.space,
        plan=sws.plan,
        options=sws_options.PlanOptions,
        learning=sws_options.LearnOptions,
        varies=("depth", "width", *ALWAYS),
        takes=ALL,
        needs=TRAINED,
        fitting=sws_options.FitOptions,
    ),
    "tleg": Method(
        title="Linear expansion",
        paper="Transformer as Linear Expansion of Learngene, AAAI 2024, arXiv:2312.05614",
        version=1,
        space=tleg.space,
        plan=tleg.plan,
        options=tleg_options.PlanOptions,
        learning=tleg_options.LearnOptions,
        varies=("depth", "width", *ALWAYS),
        takes=ALL,
        needs=TRAINED,
    ),
    "wave": Method(
        title="Weight templates",
        paper="WAVE, CVPR 2025, arXiv:2406.17503",
        version=1,
        space=wave.space,
        plan=wave.plan,
        options=wave_options.PlanOptions,
        learning=wave_options.LearnOptions,
        varies=("depth", "width", *ALWAYS),
        takes=ALL,
        fitting=wave_options.FitOptions,
    ),
    "selection": Method(
        title="Weight selection",
        paper="Initializing Models with Larger Ones, ICLR 2024, arXiv:2311.18823",
        version=1,
        space=selection.space,
        plan=selection.plan,
        options=selection_options.PlanOptions,
        learning=selection_options.LearnOptions,
        varies=("depth", "width", *ALWAYS),
        takes=TAKEN,
        needs=("ancestor",),
    ),
    "subcloning": Method(
        title="Weight subcloning",
        paper="Weight subcloning, arXiv:2312.09299",
        version=1,
        space=subcloning.space,
        plan=subcloning.plan,
        options=subcloning_options.PlanOptions,
        learning=subcloning_options.LearnOptions,
        varies=("depth", "width", *ALWAYS),
        takes=TAKEN,
        needs=("data", "ancestor"),
        fitting=subcloning_options.FitOptions,
    ),
    "vanilla_lg": Method(
        title="Last layers of an ancestor",
        paper="Learngene, AAAI 2022, arXiv:2106.06788",
        version=1,
        space=vanilla_lg.space,
        plan=vanilla_lg.plan,
        options=vanilla_lg_options.PlanOptions,
        learning=vanilla_lg_options.LearnOptions,
        varies=("depth", "width", *ALWAYS),
        takes=TAKEN,
        needs=("ancestor",),
    ),
    "simple_lg": Method(
        title="Repeated layers, learned without repetition",
        paper="the ablation of SWS, IJCAI 2024",
        version=1,
        space=simple_lg.space,
        plan=simple_lg.plan,
        options=simple_lg_options.PlanOptions,
        learning=simple_lg_options.LearnOptions,
        varies=("depth", "width", *ALWAYS),
        takes=ALL,
        needs=TRAINED,
    ),
    "learngenepool": Method(
        title="Learngene pool",
        paper="Building Variable-sized Models via Learngene Pool, AAAI 2024, arXiv:2312.05743",
        version=1,
        space=learngenepool.space,
        plan=learngenepool.plan,
        options=learngenepool_options.PlanOptions,
        learning=learngenepool_options.LearnOptions,
        varies=("depth", "width", *ALWAYS),
        takes=ALL,
        needs=ALL,
    ),
    "minideit": Method(
        title="Mini-DeiT (weight multiplexing)",
        paper="MiniViT, CVPR 2022, arXiv:2204.07154",
        version=1,
        space=minideit.space,
        plan=minideit.plan,
        options=minideit_options.PlanOptions,
        learning=minideit_options.LearnOptions,
        varies=("num_classes", "labels", "dtype"),
        takes=ALL,
        needs=TRAINED,
    ),
    "scratch": Method(
        title="Scratch",
        paper="the usual start of a ViT, as in DeiT, arXiv:2012.12877",
        version=1,
        space=scratch.space,
        plan=scratch.plan,
        options=scratch_options.PlanOptions,
        learning=scratch_options.LearnOptions,
        varies=("depth", "width", *ALWAYS),
    ),
    "mimetic": Method(
        title="Mimetic initialization",
        paper="Mimetic Initialization of Self-Attention Layers, ICML 2023, arXiv:2305.09828",
        version=1,
        space=mimetic.space,
        plan=mimetic.plan,
        options=mimetic_options.PlanOptions,
        learning=mimetic_options.LearnOptions,
        varies=("depth", "width", *ALWAYS),
    ),
}
