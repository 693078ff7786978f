"""Mini-DeiT in torch: timm's VisionTransformer around blocks that borrow the linear layers of a shared set.

MiniViT, arXiv:2204.07154. The parameters have the names of families.mini.
"""

# B batch, T tokens, D width, H heads, K head dimension, P buckets of relative positions

from __future__ import annotations

from typing import Any, Literal

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from learngenes.families.mini import MiniGeometry, bucket
from learngenes.training import vit

Mix = Literal["normal", "identity"]
MIX_STD = 0.02
"""Of the cut normal that the authors' code draws head-mixing matrices from."""


def network(geometry: MiniGeometry, *, drop_path: float = 0.0, mix: Mix = "normal") -> nn.Module:
    """A fresh network; drop_path grows linearly from 0 at the first block to this rate at the last.

    mix: head-mixing matrices start `normal`, a cut normal of std 0.02 as in the authors' code, or as the `identity`.
    Tables of relative positions start at zero, as theirs do.
    """
    model: Any = vit.network(geometry.plain, drop_path=drop_path)
    blocks = list(model.blocks)
    model.sets = nn.ModuleList(nn.ModuleDict({"attn": b.attn, "mlp": b.mlp}) for b in blocks[:: geometry.repeats])
    where_TT = _buckets(geometry.plain.image // geometry.plain.patch)
    model.blocks = nn.Sequential(
        *(
            MiniBlock(block, model.sets[i // geometry.repeats], Mixing(geometry, where_TT, mix=mix))
            for i, block in enumerate(blocks)
        )
    )
    made: nn.Module = model
    return made


class MiniBlock(nn.Module):
    """A block with the norms of `own` and the linear layers of `shared`, which is not a part of it.

    shared: `attn` and `mlp` of a timm block.
    """

    def __init__(self, own: Block, shared: nn.ModuleDict, mixing: Mixing) -> None:
        super().__init__()
        self.norm1, self.norm2 = own.norm1, own.norm2
        self.drop_path1, self.drop_path2 = own.drop_path1, own.drop_path2
        self.attn = mixing
        self._borrowed = (shared,)  # in a tuple, where nn.Module does not look: its parameters are the set's

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Tokens to tokens (B, T, D)."""
        shared = self._borrowed[0]
        x_BTD = x_BTD + self.drop_path1(self.attn(self.norm1(x_BTD), shared["attn"]))
        out_BTD: Tensor = x_BTD + self.drop_path2(shared["mlp"](self.norm2(x_BTD)))
        return out_BTD


class Mixing(nn.Module):
    """What a block has of its own in attention: relative positions on keys, and heads mixed around the softmax."""

    def __init__(self, geometry: MiniGeometry, where_TT: Tensor, *, mix: Mix) -> None:
        super().__init__()
        heads = geometry.plain.heads
        self.mix_before, self.mix_after = (nn.Parameter(torch.eye(heads)) for _ in range(2))
        self.rpe_k = nn.Parameter(torch.zeros(geometry.plain.width // heads, geometry.buckets))
        self.register_buffer("where_TT", where_TT, persistent=False)
        if mix == "normal":
            for matrix_HH in (self.mix_before, self.mix_after):
                nn.init.trunc_normal_(matrix_HH, std=MIX_STD)

    def forward(self, x_BTD: Tensor, shared: Any) -> Tensor:
        """Attention (B, T, D) by the linear layers of a timm Attention; it has no fused kernel."""
        batch, tokens, _ = x_BTD.shape
        qkv = shared.qkv(x_BTD).reshape(batch, tokens, 3, shared.num_heads, shared.head_dim)
        q_BHTK, k_BHTK, v_BHTK = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        q_BHTK = q_BHTK * shared.scale
        where_BHTT = self.get_buffer("where_TT").expand(batch, shared.num_heads, tokens, tokens)
        scores_BHTT = q_BHTK @ k_BHTK.transpose(-2, -1) + (q_BHTK @ self.rpe_k).gather(-1, where_BHTT)
        weights_BHTT = _mixed(scores_BHTT, self.mix_before).softmax(dim=-1)
        weights_BHTT = shared.attn_drop(_mixed(weights_BHTT, self.mix_after))
        x_BTD = (weights_BHTT @ v_BHTK).transpose(1, 2).reshape(batch, tokens, shared.attn_dim)
        out_BTD: Tensor = shared.proj_drop(shared.proj(x_BTD))
        return out_BTD


def _mixed(scores_BHTT: Tensor, matrix_HH: Tensor) -> Tensor:
    return torch.einsum("gh,bhts->bgts", matrix_HH, scores_BHTT)


def _buckets(side: int) -> Tensor:
    """For a query and a key, the column of their offset in a table of relative positions, (T, T); T = side * side."""
    places = [divmod(token, side) for token in range(side * side)]
    return torch.tensor([[bucket(row - r, column - c) for r, c in places] for row, column in places])
