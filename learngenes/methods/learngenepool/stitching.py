"""What stitches start from: least squares between two networks, or layers that mapped an ancestor to the small one."""

# B batch, T tokens, D width of the small network, E width of the large one, N = all images * T

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from learngenes.families.stitched import paths
from learngenes.training.features import Student, embedded


def least_squares_stitches(small: nn.Module, large: nn.Module, images: Iterable[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Weight (E, D) and bias (E) of every window: the mean over its paths of the best fit from leaving to entering.

    images: batches (B, C, H, W), normalised. Of a path (i, j) what block i of the small network gives is fitted to
    what block j of the large one takes: for j = 0 its embeddings. The authors' code wraps around there and fits to the
    output of the last block. SN-Net, arXiv:2302.06586, starts its stitches in this way.
    """
    shown = list(images)
    front, back = _tokens(small, shown), _tokens(large, shown)
    blocks = len(front) - 1
    windows: list[list[tuple[Tensor, Tensor]]] = [[] for _ in range(blocks - 1)]
    for path in paths(blocks):
        windows[path.window].append(least_squares(front[path.leave + 1], back[path.enter]))
    return [(_mean(weight for weight, _ in found), _mean(bias for _, bias in found)) for found in windows]


def transposed_mean(small: Student) -> Tensor:
    """Weight (E, D) of all stitches: the transposed mean of the layers that mapped the ancestor's blocks, each (D, E).

    As the authors' code does it; biases stay as drawn.
    """
    layers: Any = small.blocks
    return _mean(layer.weight.detach().cpu() for layer in layers).T


def least_squares(x_ND: Tensor, y_NE: Tensor) -> tuple[Tensor, Tensor]:
    """weight (E, D) and bias (E) of the linear layer that comes closest to y for x: pinv([x, 1]) y, in float64."""
    x = torch.cat((x_ND.double(), torch.ones(len(x_ND), 1, dtype=torch.float64, device=x_ND.device)), dim=1)
    solved = torch.linalg.pinv(x) @ y_NE.double()
    return solved[:-1].T.float().cpu(), solved[-1].float().cpu()


def _tokens(model: Any, images: list[Tensor]) -> list[Tensor]:
    """What a timm ViT's first block takes, and what each block gives: each (N, width)."""
    before = model.training
    model.eval()
    seen: list[list[Tensor]] = [[] for _ in range(len(model.blocks) + 1)]
    for batch in images:
        x_BTD = embedded(model, batch)
        seen[0].append(x_BTD.flatten(0, 1))
        for kept, block in zip(seen[1:], model.blocks, strict=True):
            x_BTD = block(x_BTD)
            kept.append(x_BTD.flatten(0, 1))
    model.train(before)
    return [torch.cat(kept) for kept in seen]


def _mean(tensors: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(tensors)).mean(dim=0)
