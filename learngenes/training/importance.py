"""Importance of a network's parts from one forward pass over a few of a job's training images, as it is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import Tensor, nn

from learngenes.job import Stopped
from learngenes.tensorfile import IndexArray
from learngenes.training.scores import Hidden, Residual, Scores, measure, rankings
from learngenes.training.session import Session


class _AskedToStop(Exception):
    """Leaves the pass from inside of its loop."""


def measured(
    running: Session,
    model: nn.Module,
    images: int,
    *,
    residual: Residual = "stream",
    hidden: Hidden = "after-gelu",
    moments: bool = False,
) -> Scores | Stopped:
    """What scores.measure makes of so many training images; a pass that was stopped starts anew."""
    seen = 0

    def batches() -> Iterator[Tensor]:
        nonlocal seen
        for batch_BCHW in running.sample(images):
            if running.stop():
                raise _AskedToStop
            yield batch_BCHW
            seen += len(batch_BCHW)

    try:
        return measure(model, batches(), residual=residual, hidden=hidden, moments=moments)
    except _AskedToStop:
        return Stopped("scores", seen, images)


def stored(scores: Scores, name: Callable[[int], str]) -> dict[str, IndexArray]:
    """Rankings as planning.width reads them, int32, most important first.

    `rankings.res` (width), and for each row i of the scores `rankings.<name(i)>.heads` and `.hidden`.
    """
    order = rankings(scores)
    tensors: dict[str, IndexArray] = {"rankings.res": order.res}
    for layer, (heads, hidden) in enumerate(zip(order.heads, order.hidden, strict=True)):
        tensors |= {f"rankings.{name(layer)}.heads": heads, f"rankings.{name(layer)}.hidden": hidden}
    return tensors
