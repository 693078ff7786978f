"""What matters in a ViT, measured on a few images without labels. Weight subcloning, arXiv:2312.09299, section 4.2.

The mean size of an activation is its importance; the paper draws which residual activations are summed only in a
figure, so both readings are here. Importance of whole blocks is ShortGPT's, arXiv:2403.03853.
"""

# B batch, T tokens, D width, H heads, L blocks, N hidden units of an MLP, F features of any layer

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from learngenes.errors import InvalidValue

Float64Array = np.ndarray[Any, np.dtype[np.float64]]
Int32Array = np.ndarray[Any, np.dtype[np.int32]]

Residual = Literal["stream", "branch"]
Hidden = Literal["after-gelu", "before-gelu"]


@dataclass(frozen=True, slots=True)
class Moments:
    """Means and second moments E[x x^T] over images and tokens, uncentred, per block: what least squares needs.

    proj (L, D, D) and proj_mean (L, D): of what enters attn.proj; fc2 (L, N, N) and fc2_mean (L, N): of mlp.fc2.
    """

    proj: Float64Array
    fc2: Float64Array
    proj_mean: Float64Array
    fc2_mean: Float64Array


@dataclass(frozen=True, slots=True)
class Scores:
    """Importance, higher is more: res (D), heads (L, H), hidden (L, N), blocks (L); float64, none below 0 by much.

    res: mean |x| summed over the network's places; heads: of what attention gives, averaged inside a head.
    blocks: 1 - E[cos(what enters, what leaves)].
    """

    res: Float64Array
    heads: Float64Array
    hidden: Float64Array
    blocks: Float64Array
    moments: Moments | None = None


@dataclass(frozen=True, slots=True)
class Rankings:
    """Indices, most important first, ties in their own order: res (D), heads (L, H), hidden (L, N), blocks (L)."""

    res: Int32Array
    heads: Int32Array
    hidden: Int32Array
    blocks: Int32Array


def measure(
    model: nn.Module,
    batches: Iterable[Tensor],
    *,
    residual: Residual = "stream",
    hidden: Hidden = "after-gelu",
    moments: bool = False,
) -> Scores:
    """Scores of a timm VisionTransformer over normalised images (B, C, H, W), on the model's device.

    residual: `stream` sums |x| after the embedding and after each of the 2 L additions; `branch` sums it over what is
    added: the patch embedding, and the outputs of proj and fc2. hidden: `before-gelu` takes the output of fc1.
    Each of these places weighs 1. A block that stands in several places, as in SWS, has scores for each.
    The model comes back as it was.
    """
    sums = _Sums()
    with torch.inference_mode(), _evaluating(model), _watched(model, sums, residual, hidden, moments=moments):
        for x_BCHW in batches:
            sums.block = 0
            model(x_BCHW)
    if not sums.tokens:
        raise InvalidValue("importance is measured on images and there were none; raise their number")
    network: Any = model
    depth = len(network.blocks)

    def mean(key: str) -> Float64Array:
        return np.stack([sums.mean(key, block) for block in range(depth)])

    attention_LD = mean("attention")
    return Scores(
        res=np.sum([sums.mean(*key) for key in sorted(sums.tokens) if key[0].startswith("res ")], axis=0),
        heads=attention_LD.reshape(depth, network.blocks[0].attn.num_heads, -1).mean(-1),
        hidden=mean("hidden"),
        blocks=1 - mean("cosine"),
        moments=Moments(mean("proj moment"), mean("fc2 moment"), mean("proj mean"), mean("fc2 mean"))
        if moments
        else None,
    )


def rankings(scores: Scores) -> Rankings:
    """The scores as orders."""
    return Rankings(*(_order(s) for s in (scores.res, scores.heads, scores.hidden, scores.blocks)))


def by_stage(scores: Scores, stages: Sequence[int]) -> Scores:
    """One row per stage instead of one per block: sums over the places of a stage, and of moments the mean.

    stages: number of blocks in each, all of them together; see methods.sws.
    """
    if sum(stages) != len(scores.blocks):
        raise InvalidValue(
            f"stages {', '.join(map(str, stages))} are {sum(stages)} blocks and the scores are of {len(scores.blocks)}"
        )
    parts = [slice(a, b) for a, b in pairwise(accumulate(stages, initial=0))]

    def summed(values: Float64Array) -> Float64Array:
        return np.stack([values[part].sum(0) for part in parts])

    def averaged(values: Float64Array) -> Float64Array:
        return np.stack([values[part].mean(0) for part in parts])

    moments = scores.moments
    return Scores(
        res=scores.res,
        heads=summed(scores.heads),
        hidden=summed(scores.hidden),
        blocks=summed(scores.blocks),
        moments=None
        if moments is None
        else Moments(*(averaged(m) for m in (moments.proj, moments.fc2, moments.proj_mean, moments.fc2_mean))),
    )


