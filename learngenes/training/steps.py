"""Networks of which every training step uses another part: what a step uses follows from (seed, step) alone.

The number of steps taken is a buffer, so that checkpoints, averages of weights and all ranks have it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn


class Counted(nn.Module):
    """A network that counts its training steps."""

    steps: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def next_step(self) -> int:
        """The number of training steps before this one, which is counted from now on."""
        step = int(self.steps)
        self.steps += 1
        return step


def drawn(count: int, *, seed: int, key: int, step: int) -> int:
    """A number within 0..count - 1, each as likely as another. key: keeps the uses of one seed apart."""
    return int(np.random.default_rng((seed, key, step)).integers(count))


def idle(used: Tensor, *parts: nn.Module) -> Tensor:
    """`used`, with a gradient of zero for all parameters of parts that this step leaves out.

    Without one, several ranks would wait for their gradients, and an optimizer would treat them otherwise than it
    does with one rank.
    """
    for part in parts:
        for parameter in part.parameters():
            used = used + 0 * parameter.sum()
    return used
