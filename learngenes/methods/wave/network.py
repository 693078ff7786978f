"""The auxiliary network of WAVE: a ViT whose tensors are made of templates and scalers in every forward pass."""

# B batch, C channels, H height, W width, K classes; l layer, n template, a b place in the grid, i j place in a block

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn

from learngenes.families.vit import Geometry, block_shapes, frame_shapes
from learngenes.job import FloatArray
from learngenes.methods.wave.facts import Facts, at, cuts, scalers_name, templates_name
from learngenes.methods.wave.grids import Cut
from learngenes.sizes import Size
from learngenes.sources import Order
from learngenes.training.expanded import Expanded, TensorTree
from learngenes.training.steps import drawn as drawn_at
from learngenes.training.vit import arrays

_SIZE = 6
"""Key of the draw of a step's size."""


class Templated(Expanded):
    """The network of one size. templates: by tensor, with `head.bias` among them; scalers: by tensor."""

    def __init__(
        self, geometry: Geometry, facts: Facts, templates: TensorTree, scalers: TensorTree, *, drop_path: float = 0.0
    ) -> None:
        super().__init__(geometry, drop_path=drop_path)
        self.facts, self.templates, self.scalers = facts, templates, scalers
        self._cuts = cuts(geometry, facts)

    def tensors(self) -> dict[str, Tensor]:
        """All tensors of the network."""
        geometry = self.geometry
        shapes = block_shapes(geometry) | frame_shapes(geometry)
        made: dict[str, Tensor] = {"head.bias": self.templates["head.bias"]}
        for name, (cut, _, in_blocks) in self._cuts.items():
            scalers = self.scalers[name] if in_blocks else self.scalers[name][None]
            values = together(scalers, self.templates[name], cut, self.facts.order)
            if in_blocks:
                made |= {f"blocks.{i}.{name}": v.reshape(shapes[name]) for i, v in enumerate(values)}
            else:
                made[name] = values[0].reshape(shapes[name])
        return made

    def no_weight_decay(self) -> set[str]:
        """All but what makes up weight matrices."""
        kept = {name for name, (cut, _, _) in self._cuts.items() if cut.inputs or name == "patch_embed.proj.weight"}
        return {name for name, _ in self.named_parameters() if not name.endswith(tuple(f".{k}" for k in kept))}


class Auxiliary(Templated):
    """Networks of several sizes with the same templates, of which every training step uses one.

    The first is the geometry's own, which evaluation sees. Which one a step takes follows from (seed, step): the
    number of steps taken is part of the state.
    """

    def __init__(
        self, geometry: Geometry, facts: Facts, tensors: Mapping[str, Tensor], *, seed: int, drop_path: float = 0.0
    ) -> None:
        first, *others = facts.sizes
        tree = TensorTree(
            {"head.bias": tensors["head.bias"]}
            | {name: tensors[templates_name(name)] for name in cuts(geometry, facts)}
        )
        super().__init__(geometry, facts, tree, _tree(first, tensors), drop_path=drop_path)
        self.others = nn.ModuleList(
            Templated(at(geometry, size), facts, tree, _tree(size, tensors), drop_path=drop_path) for size in others
        )
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.steps: Tensor
        self._seed = seed

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Logits (B, K), in training of the step's network."""
        if not self.training or not self.others:
            return super().forward(x_BCHW)
        chosen = drawn_at(len(self.others) + 1, seed=self._seed, key=_SIZE, step=int(self.steps))
        self.steps += 1
        logits_BK: Tensor = self.others[chosen - 1](x_BCHW) if chosen else super().forward(x_BCHW)
        if dist.is_available() and dist.is_initialized():  # ranks wait for a gradient of every parameter
            logits_BK = logits_BK + 0 * sum(p.sum() for p in self.parameters())
        return logits_BK

    def stored(self) -> dict[str, FloatArray]:
        """What the learngene stores: templates, head.bias, and the scalers of all sizes."""
        made = {
            name if name == "head.bias" else templates_name(name): t for name, t in self.templates.tensors().items()
        }
        networks: Sequence[Templated] = (self, *self.others)
        for size, network in zip(self.facts.sizes, networks, strict=True):
            made |= {scalers_name(size, name): tensor for name, tensor in network.scalers.tensors().items()}
        return arrays(made)


def together(scalers: Tensor, templates: Tensor, cut: Cut, order: Order) -> Tensor:
    """The tensors of all layers, (l, rows, columns), from scalers (l, n, *grid) and templates (n, *block)."""
    layers, terms = scalers.shape[:2]
    (rows, columns), (height, width) = cut.grid, cut.block
    s_lnab = scalers.reshape(layers, terms, rows, columns)
    blocks_labij = torch.einsum("lnab,nij->labij", s_lnab, templates.reshape(terms, height, width))
    if order == "scaler-first":
        apart = blocks_labij.permute(0, 1, 3, 2, 4)
    else:
        parted = blocks_labij.reshape(layers, cut.parts, rows // cut.parts, columns, height, width)
        apart = parted.permute(0, 1, 4, 2, 5, 3)
    made = apart.reshape(layers, rows * height, columns * width)
    return 1 + made if cut.ones else made


def drawn(geometry: Geometry, facts: Facts) -> dict[str, Tensor]:
    """A start from torch's generator: templates N(0, 0.02^2), scalers N(0, 1 / templates), head.bias zero.

    Sums then have a standard deviation of 0.02, the usual start of a ViT; scales of norms start near one.
    """
    made = {"head.bias": torch.zeros(geometry.classes)}
    for name, (cut, terms, _) in cuts(geometry, facts).items():
        made[templates_name(name)] = 0.02 * torch.randn(terms, *cut.template)
    for size in facts.sizes:
        for name, (cut, terms, in_blocks) in cuts(at(geometry, size), facts).items():
            shape = (size.depth, terms, *cut.scalers) if in_blocks else (terms, *cut.scalers)
            made[scalers_name(size, name)] = torch.randn(shape) * terms**-0.5
    return made


def _tree(size: Size, tensors: Mapping[str, Tensor]) -> TensorTree:
    prefix = scalers_name(size, "")
    return TensorTree({name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)})