class _Sums:
    """Sums over tokens by (what, place), and which block is at work; a block may stand in several places."""

    def __init__(self) -> None:
        self.block = 0
        self.entered: Tensor | None = None
        self.tokens: dict[tuple[str, int], int] = {}
        self._sums: dict[tuple[str, int], Tensor] = {}

    def add(self, what: str, summed: Tensor, *, tokens: int) -> None:
        key = what, self.block
        self.tokens[key] = self.tokens.get(key, 0) + tokens
        self._sums[key] = self._sums[key] + summed if key in self._sums else summed

    def add_size(self, what: str, x_BTF: Tensor) -> None:
        """|x| of each feature."""
        self.add(what, x_BTF.abs().sum((0, 1), dtype=torch.float64), tokens=_tokens(x_BTF))

    def add_moments(self, what: str, x_BTF: Tensor) -> None:
        """x and x x^T."""
        x_SF = x_BTF.flatten(0, 1).double()  # S: tokens of all images
        self.add(f"{what} mean", x_SF.sum(0), tokens=len(x_SF))
        self.add(f"{what} moment", x_SF.T @ x_SF, tokens=len(x_SF))

    def add_cosine(self, before_BTD: Tensor, after_BTD: Tensor) -> None:
        cosine_BT = F.cosine_similarity(before_BTD.double(), after_BTD.double(), dim=-1)
        self.add("cosine", cosine_BT.sum(), tokens=_tokens(after_BTD))

    def mean(self, what: str, place: int) -> Float64Array:
        mean: Float64Array = (self._sums[what, place] / self.tokens[what, place]).cpu().numpy()
        return mean


@contextmanager
def _watched(model: nn.Module, sums: _Sums, residual: Residual, hidden: Hidden, *, moments: bool) -> Iterator[None]:
    """Hooks that fill the sums, gone afterwards. Each module gets its hooks once, however often it stands there."""
    network: Any = model
    handles: list[RemovableHandle] = []

    def entering(module: nn.Module, then: Callable[[Tensor], None]) -> None:
        handles.append(module.register_forward_pre_hook(lambda _, args: then(args[0])))

    def leaving(module: nn.Module, then: Callable[[Tensor], None]) -> None:
        handles.append(module.register_forward_hook(lambda _, args, output: then(output)))

    def block_enters(x_BTD: Tensor) -> None:
        if residual == "stream" and sums.block == 0:
            sums.add_size("res embedding", x_BTD)
        sums.entered = x_BTD

    def block_leaves(x_BTD: Tensor) -> None:
        assert sums.entered is not None
        if residual == "stream":
            sums.add_size("res fc2", x_BTD)
        sums.add_cosine(sums.entered, x_BTD)
        sums.block += 1

    try:
        if residual == "branch":
            leaving(network.patch_embed, lambda x_BTD: sums.add_size("res embedding", x_BTD))
        for block in dict.fromkeys(network.blocks):
            entering(block, block_enters)
            if residual == "stream":
                entering(block.norm2, lambda x_BTD: sums.add_size("res proj", x_BTD))
            else:
                leaving(block.attn.proj, lambda x_BTD: sums.add_size("res proj", x_BTD))
                leaving(block.mlp.fc2, lambda x_BTD: sums.add_size("res fc2", x_BTD))
            entering(block.attn.proj, lambda x_BTD: sums.add_size("attention", x_BTD))
            if hidden == "before-gelu":
                leaving(block.mlp.fc1, lambda x_BTN: sums.add_size("hidden", x_BTN))
            else:
                entering(block.mlp.fc2, lambda x_BTN: sums.add_size("hidden", x_BTN))
            if moments:
                entering(block.attn.proj, lambda x_BTD: sums.add_moments("proj", x_BTD))
                entering(block.mlp.fc2, lambda x_BTN: sums.add_moments("fc2", x_BTN))
            leaving(block, block_leaves)
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """In evaluation mode, and every module back to what it was."""
    before = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in before.items():
            module.training = training


def _order(scores: Float64Array) -> Int32Array:
    return np.argsort(-scores, axis=-1, kind="stable").astype(np.int32)


def _tokens(x_BTF: Tensor) -> int:
    return x_BTF.shape[0] * x_BTF.shape[1]
